"""MoGe-2 is the official one: same tensors, same function, same metres."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depthmap import input_sizes, networks, transforms
from depthmap.camera import Camera
from depthmap.catalog import CATALOG, ModelSpec
from depthmap.depth import METRIC, Depth
from depthmap.families import FAMILIES
from depthmap.geometry import points
from depthmap.networks import dinov2
from depthmap.networks.moge import VARIANTS
from depthmap.readings import Scene, read

from . import modern
from .modern import Golden, network_input, relative_error

TOLERANCE = 1e-5
END_TO_END = 1e-4
OFFICIAL_AXES = np.float32([1, -1, -1])
"""x right, y down, z away from the viewer."""
PUBLISHED = {
    "moge2_small_normal": "MoGe2_vits-normal",
    "moge2_base_normal": "MoGe2_vitb-normal",
    "moge2_large_normal": "MoGe2_vitl-normal",
    "moge2_large": "MoGe2_vitl",
}
EACH = [pytest.param(name, id=name, marks=() if "small" in name else pytest.mark.slow) for name in PUBLISHED]
# What the official code calls a number of tokens, or a level, as the size of a picture of 4:3 with so many.
SIZES = {
    "tokens300": 280,
    "tokens500": 361,
    "numtokens600": 396,
    "numtokens1200": 560,
    "resolutionlevel3": 723,
}


@dataclass(frozen=True)
class Official:
    """One network filled with its synthetic checkpoint."""

    name: str
    module: nn.Module

    @property
    def goldens(self) -> str:
        return PUBLISHED[self.name]

    def run(self, x: Tensor, *aspects: float) -> dict[str, Tensor]:
        with torch.inference_mode():
            outputs = self.module(x, torch.tensor(aspects))
        return dict(zip(FAMILIES[self.name].outputs, outputs, strict=True))

    def see(self, golden: Golden) -> dict[str, Tensor]:
        picture = modern.picture(golden)
        x = torch.from_numpy(transforms.prepare(picture, spec_of(self.name, golden)))
        return self.run(x[None], golden.width / golden.height)


def spec_of(network: str, golden: Golden) -> ModelSpec:
    imagenet = CATALOG["midas"]
    size = SIZES[golden.options.split("_")[0]]
    return ModelSpec("mine", network, size, "area", imagenet.mean, imagenet.std)


@lru_cache(maxsize=1)  # the large ones need more than a gigabyte
def filled(name: str) -> Official:
    variant = VARIANTS[name]
    module = variant.build().eval()
    networks.fill(module, modern.state(PUBLISHED[name], variant.unused))
    return Official(name, module)


@pytest.fixture(scope="module", params=EACH)
def official(request: pytest.FixtureRequest) -> Official:
    return filled(request.param)


@cache
def entries(name: str, kind: str) -> dict[str, Golden]:
    """Return the goldens of one kind by the part of the name that arrays of one run share."""
    return {golden.key: golden for golden in modern.goldens(PUBLISHED[name], kind)}


def at_picture(maps: Tensor, golden: Golden) -> Tensor:
    """Bring what the network gave (1, C, h, w) to the picture, as torch does: (H, W, C)."""
    sized = F.interpolate(maps, (golden.height, golden.width), mode="bilinear", align_corners=False)
    return sized[0].permute(1, 2, 0)


def test_outputs_are_those_of_the_official_network(official: Official) -> None:
    cases = entries(official.name, "net_points")
    assert len(cases) == 2
    for key, golden in cases.items():
        outputs = official.see(golden)
        raw = at_picture(outputs["points"], golden)
        z = raw[..., 2:].exp()
        mask = at_picture(outputs["mask"][:, None], golden)[..., 0].sigmoid()
        assert relative_error(torch.cat((raw[..., :2] * z, z), -1)[::5, ::5], golden.array) < TOLERANCE
        assert relative_error(mask[::5, ::5], entries(official.name, "net_mask")[key].array) < TOLERANCE
        scale = entries(official.name, "net_metric_scale")[key].array
        assert relative_error(outputs["scale"][0], scale) < TOLERANCE
        if "normal" in outputs:
            normal = F.normalize(at_picture(outputs["normal"], golden), dim=-1)
            expected = entries(official.name, "net_normal")[key].array
            assert relative_error(normal[::5, ::5], expected) < END_TO_END  # short vectors magnify noise


def test_the_features_that_the_heads_get_are_the_official_ones(official: Official) -> None:
    for golden in entries(official.name, "encoder").values():
        picture = transforms.prepare(modern.picture(golden), spec_of(official.name, golden))
        with torch.inference_mode():
            features, _ = official.module.encoder(torch.from_numpy(picture)[None])
        assert relative_error(features[0, ::32], golden.array) < TOLERANCE


def finished(name: str) -> list[str]:
    """Return which pictures of a network have all that follows from its outputs."""
    return sorted(entries(name, "depth"))


READ = [
    pytest.param(
        (name, key), id=f"{name}-{key}", marks=() if "small" in name and "600" in key else pytest.mark.slow
    )
    for name in PUBLISHED
    for key in finished(name)
]


class Finished(NamedTuple):
    """What the official code made of a picture, by kind, and what is made of it here."""

    golden: dict[str, Golden]
    depth: Depth


@pytest.fixture(scope="module", params=READ)
def finished_picture(request: pytest.FixtureRequest) -> Finished:
    name, key = request.param
    kinds = ("depth", "mask", "points", "intrinsics", "normal", "solver")
    golden = {kind: entries(name, kind)[key] for kind in kinds if entries(name, kind)}
    return Finished(golden, read_official(filled(name), golden["depth"]))


def read_official(official: Official, golden: Golden) -> Depth:
    """Return the depth of a golden's picture; a field of view in its name is a camera that is known."""
    fov = re.search(r"fovx([\d.]+)", golden.options)
    camera = Camera.from_fov(float(fov[1]), golden.width, golden.height) if fov else None
    outputs = [output[0].numpy() for output in official.see(golden).values()]
    spec = spec_of(official.name, golden)
    return Depth(**read(outputs, Scene(spec, golden.width, golden.height, camera)))


