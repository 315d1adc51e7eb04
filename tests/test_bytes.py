"""Depth Anything 3 sees bytes, resized twice: as OpenCV does it, by the sizes of the official code."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.catalog import ModelSpec, of_network
from depthmap.input_sizes import at_size, network_size
from depthmap.transforms import prepare

DA3 = of_network("da3_small", {})
sides = st.integers(1, 5000)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def nearest(side: int) -> int:
    down = side // 14 * 14
    return max(14, down + 14 if 14 + down - side <= side - down else down)  # the official code gives 1 for 0


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    grows = width > picture.shape[1] or height > picture.shape[0]
    how = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    return (
        picture
        if picture.shape[1::-1] == (width, height)
        else cv2.resize(picture, (width, height), None, 0, 0, how)
    )


def official(picture: np.ndarray, size: int) -> np.ndarray:
    """Return the bytes that the official code makes of a picture."""
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    first = resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    return resized(first, nearest(first.shape[1]), nearest(first.shape[0]))


def seen(picture: np.ndarray, spec: ModelSpec = DA3) -> np.ndarray:
    """Return the bytes that the network sees."""
    mean, std = (np.array(values)[:, None, None] for values in (spec.mean, spec.std))
    pixels = (prepare(picture, spec) * std + mean) * 255
    assert np.abs(pixels - np.rint(pixels)).max() < 1e-3
    return np.rint(pixels).transpose(1, 2, 0).astype(int)


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [
        (640, 480, 504, (504, 378)),
        (300, 200, 336, (336, 224)),
        (480, 270, 504, (504, 280)),  # 283.5, rounded to 284
        (504, 175, 504, (504, 182)),  # midway: the larger
        (504, 174, 504, (504, 168)),
        (720, 249, 504, (504, 168)),  # 174.3
        (720, 250, 504, (504, 182)),  # 175.0
        (1000, 348, 504, (504, 182)),  # 175.4, of which one rounding would make 182 too
        (5040, 1746, 504, (504, 182)),  # 174.6, of which one rounding would make 168
        (4000, 3, 504, (504, 14)),
    ],
)
def test_sizes_are_rounded_to_pixels_then_to_the_nearer_multiple(
    width: int, height: int, size: int, expected: tuple[int, int]
) -> None:
    assert network_size(width, height, at_size(DA3, size)) == expected
    assert network_size(height, width, at_size(DA3, size)) == expected[::-1]


@given(sides, sides)
def test_sizes_of_all_pictures_are_the_official_ones(width: int, height: int) -> None:
    scale = 504 / max(height, width)
    expected = tuple(nearest(max(1, round(side * scale))) for side in (width, height))
    assert network_size(width, height, DA3) == expected


@pytest.mark.parametrize(
    ("height", "width"),
    [(480, 640), (756, 1008), (433, 700), (1000, 750), (504, 504), (378, 504)],
)
def test_a_picture_that_shrinks_is_the_official_one(height: int, width: int) -> None:
    picture = noise(height, width)
    assert np.array_equal(seen(picture), official(picture, 504))


@pytest.mark.parametrize(
    ("height", "width"), [(200, 300), (375, 1242), (270, 480), (97, 301), (40, 30), (433, 504), (3, 2)]
)
def test_a_picture_that_grows_in_either_step_is_nearly_the_official_one(height: int, width: int) -> None:
    # OpenCV's own cubic interpolation depends on the machine: with Intel's library it is exact, else in fixed point
    picture = noise(height, width)
    difference = np.abs(seen(picture) - official(picture, 504).astype(int))
    assert difference.max() <= 1 + (height == 433)  # it shrinks nowhere, and grows in the second step alone
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("height", "width"), [(480, 640), (200, 300)])
def test_a_picture_of_floats_is_made_bytes_first(height: int, width: int, dtype: str) -> None:
    picture = noise(height, width)
    shift = np.random.default_rng(0).uniform(-0.4, 0.4, picture.shape)
    floats = np.clip((picture + shift) / 255, 0, 1).astype(dtype)
    assert np.allclose(prepare(floats, DA3), prepare(picture, DA3), atol=1e-6)


def test_a_picture_of_the_network_s_own_size_stays_as_it_is() -> None:
    picture = noise(378, 504)
    assert np.array_equal(seen(picture), picture)
