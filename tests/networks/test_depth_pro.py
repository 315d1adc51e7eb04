"""Depth Pro is the official one: same tensors, same function, same metres."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import numpy_helper
from tools import graphs
from torch import Tensor, nn

from depthmap import checkpoints, networks
from depthmap.camera import Camera
from depthmap.catalog import CATALOG
from depthmap.engines import ENGINES
from depthmap.families import family_of
from depthmap.networks.depth_pro import CROP, FINE, GRID, MIDDLE, PATCH, SIDE, DepthProVariant, Tiling
from depthmap.readings import Scene, read
from depthmap.transforms import prepare

from . import modern
from .filling import filled
from .modern import Golden, network_input, relative_error

NAME = "depth_pro"
TOLERANCE = 1e-5
END_TO_END = 1e-4
SPEC = CATALOG["depthpro"]
SMALL = DepthProVariant(16, 2, 2, (0, 1), (16, 8, 8, 8, 8), 16)
"""The same network with few channels and blocks."""


def golden(kind: str, options: str = "") -> Golden:
    return next(golden for golden in modern.goldens(NAME, kind) if golden.options == options)


def test_tensors_are_the_published_ones_in_their_order() -> None:
    unused = networks.unused_prefixes(NAME)
    published = modern.layout(NAME)
    ours = [(name, tuple(t.shape)) for name, t in networks.build(NAME).state_dict().items()]
    assert ours == [(name, shape) for name, shape in published.items() if not name.startswith(unused)]
    assert all(any(name.startswith(prefix) for name in published) for prefix in unused)
    assert sum(map(np.prod, published.values())) == SPEC.parameters


def test_the_published_file_is_recognised_though_it_is_in_half_precision() -> None:
    assert checkpoints.recognise(modern.layout(NAME)) == NAME
    tensors = {name: (dtype, shape) for name, shape, dtype in modern.synthetic.layout(NAME)}
    assert {dtype for dtype, _ in tensors.values()} == {"float16"}
    checkpoints.require_fit(NAME, tensors)


def test_outputs_are_those_of_its_family_and_every_parameter_has_a_part_in_them() -> None:
    family = family_of(NAME)
    assert family.fixed == SPEC.input_size == SIDE
    module = SMALL.build()
    outputs = dict(zip(family.outputs, module(torch.empty(1, 3, SIDE, SIDE, device="meta")), strict=True))
    assert outputs["inverse_depth"].shape == (1, SIDE, SIDE)
    assert outputs["fov"].shape == (1,)
    named = dict(module.named_parameters())

    def idle(output: Tensor) -> set[str]:
        gradients = torch.autograd.grad(
            output.sum(), list(named.values()), allow_unused=True, retain_graph=True
        )
        return {name for name, gradient in zip(named, gradients, strict=True) if gradient is None}

    of_view = {name for name in named if name.startswith("fov.")}
    assert idle(outputs["inverse_depth"]) == of_view
    assert not idle(outputs["fov"]) & of_view


@pytest.mark.parametrize(("tiling", "side"), [(FINE, SIDE), (MIDDLE, SIDE // 2)])
def test_crops_reach_all_of_the_picture_and_are_joined_where_they_were(tiling: Tiling, side: int) -> None:
    pixels = torch.arange(2 * side * side, dtype=torch.float64).reshape(2, 1, side, side)
    crops = torch.cat(tiling.crops(pixels))
    assert crops.shape == (2 * tiling.along**2, 1, CROP, CROP)
    first_of_patches = crops[:, :, ::PATCH, ::PATCH]
    assert first_of_patches.shape[2:] == (GRID, GRID)
    assert torch.equal(tiling.joined(first_of_patches), pixels[:, :, ::PATCH, ::PATCH])


@pytest.mark.parametrize("tiling", [FINE, MIDDLE])
def test_of_what_two_crops_share_each_gives_half(tiling: Tiling) -> None:
    numbers = torch.arange(tiling.along**2, dtype=torch.float32)
    joined = tiling.joined(numbers[:, None, None, None].expand(-1, 1, GRID, GRID))[0, 0]
    along = [len(list(same)) for _, same in itertools.groupby(joined[0].tolist())]
    inner, outer = tiling.stride // PATCH, (tiling.stride + CROP) // PATCH // 2
    assert along == [outer, *[inner] * (tiling.along - 2), outer]
    assert torch.equal(joined[:, 0], joined[0] * tiling.along)


@pytest.mark.slow
def test_a_batch_gives_what_its_pictures_give_one_by_one() -> None:
    module = filled(SMALL.build().eval())
    pictures = torch.cat([network_input(SIDE, SIDE, seed) for seed in range(2)])
    with torch.inference_mode():
        together = module(pictures)
        singles = [torch.cat(outputs) for outputs in zip(*map(module, pictures.split(1)), strict=True)]
    for ours, single in zip(together, singles, strict=True):
        assert relative_error(ours, single) < TOLERANCE
        assert relative_error(single[0], single[1]) > TOLERANCE


@pytest.mark.slow  # torch's exporter
def test_every_engine_gives_what_torch_gives_of_a_network_with_few_channels(tmp_path: Path) -> None:
    module = filled(SMALL.build().eval())
    model = graphs.exported(SMALL.build(), family_of(NAME))
    graphs.simplify(model)
    graphs.strip(model)
    whole = ir.to_proto(model)
    whole.graph.initializer.extend(
        numpy_helper.from_array(tensor.numpy(), name) for name, tensor in module.state_dict().items()
    )
    onnx.save(whole, tmp_path / "whole.onnx")
    picture = network_input(SIDE, SIDE)
    with torch.inference_mode():
        expected = module(picture)
    for engine in ENGINES.values():
        for found, one in zip(engine.open(tmp_path / "whole.onnx")(picture.numpy()), expected, strict=True):
            assert relative_error(found, one) < END_TO_END


def test_the_input_is_that_of_the_official_transform() -> None:
    expected = golden("input")
    ours = prepare(modern.picture(expected), SPEC)
    assert ours.shape == (3, SIDE, SIDE)
    assert relative_error(ours[:, ::24, ::24], expected.array) < END_TO_END


class Found(NamedTuple):
    """What the network made of the picture of the goldens."""

    features: list[Tensor]
    outputs: tuple[np.ndarray[Any, Any], ...]


@pytest.fixture(scope="module")
def found() -> Found:
    module: nn.Module = networks.build(NAME)
    networks.fill_in_float32(module, modern.state(NAME, networks.unused_prefixes(NAME)))
    features: list[Tensor] = []
    module.encoder.register_forward_hook(lambda _module, _inputs, outputs: features.extend(outputs))
    picture = torch.from_numpy(prepare(modern.picture(golden("input")), SPEC))
    with torch.inference_mode():
        outputs = module(picture[None])
    del module
    gc.collect()
    return Found(features, tuple(output[0].numpy() for output in outputs))


def full_size(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that runs the whole network: gigabytes, and minutes."""
    return pytest.mark.slow(pytest.mark.timeout(7200)(test))


