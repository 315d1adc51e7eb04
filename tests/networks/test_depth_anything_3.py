"""Depth Anything 3 of one view is the official one: same tensors, same function."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthmap import networks, readings
from depthmap.catalog import ModelSpec, of_network
from depthmap.input_sizes import at_size
from depthmap.networks import any_view
from depthmap.networks.depth_anything_3 import VARIANTS
from depthmap.transforms import prepare

from . import modern
from .modern import Golden, network_input, relative_error

TOLERANCE = 1e-5
END_TO_END = 5e-4
"""A few bytes of an input that grew differ by one from OpenCV's, which moves depth beside them by 2e-4."""
PREFIX = "model."
# network, and NAME of keys and outputs; the metric network is the same as the other large one
PUBLISHED = [("da3_small", "DA3_SMALL"), ("da3_base", "DA3_BASE"), ("da3_mono_large", "DA3MONO_LARGE")]
EACH = [
    pytest.param(case, id=case[0], marks=() if case[0].endswith("small") else pytest.mark.slow)
    for case in PUBLISHED
]
KEYS = {**dict(PUBLISHED), "da3_metric_large": "DA3METRIC_LARGE"}


@dataclass(frozen=True)
class Official:
    """One network filled with its synthetic checkpoint, and the name of its outputs."""

    name: str
    goldens: str
    module: nn.Module
    runs: dict[tuple[int, int, int], tuple[Tensor, ...]] = field(default_factory=dict)

    @property
    def any_view(self) -> bool:
        return VARIANTS[self.name].any_view

    def run(self, x: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            result: tuple[Tensor, ...] = self.module(x)
        return result

    def of(self, case: Golden) -> tuple[Tensor, ...]:
        """Return what it gives for the random input of a case; the camera's case has that of depth."""
        key = (case.height, case.width, case.seed)
        if key not in self.runs:
            self.runs[key] = self.run(network_input(*key))
        return self.runs[key]


def filled(name: str) -> nn.Module:
    variant = VARIANTS[name]
    module = variant.build().eval()
    networks.fill(module, modern.state(KEYS[name], variant.unused, PREFIX))
    return module


@pytest.fixture(scope="module", params=EACH)
def official(request: pytest.FixtureRequest) -> Iterator[Official]:
    name, goldens = request.param
    module = filled(name)
    yield Official(name, goldens, module)
    del module
    gc.collect()


def spec_of(network: str, golden: Golden) -> ModelSpec:
    return at_size(of_network(network, {}), golden.size)


def named(official: Official, kind: str, golden: Golden) -> np.ndarray:
    return next(g.array for g in modern.goldens(official.goldens, kind) if g.key == golden.key)


def extrinsics(camera: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 4) that brings the world to a camera of this place and quaternion."""
    x, y, z, w = camera[3:7]
    turned = np.array(
        [
            [y * y + z * z, z * w - x * y, -x * z - y * w],
            [-x * y - z * w, x * x + z * z, x * w - y * z],
            [y * w - x * z, -y * z - x * w, x * x + y * y],
        ]
    )
    rotation = np.eye(3) - 2 / (camera[3:7] @ camera[3:7]) * turned
    return np.column_stack((rotation.T, -rotation.T @ camera[:3]))


def test_depth_is_that_of_the_official_network(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, "net_depth"))
    assert len(cases) == (2 if official.any_view else 1)
    second = "net_depth_conf" if official.any_view else "net_sky"
    for case in cases:
        depth, other, *_ = official.of(case)
        assert depth.shape == other.shape == (1, case.height, case.width)
        assert depth.dtype == other.dtype == torch.float32
        assert relative_error(depth[0, ::4, ::4], case.array) < TOLERANCE
        assert relative_error(other[0, ::4, ::4], named(official, second, case)) < TOLERANCE


def test_the_camera_is_that_of_the_official_network(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, "net_intrinsics"))
    assert len(cases) == (2 if official.any_view else 0)
    for case in cases:
        camera = official.of(case)[2][0].double().numpy()
        assert camera.shape == (9,)
        assert relative_error(extrinsics(camera), named(official, "net_extrinsics", case)) < TOLERANCE
        focal = np.array([case.width, case.height]) / 2 / np.tan(camera[[8, 7]] / 2)
        assert relative_error(focal, case.array[[0, 1], [0, 1]]) < TOLERANCE


def test_the_tokens_that_the_head_gets_are_the_official_ones(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, r"tap\d"))
    assert len(cases) == 4
    encoder = official.module.backbone["pretrained"]
    with torch.inference_mode():
        taps = encoder(network_input(cases[0].height, cases[0].width, cases[0].seed))
        if official.any_view:
            taps = [encoder.normalised(tokens) for tokens in taps]
    for tokens, case in zip(taps, cases, strict=True):
        assert relative_error(tokens[0, 1:][::16, ::16], case.array) < TOLERANCE


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case[0])
def test_the_input_is_that_of_the_official_processor(case: tuple[str, str]) -> None:
    network, name = case
    shapes = {golden.key: golden.array for golden in modern.goldens(name, "inputshape")}
    cases = list(modern.goldens(name, "input"))
    assert len(cases) == len(shapes) == 3
    for golden in cases:
        ours = prepare(modern.picture(golden), spec_of(network, golden))
        assert (1, *ours.shape) == tuple(shapes[golden.key])
        assert relative_error(ours[:, ::8, ::8], golden.array) < TOLERANCE


def test_the_way_from_picture_to_map_is_the_official_one(official: Official) -> None:
    cases = list(modern.goldens(official.goldens, "depth"))
    assert len(cases) == 3
    for golden in cases:
        spec = spec_of(official.name, golden)
        x = prepare(modern.picture(golden), spec)
        outputs = [output[0].numpy() for output in official.run(torch.from_numpy(x)[None])]
        assert relative_error(outputs[0][::8, ::8], golden.array) < END_TO_END
        height, width = x.shape[1:]
        depth = readings.read(outputs, readings.Scene(spec, width, height))
        if official.any_view:
            expected, camera = golden.array, named(official, "intrinsics", golden)
            focal = np.array([depth["camera"].fx, depth["camera"].fy])
            assert relative_error(focal, camera[[0, 1], [0, 1]]) < END_TO_END
            assert relative_error(outputs[1][::8, ::8], named(official, "depth_conf", golden)) < END_TO_END
        else:
            expected = named(official, "depthskyfilled", golden)
            assert relative_error(outputs[1][::8, ::8], named(official, "sky", golden)) < END_TO_END
        assert relative_error(depth["values"][::8, ::8], expected) < END_TO_END


@pytest.mark.parametrize("name", VARIANTS)
def test_tensor_names_and_shapes_are_the_published_ones(name: str) -> None:
    variant = VARIANTS[name]
    published = {n.removeprefix(PREFIX): shape for n, shape in modern.layout(KEYS[name]).items()}
    ours = {n: tuple(t.shape) for n, t in variant.build().state_dict().items()}
    assert ours == {n: s for n, s in published.items() if not n.startswith(variant.unused)}
    assert all(any(n.startswith(prefix) for n in published) for prefix in variant.unused)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_has_a_part_in_the_output(name: str) -> None:
    module = VARIANTS[name].build().eval()
    outputs = module(torch.empty(1, 3, 42, 70, device="meta"))
    named = dict(module.named_parameters())
    total = sum(output.sum() for output in outputs)
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    assert [n for n, gradient in zip(named, gradients, strict=True) if gradient is None] == []


@pytest.mark.parametrize(("height", "width"), [(14, 14), (28, 154), (70, 42)])
def test_every_multiple_of_14_gives_maps_of_its_size(official: Official, height: int, width: int) -> None:
    depth, other, *camera = official.run(network_input(height, width))
    assert depth.shape == other.shape == (1, height, width)
    assert all(array.isfinite().all() for array in (depth, other, *camera))
    assert (depth > 0).all()
    assert (other >= (1 if official.any_view else 0)).all()


def test_a_batch_gives_what_its_pictures_give_one_by_one(official: Official) -> None:
    batch = torch.cat([network_input(42, 70, seed) for seed in range(2)])
    singles = [official.run(picture[None]) for picture in batch]
    for together, *apart in zip(official.run(batch), *singles, strict=True):
        assert relative_error(together, torch.cat(apart)) < TOLERANCE
        assert relative_error(apart[0], apart[1]) > TOLERANCE


def test_half_precision_is_kept_throughout() -> None:
    module, x = filled("da3_small"), network_input(70, 98)
    with torch.inference_mode():
        expected = module(x)
        ours = module.half()(x.half())
    for output, reference in zip(ours, expected, strict=True):
        assert output.dtype == torch.float16
        assert relative_error(output.float(), reference) < 1e-2


def test_tokens_are_rotated_by_where_they_lie_or_as_if_they_lay_at_one_place() -> None:
    apart, together = any_view._rotations(3, 5, 64, torch.empty(0))
    speeds = 100.0 ** -(torch.arange(16) / 16)
    for number, (row, column) in enumerate([(r, c) for r in range(1, 4) for c in range(1, 6)], 1):
        for angles, half in ((row * speeds, slice(0, 32)), (column * speeds, slice(32, 64))):
            assert torch.allclose(apart[0][number, half], torch.cat((angles, angles)).cos(), atol=1e-6)
            assert torch.allclose(apart[1][number, half], torch.cat((-angles, angles)).sin(), atol=1e-6)
    assert torch.equal(apart[0][0], torch.ones(64))
    assert torch.equal(apart[1][0].abs(), torch.zeros(64))
    assert (together[0][1:] == apart[0][1]).all()


@pytest.mark.slow
def test_export_can_leave_the_sizes_and_the_batch_open() -> None:
    small = filled("da3_small")
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
            for ours, expected in zip(program.module()(other), small(other), strict=True):
                assert relative_error(ours, expected) < TOLERANCE
