"""Pre- and post-processing equals the official code's, and keeps its own promises at any size."""

from __future__ import annotations

import re
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from depthmap.catalog import CATALOG, EMBEDDED, RESIZES, SIZES, ModelSpec
from depthmap.errors import UsageError
from depthmap.families import RESTORES
from depthmap.input_sizes import at_size, network_size, rounded_size
from depthmap.resizing import resize
from depthmap.transforms import PREPARED, prepare, restore
from support import GOLDENS, seconds_of_threads

TOLERANCE = 1e-4
PUBLISHED = [spec for spec in CATALOG.values() if (GOLDENS / f"{spec.name}.npz").exists()]

specs = st.sampled_from(list(CATALOG.values()))
sides = st.integers(1, 12_000)
small_sides = st.integers(1, 80)
pairs = st.integers(2, 80)  # torch repeats one pixel over a picture that is one pixel wide
seeds = st.integers(0, 2**32 - 1)
untimed = settings(deadline=None)  # the machine may be busy


def goldens(spec: ModelSpec) -> dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]]:
    """Input and its shape, by (height, width, seed) of the picture."""
    with np.load(GOLDENS / f"{spec.name}.npz") as file:
        found = {}
        for name in file.files:
            match = re.fullmatch(r"input_((\d+)x(\d+)_seed(\d+))", name)
            if match:
                key = (int(match[2]), int(match[3]), int(match[4]))
                found[key] = (file[name], file[f"inputshape_{match[1]}"])
    return found


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_the_four_published_models_have_goldens() -> None:
    assert len(PUBLISHED) == 4


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.name)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_the_input_is_that_of_the_official_transform(
    spec: ModelSpec, dtype: str, synthetic: ModuleType
) -> None:
    cases = goldens(spec)
    assert len(cases) == 2
    for (height, width, seed), (expected, shape) in cases.items():
        picture = synthetic.image(height, width, seed)
        ours = prepare(picture if dtype == "uint8" else (picture / 255).astype(dtype), spec)
        assert (1, *ours.shape) == tuple(shape)
        assert ours.dtype == np.float32
        assert ours.flags.c_contiguous
        assert np.abs(ours[:, ::8, ::8] - expected).max() / np.abs(expected).max() < TOLERANCE


@pytest.mark.parametrize(
    ("width", "height", "dpt", "v21", "small"),
    [
        (640, 480, (512, 384), (384, 288), (256, 192)),
        (1920, 1080, (672, 384), (384, 224), (256, 128)),
        (300, 200, (384, 256), (384, 256), (256, 160)),
    ],
)
def test_sizes_are_the_official_ones(
    width: int, height: int, dpt: tuple[int, int], v21: tuple[int, int], small: tuple[int, int]
) -> None:
    expected = {"DPT_Large": dpt, "DPT_Hybrid": dpt, "MiDaS": v21, "MiDaS_small": small}
    assert {spec.name: network_size(width, height, spec) for spec in PUBLISHED} == expected


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (352, 256)),
        (480, 640, (256, 352)),
        (1920, 1080, (416, 224)),
        (1242, 375, (544, 160)),
        (1000, 1000, (320, 320)),
        (10_000, 400, (1536, 64)),
        (1_000_000, 2, (2880, 32)),
    ],
)
def test_the_embedded_model_sees_as_many_pixels_of_every_aspect(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    assert network_size(width, height, EMBEDDED) == expected


@pytest.mark.parametrize("rule", sorted({*RESIZES} - {"square"}))
def test_a_picture_of_the_networks_own_size_stays_as_it_is_by_every_rule(rule: str) -> None:
    size = 256 if rule == "lower_bound" else 352
    assert network_size(352, 256, replace(EMBEDDED, resize=rule, input_size=size)) == (352, 256)


ANYTHING = replace(
    CATALOG["midas"], name="Anything", network="depth_anything_v2_small", input_size=518, resize="lower_bound"
)
"""How Depth Anything sees pictures."""


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [
        (640, 480, 518, (686, 518)),
        (480, 640, 518, (518, 686)),
        (480, 270, 266, (476, 266)),
        (518, 518, 518, (518, 518)),
        (1242, 375, 518, (1722, 518)),
        (301, 97, 518, (1610, 518)),
        (1000, 200, 518, (2072, 420)),
        (200, 1000, 518, (420, 2072)),
        (10_000, 1, 518, (2072, 14)),
        (300, 200, 510, (770, 518)),
    ],
)
def test_by_the_lower_bound_the_shorter_side_is_the_size_and_no_picture_becomes_huge(
    width: int, height: int, size: int, expected: tuple[int, int]
) -> None:
    assert network_size(width, height, replace(ANYTHING, input_size=size)) == expected