def test_depth_and_mask_are_the_official_ones(finished_picture: Finished) -> None:
    golden, depth = finished_picture
    mask = golden["mask"].array
    assert depth.kind == METRIC
    assert depth.valid is not None
    ours = depth.valid[::10, ::10]
    both = ours & mask
    assert (ours != mask).sum() <= 2  # an output that is nearly 0
    assert both.sum() > 100
    assert relative_error(depth.values[::10, ::10][both], golden["depth"].array[both]) < END_TO_END
    assert np.isposinf(depth.values[~depth.valid]).all()


def test_the_camera_is_the_official_one(finished_picture: Finished) -> None:
    golden, depth = finished_picture
    fx, _, cx, _, fy, cy = golden["intrinsics"].array.ravel()[:6]
    camera, known = depth.intrinsics, "fovx" in golden["depth"].options
    expected = (fx * depth.width, fy * depth.height, cx * depth.width - 0.5, cy * depth.height - 0.5)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(expected, rel=END_TO_END)
    assert camera.source == ("given" if known else "mine")
    half = math.hypot(depth.width, depth.height) / 2
    assert camera.fx / half == pytest.approx(golden["solver"].array[0], rel=TOLERANCE)


def test_points_are_the_official_ones_in_our_axes(finished_picture: Finished) -> None:
    golden, depth = finished_picture
    ours = (points(depth.masked, depth.intrinsics) * OFFICIAL_AXES)[::10, ::10]
    theirs = golden["points"].array
    both = np.isfinite(theirs[..., 2]) & np.isfinite(ours[..., 2])
    assert both.sum() > 100
    assert relative_error(ours[both], theirs[both]) < END_TO_END


