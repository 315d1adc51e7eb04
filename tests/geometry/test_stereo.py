"""A stereo pair is what two eyes would see."""

from __future__ import annotations

import numpy as np
import pytest

from depthmap.depth import METRIC, Depth
from depthmap.errors import UsageError
from depthmap.geometry import Stereo, anaglyph, stereo
from raycast import room
from support import seconds_of_threads

GREY = np.full((20, 30, 3), 90, np.uint8)


def test_both_views_are_those_of_cameras_that_really_stand_there() -> None:
    scene = room(320, 240)
    inverse = 1 / scene.metres
    eyes = 3.0
    # the middle of the range stays; so the eyes stand where that makes the shift between nearest and farthest
    apart = eyes / 100 * 320 / scene.camera.fx / np.ptp(inverse)
    screen = 2 / (inverse.min() + inverse.max())
    views = stereo(scene.picture, inverse, eyes)
    for view, eye in ((views.left, -apart / 2), (views.right, apart / 2)):
        true = room(320, 240, eye=eye, sharp=screen)
        off = np.abs(view.astype(int) - true.picture).max(axis=-1)
        assert (off <= 12).mean() > 0.97
        still = np.abs(scene.picture.astype(int) - true.picture).max(axis=-1)
        assert (still <= 12).mean() < 0.85


def before_stripes() -> tuple[np.ndarray, np.ndarray]:
    """Give a red square before green and blue stripes, and how near they are."""
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, ::2, 1], picture[:, 1::2, 2] = 200, 200
    nearness = np.zeros((40, 100))
    picture[10:30, 40:60] = (255, 0, 0)
    nearness[10:30, 40:60] = 1
    return picture, nearness


def test_the_nearest_wins_and_holes_are_filled_from_the_background() -> None:
    picture, nearness = before_stripes()
    views = stereo(picture, nearness, 8)
    for view, first in ((views.left, 42), (views.right, 38)):
        red = view[20, :, 0] > 128
        assert np.flatnonzero(red).tolist() == list(range(first, first + 20))
        assert (view[20, ~red, 1:].max(axis=-1) >= 100).all()  # no hole is black, none is smeared red
        assert view[20, ~red, 0].max() == 0


def test_what_is_not_finite_is_the_farthest_or_the_nearest() -> None:
    picture, nearness = before_stripes()
    views = stereo(picture, nearness, 8)
    open_sky = np.where(nearness > 0, nearness, -np.inf)
    open_sky[:, :3], open_sky[0] = 0, np.nan
    assert np.array_equal(stereo(picture, open_sky, 8).left, views.left)


@pytest.mark.parametrize("inverse", [np.ones((20, 30)), np.full((20, 30), np.nan)])
def test_what_has_no_depth_is_the_same_for_both_eyes(inverse: np.ndarray) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for view in stereo(picture, inverse, 5):
        assert np.array_equal(view, picture)


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1), (2, 300)])
def test_pictures_of_any_shape_have_views(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    for view in stereo(picture, rng.random(shape), 20):
        assert (view.shape, view.dtype) == (picture.shape, np.uint8)


def test_eyes_together_see_the_picture() -> None:
    picture, nearness = before_stripes()
    for view in Depth(nearness, pixels=picture).stereo(0):
        assert np.array_equal(view, picture)


@pytest.mark.parametrize("eyes", [-1, 21, float("nan")])
def test_eyes_out_of_range_are_refused(eyes: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 20"):
        Depth(np.ones((20, 30)), pixels=GREY).stereo(eyes)


def test_the_pair_of_metric_depth_is_that_of_its_inverse() -> None:
    scene = room(80, 60)
    metric = Depth(scene.metres, METRIC, pixels=scene.picture).stereo()
    relative = scene.depth(scale=5, shift=2).stereo()
    assert (np.abs(metric.left.astype(int) - relative.left) <= 1).mean() > 0.999


def test_an_anaglyph_shows_red_to_the_left_eye_and_the_rest_to_the_right() -> None:
    white, black = np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2, 3), np.uint8)
    assert anaglyph(Stereo(white, black))[0, 0].tolist() == [255, 0, 0]
    assert anaglyph(Stereo(black, white))[0, 0].tolist() == [0, 255, 255]


def test_grey_stays_grey_in_an_anaglyph() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.abs(anaglyph(Stereo(ramp, ramp)).astype(int) - ramp).max() <= 2


_MIXING = """
import numpy as np
from depthmap.geometry import Stereo, anaglyph
view = np.zeros((600, 4000, 3), np.uint8)
anaglyph(Stereo(view[:1], view[:1]))
"""
_MIX = """
for _ in range(3):
    anaglyph(Stereo(view, view))
"""


def test_an_anaglyph_takes_no_time_of_other_threads() -> None:
    """NumPy's BLAS threads would go on spinning for a while after each product, beside the network."""
    others, own = seconds_of_threads(_MIXING, _MIX)
    assert others < 0.05 * own