@untimed
@given(width=sides, height=sides, size=st.integers(*SIZES))
def test_by_the_lower_bound_sides_are_multiples_of_14_up_to_four_times_the_size(
    width: int, height: int, size: int
) -> None:
    seen = network_size(width, height, replace(ANYTHING, input_size=size))
    assert all(side % 14 == 0 and 14 <= side <= max(4 * size, 14) for side in seen)
    assert min(seen) >= size or max(seen) > 4 * size - 14
    longer = max(network_size(width, height, at_size(ANYTHING, size)))
    assert longer % 14 == 0
    assert abs(longer - size) <= 10


@pytest.mark.parametrize(("width", "height"), [(352, 256), (1, 1), (10_000, 7), (384, 384)])
def test_a_network_of_squares_sees_every_picture_as_one(width: int, height: int) -> None:
    assert network_size(width, height, replace(EMBEDDED, resize="square", input_size=384)) == (384, 384)


@untimed
@given(width=sides, height=sides, spec=specs)
def test_sides_are_multiples_that_the_network_takes_and_never_below(
    width: int, height: int, spec: ModelSpec
) -> None:
    size = network_size(width, height, spec)
    multiple = spec.family.multiple
    assert all(side % multiple == 0 and side >= multiple for side in size)
    if spec.resize == "upper_bound":
        assert max(size) <= spec.input_size
    assert network_size(height, width, spec) in (size[::-1], *_ties(width, height, spec))


def _ties(width: int, height: int, spec: ModelSpec) -> list[tuple[int, int]]:
    """Where both scales are equally near to 1 the official rule takes the height's, so turning changes it."""
    near = [abs(1 - spec.input_size / side) for side in (height, width)]
    return [network_size(height, width, spec)] if spec.resize == "minimal" and np.isclose(*near) else []


@untimed
@given(value=st.floats(0, 1, width=32), height=small_sides, width=small_sides, h=small_sides, w=small_sides)
def test_a_constant_stays_constant(value: float, height: int, width: int, h: int, w: int) -> None:
    resized = resize(np.full((height, width), value, np.float32), h, w)
    assert resized.shape == (h, w)
    np.testing.assert_allclose(resized, value, rtol=1e-5, atol=1e-6)


@untimed
@given(seed=seeds, height=small_sides, width=small_sides)
def test_the_same_size_is_the_identity_and_a_copy(seed: int, height: int, width: int) -> None:
    array = noise(seed, height, width, 3)
    resized = resize(array, height, width)
    np.testing.assert_array_equal(resized, array)
    assert not np.shares_memory(resized, array)


@untimed
@given(seed=seeds, height=small_sides, width=small_sides, h=small_sides, w=small_sides)
def test_resizing_is_linear(seed: int, height: int, width: int, h: int, w: int) -> None:
    a, b = noise(seed, 2, height, width)
    together = resize(2 * a - 3 * b, h, w)
    np.testing.assert_allclose(together, 2 * resize(a, h, w) - 3 * resize(b, h, w), atol=2e-5)


@untimed
@given(seed=seeds, height=small_sides, width=small_sides, h=small_sides, w=small_sides)
def test_resizing_is_torchs_bicubic(seed: int, height: int, width: int, h: int, w: int) -> None:
    array = noise(seed, height, width, 2)
    planes = torch.from_numpy(array).permute(2, 0, 1)[None]
    expected = F.interpolate(planes, (h, w), mode="bicubic", align_corners=False)[0].permute(1, 2, 0)
    np.testing.assert_allclose(resize(array, h, w), expected.numpy(), atol=TOLERANCE)


@untimed
@given(seed=seeds, height=small_sides, width=small_sides, h=small_sides, w=small_sides)
@pytest.mark.parametrize("how", RESTORES)
def test_each_way_to_restore_is_one_of_torchs(
    how: str, seed: int, height: int, width: int, h: int, w: int
) -> None:
    array = noise(seed, height, width)
    mode, corners = {
        "cubic": ("bicubic", False),
        "linear": ("bilinear", False),
        "linear_corners": ("bilinear", True),
    }[how]
    plane = torch.from_numpy(array)[None, None]
    expected = F.interpolate(plane, (h, w), mode=mode, align_corners=corners)[0, 0]
    ours = restore(array, h, w, how)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5 if "linear" in how else TOLERANCE)


