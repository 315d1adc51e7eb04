"""Pictures of bytes shrink as OpenCV shrinks them, byte for byte."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.areas import shrink


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_opencv(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    resized: np.ndarray = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return resized


def require_same(picture: np.ndarray, height: int, width: int) -> None:
    ours = shrink(picture, height, width)
    assert ours.dtype == np.uint8
    assert np.array_equal(ours, by_opencv(picture, height, width))


@given(st.integers(1, 300), st.integers(1, 300), st.floats(1, 9), st.floats(1, 9), st.integers(0, 9))
def test_to_any_smaller_size(height: int, width: int, down: float, across: float, seed: int) -> None:
    picture = noise(height, width, seed)
    require_same(picture, max(1, int(height / down)), max(1, int(width / across)))


@pytest.mark.parametrize("down", range(1, 9))
@pytest.mark.parametrize("across", range(1, 9))
def test_by_whole_numbers_where_many_means_lie_midway_between_two_bytes(down: int, across: int) -> None:
    require_same(noise(20 * down, 30 * across), 20, 30)


@pytest.mark.parametrize(
    "sizes", [(480, 640, 378, 504), (433, 504, 433, 490), (1500, 2003, 377, 504), (377, 504, 364, 504)]
)
def test_at_the_sizes_of_photos(sizes: tuple[int, int, int, int]) -> None:
    height, width, new_height, new_width = sizes
    require_same(noise(height, width), new_height, new_width)


def test_the_picture_stays_as_it_was() -> None:
    picture = noise(40, 60)
    before = picture.copy()
    shrink(picture, 13, 17)
    assert np.array_equal(picture, before)
