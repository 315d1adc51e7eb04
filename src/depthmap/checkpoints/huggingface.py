"""The names that Hugging Face's transformers gives the tensors of the dense prediction transformers and Depth Anything.

``Intel/dpt-large``, ``depth-anything/Depth-Anything-V2-Small-hf`` and the like hold the published weights under them:
queries, keys and values apart, the fusion blocks counted from the coarsest, the class head dropped. The way back is
exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeVar

from ..errors import UnrecognisedFile
from . import distinct, expected_shapes, layout_of

_BIT = "dpt.embeddings.backbone.bit"
_LEVELS = (1, 2, 3, 4)
_PARTS = ("query", "key", "value")
_NECK = "neck."
"""How some of the names begin in each of their networks, and in nobody else's."""
_COARSEST = "neck.fusion_stage.layers.0.residual_layer1."


def _neck(scratch: str) -> dict[str, str]:
    """Return the names of the fusion blocks, which all of them have; ours begin with ``scratch``."""
    return {
        **{f"{scratch}.layer{level}_rn.*": f"neck.convs.{level - 1}.*" for level in _LEVELS},
        **{
            f"{scratch}.refinenet{level}.{ours}.*": f"neck.fusion_stage.layers.{4 - level}.{theirs}.*"
            for level in _LEVELS
            for ours, theirs in {
                "out_conv": "projection",
                "resConfUnit*.conv*": "residual_layer*.convolution*",
            }.items()
        },
    }


class _Names(NamedTuple):
    """Our names and theirs: what a ``*`` stands for is kept, ``{part}`` is each of `_PARTS` in turn.

    Their tensors that begin as in ``unused`` are never read at inference; some files have them.
    """

    rules: dict[str, str]
    unused: tuple[str, ...]


def _dpt(patches: str) -> _Names:
    return _Names(
        {
            "pretrained.model.cls_token": "dpt.embeddings.cls_token",
            "pretrained.model.pos_embed": "dpt.embeddings.position_embeddings",
            "pretrained.model.patch_embed.proj.*": f"{patches}.*",
            "pretrained.model.patch_embed.backbone.stem.conv.*": f"{_BIT}.embedder.convolution.*",
            "pretrained.model.patch_embed.backbone.stem.norm.*": f"{_BIT}.embedder.norm.*",
            "pretrained.model.patch_embed.backbone.stages.*.blocks.*": f"{_BIT}.encoder.stages.*.layers.*",
            "pretrained.model.blocks.*.norm1.*": "dpt.encoder.layer.*.layernorm_before.*",
            "pretrained.model.blocks.*.attn.qkv.*": "dpt.encoder.layer.*.attention.attention.{part}.*",
            "pretrained.model.blocks.*.attn.proj.*": "dpt.encoder.layer.*.attention.output.dense.*",
            "pretrained.model.blocks.*.norm2.*": "dpt.encoder.layer.*.layernorm_after.*",
            "pretrained.model.blocks.*.mlp.fc1.*": "dpt.encoder.layer.*.intermediate.dense.*",
            "pretrained.model.blocks.*.mlp.fc2.*": "dpt.encoder.layer.*.output.dense.*",
            **{
                f"pretrained.act_postprocess{level}.{ours}.*": f"neck.reassemble_stage.{theirs}.*"
                for level in _LEVELS
                for ours, theirs in {
                    "0.project.0": f"readout_projects.{level - 1}.0",
                    "3": f"layers.{level - 1}.projection",
                    "4": f"layers.{level - 1}.resize",
                }.items()
            },
            **_neck("scratch"),
            "scratch.output_conv.*": "head.head.*",
        },
        ("dpt.layernorm.", "dpt.pooler.", _COARSEST),
    )


