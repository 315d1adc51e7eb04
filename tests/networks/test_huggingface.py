"""The way from Hugging Face's names to the published ones, on the lists of tensors that transformers writes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from depthmap import networks
from depthmap.checkpoints import huggingface, layout_of
from depthmap.errors import UnrecognisedFile
from networks import modern

LISTS = Path(__file__).parents[1] / "data" / "huggingface"
EACH = pytest.mark.parametrize("network", ["dpt_large", "dpt_hybrid", "depth_anything_v2_small"])
_COARSEST = {
    f"neck.fusion_stage.layers.0.residual_layer1.convolution{number}.{part}"
    for number in (1, 2)
    for part in ("weight", "bias")
}
UNUSED = {
    "dpt_large": {"dpt.layernorm.weight", "dpt.layernorm.bias", *_COARSEST},
    "dpt_hybrid": {"dpt.layernorm.weight", "dpt.layernorm.bias", *_COARSEST},
    "depth_anything_v2_small": {"backbone.embeddings.mask_token", *_COARSEST},
}
COUNTERPARTS = {
    "pretrained.model.cls_token": "dpt.embeddings.cls_token",
    "pretrained.model.pos_embed": "dpt.embeddings.position_embeddings",
    "pretrained.model.blocks.11.norm1.bias": "dpt.encoder.layer.11.layernorm_before.bias",
    "pretrained.model.blocks.0.norm2.weight": "dpt.encoder.layer.0.layernorm_after.weight",
    "pretrained.model.blocks.1.attn.proj.weight": "dpt.encoder.layer.1.attention.output.dense.weight",
    "pretrained.model.blocks.2.mlp.fc1.bias": "dpt.encoder.layer.2.intermediate.dense.bias",
    "pretrained.model.blocks.2.mlp.fc2.weight": "dpt.encoder.layer.2.output.dense.weight",
    "pretrained.act_postprocess3.0.project.0.weight": "neck.reassemble_stage.readout_projects.2.0.weight",
    "pretrained.act_postprocess3.3.bias": "neck.reassemble_stage.layers.2.projection.bias",
    "pretrained.act_postprocess4.4.weight": "neck.reassemble_stage.layers.3.resize.weight",
    "scratch.layer1_rn.weight": "neck.convs.0.weight",
    "scratch.refinenet4.out_conv.weight": "neck.fusion_stage.layers.0.projection.weight",
    "scratch.refinenet4.resConfUnit2.conv1.weight": "neck.fusion_stage.layers.0.residual_layer2.convolution1.weight",
    "scratch.refinenet1.resConfUnit1.conv2.bias": "neck.fusion_stage.layers.3.residual_layer1.convolution2.bias",
    "scratch.output_conv.4.bias": "head.head.4.bias",
}
OF_LARGE = {
    "pretrained.model.patch_embed.proj.weight": "dpt.embeddings.patch_embeddings.projection.weight",
    "pretrained.act_postprocess1.4.bias": "neck.reassemble_stage.layers.0.resize.bias",
    "pretrained.model.blocks.23.mlp.fc1.weight": "dpt.encoder.layer.23.intermediate.dense.weight",
}
_STAGES = "dpt.embeddings.backbone.bit.encoder.stages"
OF_HYBRID = {
    "pretrained.model.patch_embed.proj.bias": "dpt.embeddings.projection.bias",
    "pretrained.model.patch_embed.backbone.stem.conv.weight": "dpt.embeddings.backbone.bit.embedder.convolution.weight",
    "pretrained.model.patch_embed.backbone.stem.norm.bias": "dpt.embeddings.backbone.bit.embedder.norm.bias",
    "pretrained.model.patch_embed.backbone.stages.2.blocks.8.conv3.weight": f"{_STAGES}.2.layers.8.conv3.weight",
    "pretrained.model.patch_embed.backbone.stages.1.blocks.0.downsample.norm.bias": (
        f"{_STAGES}.1.layers.0.downsample.norm.bias"
    ),
}


OF_ANYTHING = {
    "pretrained.cls_token": "backbone.embeddings.cls_token",
    "pretrained.pos_embed": "backbone.embeddings.position_embeddings",
    "pretrained.patch_embed.proj.weight": "backbone.embeddings.patch_embeddings.projection.weight",
    "pretrained.blocks.11.norm1.bias": "backbone.encoder.layer.11.norm1.bias",
    "pretrained.blocks.1.attn.proj.weight": "backbone.encoder.layer.1.attention.output.dense.weight",
    "pretrained.blocks.1.ls1.gamma": "backbone.encoder.layer.1.layer_scale1.lambda1",
    "pretrained.blocks.10.ls2.gamma": "backbone.encoder.layer.10.layer_scale2.lambda1",
    "pretrained.blocks.2.mlp.fc2.weight": "backbone.encoder.layer.2.mlp.fc2.weight",
    "pretrained.norm.weight": "backbone.layernorm.weight",
    "depth_head.projects.2.weight": "neck.reassemble_stage.layers.2.projection.weight",
    "depth_head.resize_layers.3.bias": "neck.reassemble_stage.layers.3.resize.bias",
    "depth_head.scratch.layer1_rn.weight": "neck.convs.0.weight",
    "depth_head.scratch.refinenet4.out_conv.weight": "neck.fusion_stage.layers.0.projection.weight",
    "depth_head.scratch.refinenet2.resConfUnit1.conv2.bias": (
        "neck.fusion_stage.layers.2.residual_layer1.convolution2.bias"
    ),
    "depth_head.scratch.output_conv1.weight": "head.conv1.weight",
    "depth_head.scratch.output_conv2.0.bias": "head.conv2.bias",
    "depth_head.scratch.output_conv2.2.weight": "head.conv3.weight",
}


def shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Return what transformers writes of a network: shape by name."""
    lines = (LISTS / f"{layout_of(network)}.txt").read_text().splitlines()
    parsed = (line.split(" ", 1) for line in lines)
    return {name: ast.literal_eval(rest.rsplit(" ", 1)[0]) for name, rest in parsed}