def test_normals_are_the_official_ones_in_our_axes(finished_picture: Finished) -> None:
    golden, depth = finished_picture
    if "normal" not in golden:
        assert depth.model_normals is None
        return
    ours = depth.normals()[::10, ::10] * OFFICIAL_AXES
    theirs = golden["normal"].array
    both = np.isfinite(ours[..., 0]) & theirs.any(axis=-1)
    assert both.sum() > 100
    assert relative_error(ours[both], theirs[both]) < END_TO_END
    assert np.isnan(depth.normals()[~depth.valid]).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_tensor_names_shapes_and_order_are_the_published_ones(name: str) -> None:
    variant = VARIANTS[name]
    published = modern.layout(PUBLISHED[name])
    ours = [(n, tuple(t.shape)) for n, t in variant.build().state_dict().items()]
    assert ours == [(n, s) for n, s in published.items() if not n.startswith(variant.unused)]
    assert all(any(n.startswith(prefix) for n in published) for prefix in variant.unused)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_parameter_has_a_part_in_the_output(name: str) -> None:
    module = VARIANTS[name].build().eval()
    outputs = module(torch.empty(1, 3, 42, 70, device="meta"), torch.empty(1, device="meta"))
    named = dict(module.named_parameters())
    total = torch.stack([output.sum() for output in outputs]).sum()
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    assert [n for n, gradient in zip(named, gradients, strict=True) if gradient is None] == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_said_of_their_family_is_true_of_each(name: str) -> None:
    family = FAMILIES[name]
    outputs = VARIANTS[name].build()(torch.empty(2, 3, 42, 70, device="meta"), torch.empty(2, device="meta"))
    assert family.multiple == dinov2.PATCH
    assert family.inputs == ("picture", "aspect")
    shapes = {"points": (2, 3, 48, 80), "normal": (2, 3, 48, 80), "mask": (2, 48, 80), "scale": (2,)}
    assert {n: tuple(o.shape) for n, o in zip(family.outputs, outputs, strict=True)} == {
        n: shape for n, shape in shapes.items() if n in family.outputs
    }
    assert ("normal" in family.outputs) == VARIANTS[name].normal


@pytest.mark.parametrize(("height", "width"), [(14, 14), (28, 154), (70, 42)])
def test_every_multiple_of_14_gives_maps_of_16_positions_for_14_pixels(
    official: Official, height: int, width: int
) -> None:
    outputs = official.run(network_input(height, width), 1.7)
    assert outputs["points"].shape == (1, 3, height // 14 * 16, width // 14 * 16)
    assert all(output.isfinite().all() for output in outputs.values())


def test_a_batch_gives_what_its_pictures_give_one_by_one(official: Official) -> None:
    batch = torch.cat([network_input(42, 70, seed) for seed in range(2)])
    aspects = (1.6, 1.75)
    together = official.run(batch, *aspects)
    for number, aspect in enumerate(aspects):
        alone = official.run(batch[number : number + 1], aspect)
        for name, output in alone.items():
            assert relative_error(together[name][number], output[0]) < TOLERANCE
    other = official.run(batch[:1], 1.75)
    assert relative_error(other["points"], together["points"][:1]) > TOLERANCE  # the aspect has a part in it


@pytest.mark.parametrize("width", [64, 333, 640, 641, 1000, 4032])
@pytest.mark.parametrize("height", [64, 301, 480, 4032])
def test_the_default_is_the_least_that_the_official_code_suggests_1200_tokens(
    width: int, height: int
) -> None:
    aspect = width / height
    tokens = (round(math.sqrt(1200 * aspect)), round(math.sqrt(1200 / aspect)))
    size = input_sizes.network_size(width, height, CATALOG["moge2_small_normal"])
    assert size == (14 * tokens[0], 14 * tokens[1])


def test_a_size_is_as_many_tokens_as_make_the_longer_side_so_long() -> None:
    spec = input_sizes.at_size(CATALOG["moge2_small_normal"], 700)
    assert input_sizes.network_size(640, 480, spec) == (50 * 14, round(50 * 3 / 4) * 14)
    assert input_sizes.network_size(480, 640, spec) == (round(50 * 3 / 4) * 14, 50 * 14)