_DEPTH_ANYTHING = _Names(
    {
        "pretrained.cls_token": "backbone.embeddings.cls_token",
        "pretrained.pos_embed": "backbone.embeddings.position_embeddings",
        "pretrained.patch_embed.proj.*": "backbone.embeddings.patch_embeddings.projection.*",
        "pretrained.blocks.*.attn.qkv.*": "backbone.encoder.layer.*.attention.attention.{part}.*",
        "pretrained.blocks.*.attn.proj.*": "backbone.encoder.layer.*.attention.output.dense.*",
        "pretrained.blocks.*.ls*.gamma": "backbone.encoder.layer.*.layer_scale*.lambda1",
        "pretrained.blocks.*": "backbone.encoder.layer.*",
        "pretrained.norm.*": "backbone.layernorm.*",
        "depth_head.projects.*.*": "neck.reassemble_stage.layers.*.projection.*",
        "depth_head.resize_layers.*.*": "neck.reassemble_stage.layers.*.resize.*",
        **_neck("depth_head.scratch"),
        "depth_head.scratch.output_conv1.*": "head.conv1.*",
        "depth_head.scratch.output_conv2.0.*": "head.conv2.*",
        "depth_head.scratch.output_conv2.2.*": "head.conv3.*",
    },
    ("backbone.embeddings.mask_token", _COARSEST),
)
_NAMES = {
    "dpt_large": _dpt("dpt.embeddings.patch_embeddings.projection"),
    "dpt_hybrid": _dpt("dpt.embeddings.projection"),
    **{f"depth_anything_{size}": _DEPTH_ANYTHING for size in ("small", "base", "large")},
}
"""By list of tensors (`layout_of`)."""


class _Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


Tensor = TypeVar("Tensor", bound=_Shaped)


def convert(
    state: Mapping[str, Tensor], network: str, join: Callable[[list[Tensor]], Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of ``state`` under the published names.

    Queries, keys and values are joined; the others are not copied.

    Parameters
    ----------
    state : mapping of str to Tensor
        The state dict of transformers' ``DPTForDepthEstimation`` or ``DepthAnythingForDepthEstimation``.
    network : str
        One that they have: DPT_Large's, DPT_Hybrid's, or one of Depth Anything V1 and V2.
    join : callable
        What joins tensors, torch's or others, along their first axis.

    Returns
    -------
    dict
        What `networks.fill` asks for, in the checkpoint's order.

    Raises
    ------
    UnrecognisedFile
        See `sources`.
    """
    origin = sources({name: tuple(tensor.shape) for name, tensor in state.items()}, network)
    return {
        ours: state[theirs[0]] if len(theirs) == 1 else join([state[name] for name in theirs])
        for ours, theirs in origin.items()
    }


def sources(shapes: Mapping[str, tuple[int, ...]], network: str) -> dict[str, tuple[str, ...]]:
    """Return which of the tensors named in ``shapes`` make each tensor that ``network`` reads.

    Raises
    ------
    UnrecognisedFile
        Naming tensors that are missing, of another shape, or of no known use: nothing is invented, and nothing that
        might matter is left out. Also when transformers has no such network.
    """
    if (layout := layout_of(network)) not in _NAMES:
        raise UnrecognisedFile(
            "Hugging Face's tools have no such network", network, f"They have {', '.join(_NAMES)}."
        )
    rules, unused = _NAMES[layout]
    expected = expected_shapes(network)
    origin = {ours: _theirs(ours, rules) for ours in expected}
    used = {name for names in origin.values() for name in names}
    wrong = {
        "missing": sorted(used - set(shapes)),
        "of no known use": [name for name in shapes if name not in used and not name.startswith(unused)],
        "of another shape": [
            names[0]
            for ours, names in origin.items()
            if used <= set(shapes) and _joined([shapes[name] for name in names]) != expected[ours]
        ],
    }
    if any(wrong.values()):
        said = "; ".join(f"{len(names)} {kind} ({names[0]}, …)" for kind, names in wrong.items() if names)
        raise UnrecognisedFile(
            f"The tensors are not those of Hugging Face's {network}: {said}",
            remedy="Check that the file is the model's own, complete and not fine-tuned to another task.",
        )
    return origin


def network_of(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the network whose tensors these are under transformers' names, empty where there is none.

    It is the first of those that are `checkpoints.alike`.
    """
    if any(name.startswith(_NECK) for name in shapes):
        for network in distinct():
            if layout_of(network) in _NAMES:
                with suppress(UnrecognisedFile):
                    sources(shapes, network)
                    return network
    return ""


def _theirs(ours: str, rules: Mapping[str, str]) -> tuple[str, ...]:
    for pattern, name in rules.items():
        if match := re.fullmatch(re.escape(pattern).replace(r"\*", "(.+)"), ours):
            found = name.replace("*", "%s") % match.groups()
            return tuple(found.format(part=part) for part in _PARTS) if "{part}" in found else (found,)
    raise AssertionError(f"no rule for {ours}")


def _joined(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of tensors joined along their first axis, () where they cannot be."""
    same = len({shape[1:] for shape in shapes}) == 1 and all(shapes)
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if same else ()