def on_meta(network: str) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes(network).items()}


@EACH
def test_every_tensor_that_the_network_needs_is_made_and_no_other(network: str) -> None:
    made = huggingface.convert(on_meta(network), network, torch.cat)
    expected = networks.expected_shapes(network)
    assert {name: tuple(tensor.shape) for name, tensor in made.items()} == dict(expected)
    assert list(made) == list(expected)


@EACH
def test_every_tensor_of_theirs_is_used_once_but_those_that_inference_never_reads(network: str) -> None:
    used = [name for names in huggingface.sources(shapes(network), network).values() for name in names]
    assert len(used) == len(set(used))
    assert set(shapes(network)) - set(used) == UNUSED[network]


@pytest.mark.parametrize(
    ("network", "counterparts"),
    [
        ("dpt_large", COUNTERPARTS | OF_LARGE),
        ("dpt_hybrid", COUNTERPARTS | OF_HYBRID),
        ("depth_anything_v1_small", OF_ANYTHING),
    ],
)
def test_tensors_go_to_their_counterparts(network: str, counterparts: dict[str, str]) -> None:
    origin = huggingface.sources(shapes(network), network)
    assert {ours: origin[ours] for ours in counterparts} == {k: (v,) for k, v in counterparts.items()}


def test_queries_keys_and_values_are_joined_in_this_order_and_nothing_else_is_copied() -> None:
    state = {name: torch.zeros(()).expand(shape) for name, shape in shapes("dpt_hybrid").items()}
    prefix = "dpt.encoder.layer.7.attention.attention."
    parts = ("query", "key", "value")
    for leaf in ("weight", "bias"):
        state |= {
            f"{prefix}{part}.{leaf}": torch.randn(state[f"{prefix}{part}.{leaf}"].shape) for part in parts
        }
    made = huggingface.convert(state, "dpt_hybrid", torch.cat)
    for leaf in ("weight", "bias"):
        thirds = made[f"pretrained.model.blocks.7.attn.qkv.{leaf}"].chunk(3)
        for part, third in zip(parts, thirds, strict=True):
            assert torch.equal(third, state[f"{prefix}{part}.{leaf}"])
    assert made["scratch.layer1_rn.weight"] is state["neck.convs.0.weight"]


@EACH
def test_what_inference_never_reads_may_be_missing(network: str) -> None:
    found = {name: shape for name, shape in shapes(network).items() if name not in UNUSED[network]}
    assert huggingface.sources(found, network) == huggingface.sources(shapes(network), network)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"head.head.4.bias": None}, r"1 missing \(head.head.4.bias"),
        ({"dpt.encoder.layer.3.attention.attention.key.bias": None}, "1 missing"),
        ({"neck.convs.0.weight": (256, 256, 1, 1)}, r"1 of another shape \(neck.convs.0.weight"),
        ({"dpt.encoder.layer.3.attention.attention.key.weight": (768, 767)}, "1 of another shape"),
        ({"dpt.encoder.layer.3.attention.attention.key.bias": ()}, "1 of another shape"),
        ({"dpt.encoder.layer.12.layernorm_after.bias": (768,)}, "1 of no known use"),
        ({"neck.convs.0.bias": (256,)}, r"1 of no known use \(neck.convs.0.bias"),
    ],
)
def test_what_is_missing_of_another_shape_or_of_no_known_use_is_refused(
    change: dict[str, tuple[int, ...] | None], said: str
) -> None:
    found = {name: shape for name, shape in (shapes("dpt_hybrid") | change).items() if shape is not None}
    with pytest.raises(UnrecognisedFile, match=said):
        huggingface.sources(found, "dpt_hybrid")


def test_one_network_is_not_taken_for_the_other() -> None:
    with pytest.raises(UnrecognisedFile):
        huggingface.sources(shapes("dpt_large"), "dpt_hybrid")
    with pytest.raises(UnrecognisedFile, match="no such network"):
        huggingface.sources(shapes("dpt_large"), "midas_small")


def test_a_checkpoint_goes_to_their_names_and_back_bit_for_bit() -> None:
    network, theirs = "depth_anything_v2_small", {}
    ours = modern.state("DepthAnythingV2_Small", ())
    for name, sources in huggingface.sources(shapes(network), network).items():
        theirs |= dict(zip(sources, ours[name].chunk(len(sources)), strict=True))
    assert set(theirs) == set(shapes(network)) - UNUSED[network]
    assert {name: tuple(tensor.shape) for name, tensor in theirs.items()}.items() <= shapes(network).items()
    back = huggingface.convert(theirs, network, torch.cat)
    assert list(back) == list(networks.expected_shapes(network))
    assert all(torch.equal(back[name], ours[name]) for name in back)


@pytest.mark.parametrize("size", ["base", "large"])
def test_the_larger_ones_have_the_same_names(size: str) -> None:
    network = f"depth_anything_v2_{size}"
    expected = networks.expected_shapes(network)
    with pytest.raises(UnrecognisedFile, match=f"{_count(expected)} missing"):
        huggingface.sources({}, network)


def _count(expected: Mapping[str, tuple[int, ...]]) -> int:
    """Return how many tensors they have of these: queries, keys and values apart."""
    return len(expected) + 2 * sum(".qkv." in name for name in expected)