@full_size
def test_the_features_that_the_decoder_gets_are_the_official_ones(found: Found) -> None:
    assert len(found.features) == 5
    for number, ours in enumerate(found.features):
        expected = golden(f"encoding{number}").array
        assert relative_error(ours[0, ::64, ::16, ::16], expected) < TOLERANCE


@full_size
def test_outputs_are_those_of_the_official_network(found: Found) -> None:
    inverse_depth, degrees = found.outputs
    assert inverse_depth.dtype == degrees.dtype == np.float32
    assert relative_error(inverse_depth[::12, ::12], golden("net").array) < TOLERANCE
    assert relative_error(degrees, golden("fov").array) < TOLERANCE


@full_size
@pytest.mark.parametrize("known", [None, 500.0])
def test_metres_and_camera_are_the_official_ones(found: Found, known: float | None) -> None:
    expected, focal = (golden(kind, f"fpx{known:.0f}" if known else "") for kind in ("depth", "focallength"))
    width, height = expected.width, expected.height
    camera = Camera(known, known, (width - 1) / 2, (height - 1) / 2, "EXIF") if known else None
    fields = read(found.outputs, Scene(SPEC, width, height, camera))
    assert fields["values"].dtype == np.float32
    assert relative_error(fields["values"][::8, ::8], expected.array) < END_TO_END
    assert fields["camera"].fx == fields["camera"].fy == pytest.approx(float(focal.array), rel=TOLERANCE)
