"""Depth Anything V1 and V2 are the official ones: same tensors, same function."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depthmap import networks
from depthmap.catalog import CATALOG, ModelSpec
from depthmap.depth import METRIC, RELATIVE_INVERSE
from depthmap.families import FAMILIES
from depthmap.networks import dinov2
from depthmap.networks.depth_anything import VARIANTS
from depthmap.transforms import prepare, restore

from . import modern
from .modern import network_input, relative_error

TOLERANCE = 1e-5
END_TO_END = 1e-4
# network, NAME.npz, and the checkpoint that it was made with
PUBLISHED = [
    ("depth_anything_v2_small", "DepthAnythingV2_Small", "DepthAnythingV2_Small"),
    ("depth_anything_v2_indoor_small", "DepthAnythingV2_Metric_Hypersim_Small", "DepthAnythingV2_Small"),
    ("depth_anything_v1_small", "DepthAnythingV1_Small", "DepthAnythingV2_Small"),
    ("depth_anything_v2_base", "DepthAnythingV2_Base", "DepthAnythingV2_Base"),
    ("depth_anything_v2_outdoor_base", "DepthAnythingV2_Metric_VKITTI_Base", "DepthAnythingV2_Base"),
    ("depth_anything_v2_large", "DepthAnythingV2_Large", "DepthAnythingV2_Large"),
]
QUICK = ("depth_anything_v2_small",)
EACH = [
    pytest.param(case, id=case[0], marks=() if case[0] in QUICK else pytest.mark.slow) for case in PUBLISHED
]


@dataclass(frozen=True)
class Official:
    """One network filled with its synthetic checkpoint, and the name of its outputs."""

    name: str
    goldens: str
    module: nn.Module

    def run(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            result: Tensor = self.module(x)
        return result


@pytest.fixture(scope="module", params=EACH)
def official(request: pytest.FixtureRequest) -> Iterator[Official]:
    name, goldens, keys = request.param
    variant = VARIANTS[name]
    module = variant.build().eval()
    networks.fill(module, modern.state(keys, variant.unused))
    yield Official(name, goldens, module)
    del module
    gc.collect()


@pytest.fixture(scope="module")
def small() -> nn.Module:
    variant = VARIANTS["depth_anything_v2_small"]
    module = variant.build().eval()
    networks.fill(module, modern.state("DepthAnythingV2_Small", variant.unused))
    return module


def test_outputs_are_those_of_the_official_network(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, "net"))
    assert len(cases) == 2
    for case in cases:
        ours = official.run(network_input(case.height, case.width, case.seed))
        assert ours.shape == (1, case.height, case.width)
        assert ours.dtype == torch.float32
        assert relative_error(ours[0, ::4, ::4], case.array) < TOLERANCE


def test_the_tokens_that_the_head_gets_are_the_official_ones(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, r"tap\d"))
    assert len(cases) == 4
    with torch.inference_mode():
        taps = official.module.pretrained(network_input(cases[0].height, cases[0].width, cases[0].seed))
    for tokens, case in zip(taps, cases, strict=True):
        assert relative_error(tokens[0, 1:][::16, ::16], case.array) < TOLERANCE


def spec_of(network: str, size: int | None) -> ModelSpec:
    imagenet = CATALOG["midas"]
    return replace(imagenet, name="mine", network=network, input_size=size or 518, resize="lower_bound")


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case[0])
def test_the_input_is_that_of_the_official_transform(case: tuple[str, str, str]) -> None:
    network, name, _ = case
    shapes = {golden.key: golden.array for golden in modern.goldens(name, "inputshape")}
    cases = list(modern.goldens(name, "input"))
    assert len(cases) == len(shapes) == 2
    for golden in cases:
        ours = prepare(modern.picture(golden), spec_of(network, golden.size))
        assert (1, *ours.shape) == tuple(shapes[golden.key])
        assert relative_error(ours[:, ::8, ::8], golden.array) < END_TO_END


def test_the_way_from_picture_to_map_is_the_official_one(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, "depth"))
    assert len(cases) == 2
    for golden in cases:
        spec = spec_of(official.name, golden.size)
        output = official.run(torch.from_numpy(prepare(modern.picture(golden), spec))[None])[0].numpy()
        depth = restore(output, golden.height, golden.width, spec.family.restored)
        assert depth.dtype == np.float32
        assert relative_error(depth[::8, ::8], golden.array) < END_TO_END


def test_what_is_said_of_their_family_is_true_of_each() -> None:
    assert FAMILIES.keys() >= VARIANTS.keys()
    for name in VARIANTS:
        assert FAMILIES[name].multiple == dinov2.PATCH
        assert FAMILIES[name].kind == (METRIC if VARIANTS[name].max_depth else RELATIVE_INVERSE)


@pytest.mark.parametrize("name", VARIANTS)
def test_tensor_names_shapes_and_order_are_the_published_ones(name: str) -> None:
    variant = VARIANTS[name]
    published = modern.layout(f"DepthAnythingV2_{name.rsplit('_', 1)[1].capitalize()}")
    ours = [(n, tuple(t.shape)) for n, t in variant.build().state_dict().items()]
    assert ours == [(n, s) for n, s in published.items() if not n.startswith(variant.unused)]
    assert all(any(n.startswith(prefix) for n in published) for prefix in variant.unused)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_has_a_part_in_the_output(name: str) -> None:
    module = VARIANTS[name].build().eval()
    output = module(torch.empty(1, 3, 42, 70, device="meta"))
    named = dict(module.named_parameters())
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    assert output.shape == (1, 42, 70)
    assert [n for n, gradient in zip(named, gradients, strict=True) if gradient is None] == []


def test_the_variants_are_three_sizes_of_four_networks() -> None:
    assert len(VARIANTS) == 12
    assert {v.max_depth for n, v in VARIANTS.items() if "door" not in n} == {0.0}
    assert {v.max_depth for n, v in VARIANTS.items() if "_indoor_" in n} == {20.0}
    assert {v.max_depth for n, v in VARIANTS.items() if "_outdoor_" in n} == {80.0}
    assert VARIANTS["depth_anything_v1_base"].encoder.taps == (8, 9, 10, 11)
    assert VARIANTS["depth_anything_v1_large"].encoder.taps == (20, 21, 22, 23)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 37), (37, 38), (18, 27), (49, 37), (109, 37)])
def test_positions_are_resized_by_the_scale_that_torch_calls_bicubic(
    small: nn.Module, rows: int, columns: int
) -> None:
    encoder = small.pretrained
    assert isinstance(encoder, dinov2.DinoV2)
    grid = encoder.pos_embed[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    scale = ((rows + 0.1) / 37, (columns + 0.1) / 37)
    expected = F.interpolate(grid, scale_factor=scale, mode="bicubic").flatten(2)[0].T
    with torch.inference_mode():
        ours = encoder._positions(rows, columns)
    assert relative_error(ours, expected.detach()) < TOLERANCE


def test_positions_at_the_trained_size_are_the_checkpoints_own(small: nn.Module) -> None:
    with torch.inference_mode():
        assert torch.equal(small.pretrained._positions(37, 37), small.pretrained.pos_embed[0, 1:])


@pytest.mark.parametrize(("height", "width"), [(14, 14), (28, 154), (70, 42)])
def test_every_multiple_of_14_gives_a_map_of_its_size(official: Official, height: int, width: int) -> None:
    depth = official.run(network_input(height, width))
    assert depth.shape == (1, height, width)
    assert depth.isfinite().all()
    assert (depth >= 0).all()
    assert depth.max() > 0


def test_a_metric_network_gives_no_more_than_its_greatest_depth(official: Official) -> None:
    limit = VARIANTS[official.name].max_depth
    if not limit:
        pytest.skip("relative inverse depth has no unit")
    depth = official.run(100 * network_input(28, 42))
    assert (depth <= limit).all()
    assert depth.max() > 0.4 * limit


def test_a_batch_gives_what_its_pictures_give_one_by_one(official: Official) -> None:
    batch = torch.cat([network_input(42, 70, seed) for seed in range(2)])
    singles = torch.cat([official.run(picture[None]) for picture in batch])
    assert relative_error(official.run(batch), singles) < TOLERANCE
    assert relative_error(singles[0], singles[1]) > TOLERANCE


@pytest.mark.slow
def test_export_can_leave_the_sizes_and_the_batch_open(small: nn.Module) -> None:
    sides = {
        0: torch.export.Dim("n", max=16),
        2: 14 * torch.export.Dim("h", max=110),
        3: 14 * torch.export.Dim("w", max=110),
    }
    example = torch.cat([network_input(56, 84, seed) for seed in range(2)])
    with torch.no_grad():
        program = torch.export.export(small, (example,), dynamic_shapes={"x": sides})
        for height, width in ((42, 98), (518, 518)):
            other = network_input(height, width)
            assert relative_error(program.module()(other), small(other)) < TOLERANCE