@untimed
@given(seed=seeds, height=pairs, width=pairs, h=pairs, w=pairs)
def test_a_picture_that_is_resized_without_aliasing_is_as_torch_makes_it(
    seed: int, height: int, width: int, h: int, w: int
) -> None:
    picture = noise(seed, height, width, 3)
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    expected = F.interpolate(planes, (h, w), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    ours = PREPARED["linear_antialiased"](picture, h, w, EMBEDDED)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected.numpy(), atol=2e-6)


def test_a_size_is_rounded_to_the_networks_multiple() -> None:
    assert [rounded_size(size, 32) for size in (32, 500, 1536)] == [32, 512, 1536]
    assert [rounded_size(size, 14) for size in (32, 500, 1536)] == [28, 504, 1526]
    assert (at_size(ANYTHING, 500).input_size, at_size(EMBEDDED, 500).input_size) == (504, 512)


@untimed
@given(seed=seeds, height=small_sides, width=small_sides, h=small_sides, w=small_sides)
def test_turning_before_or_after_makes_no_difference(
    seed: int, height: int, width: int, h: int, w: int
) -> None:
    array = noise(seed, height, width)
    np.testing.assert_allclose(resize(array.T, w, h), resize(array, h, w).T, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float64])
def test_any_real_type_comes_back_as_float32(dtype: type[np.generic]) -> None:
    array = (noise(0, 5, 7) * 100).astype(dtype)
    resized = resize(array, 9, 4)
    assert resized.dtype == np.float32
    assert resized.flags.c_contiguous
    np.testing.assert_allclose(resized, resize(array.astype(np.float32), 9, 4), rtol=1e-6, atol=1e-4)
    assert resize(array, 5, 7).dtype == np.float32


def test_views_are_read_as_they_are() -> None:
    array = noise(0, 40, 60, 3)
    turned = array[::-1, ::2].transpose(1, 0, 2)
    np.testing.assert_array_equal(resize(turned, 17, 50), resize(turned.copy(), 17, 50))


def test_the_picture_is_not_changed() -> None:
    picture = noise(0, 384, 384, 3)
    before = picture.copy()
    prepare(picture, CATALOG["dpt_large"])
    np.testing.assert_array_equal(picture, before)


@untimed
@given(width=st.integers(1, 120), height=st.integers(1, 120), spec=specs, value=st.integers(0, 255))
def test_a_grey_picture_becomes_its_normalised_value(
    width: int, height: int, spec: ModelSpec, value: int
) -> None:
    if max(width, height) > 40 * min(width, height):
        height = width
    tensor = prepare(np.full((height, width, 3), value, np.uint8), spec)
    w, h = network_size(width, height, spec)
    assert tensor.shape == (3, h, w)
    expected = (value / 255 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(tensor, np.broadcast_to(expected[:, None, None], tensor.shape), atol=1e-4)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 3), bool),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["grey", "rgba", "int64", "bool", "empty"],
)
def test_what_is_no_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(UsageError):
        prepare(picture, CATALOG["dpt_large"])


@pytest.mark.parametrize(
    ("shape", "height", "width"), [((3,), 2, 2), ((2, 0), 2, 2), ((2, 2), 0, 2), ((2, 2), 2, -1)]
)
def test_what_cannot_be_resized_is_refused(shape: tuple[int, ...], height: int, width: int) -> None:
    with pytest.raises(UsageError, match="cannot be resized"):
        resize(np.zeros(shape), height, width)


def test_a_batch_of_maps_is_not_taken_for_a_map() -> None:
    with pytest.raises(UsageError, match=r"\(1, 32, 32\)"):
        restore(np.zeros((1, 32, 32), np.float32), 10, 10)


_RESIZING = """
import numpy as np
from depthmap.resizing import resize
picture = np.zeros((900, 1200, 3), np.uint8)
resize(picture, 384, 512)
"""
_RESIZE = """
for _ in range(20):
    resize(picture, 384, 512)
    resize(picture[..., 0], 1500, 2000)
"""


def test_resizing_takes_no_time_of_other_threads() -> None:
    """NumPy's BLAS threads would go on spinning for a while after each product, beside the network."""
    others, own = seconds_of_threads(_RESIZING, _RESIZE)
    assert others < 0.05 * own
