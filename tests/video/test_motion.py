"""How the camera moved."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from depthmap.video import motion
from support import PHOTO

SIZE = (256, 144)
RANDOM = np.random.default_rng(2)


def views(matrix: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two views of a photo: a middle part of it, and that part as a camera that moved sees it."""
    with Image.open(PHOTO) as photo:
        grey = photo.convert("F").resize((400, 267))
    a, b, c, d, e, f = matrix
    left, top = 70, 60
    before = grey.transform(SIZE, Image.Transform.AFFINE, (1, 0, left, 0, 1, top), Image.Resampling.BICUBIC)
    x, y = SIZE[0] / 2, SIZE[1] / 2
    moved = (a, b, left + x + c - a * x - b * y, d, e, top + y + f - d * x - e * y)
    after = grey.transform(SIZE, Image.Transform.AFFINE, moved, Image.Resampling.BICUBIC)
    return np.asarray(before), np.asarray(after)


@pytest.mark.parametrize("shift", [(0.5, 0.0), (1.0, 0.0), (-7.3, 2.6), (16.0, -9.0)])
def test_a_pan_is_found_to_a_fraction_of_a_pixel(shift: tuple[float, float]) -> None:
    found = motion.find(*views((1, 0, shift[0], 0, 1, shift[1])))
    assert (found.a[0], found.b[0]) == pytest.approx(
        shift, abs=0.16
    )  # the view itself is blurred by half a pixel's shift
    assert np.abs([*found.a[1:], *found.b[1:]]).max() < 0.2


@pytest.mark.parametrize("near", [(3.2, 0.9), (0.0, 0.0), (-9.0, 6.0), (60.0, -40.0), (500.0, 0.0)])
def test_a_motion_is_found_from_wherever_the_search_begins(near: tuple[float, float]) -> None:
    found = motion.find(*views((1, 0, 3, 0, 1, 1)), motion.Motion((near[0], 0.0, 0.0), (near[1], 0.0, 0.0)))
    assert (found.a[0], found.b[0]) == pytest.approx((3, 1), abs=0.16)


def test_a_zoom_with_a_turn_brings_the_earlier_picture_onto_the_later() -> None:
    turn = np.radians(1.0)
    matrix = (0.97 * np.cos(turn), -0.97 * np.sin(turn), 2.0, 0.97 * np.sin(turn), 0.97 * np.cos(turn), 1.0)
    before, after = views(matrix)
    found = motion.find(before, after)
    seen = found.seen(*SIZE)
    assert 0.9 < seen.mean() < 1
    assert np.abs(found.bring(before) - after)[seen].mean() < 0.15 * np.abs(before - after).mean()


def test_the_way_back_over_motions_undoes_them() -> None:
    motions = [
        motion.Motion((3.0, 0.5, -1.0), (1.0, 0.25, 2.0)),
        motion.Motion((-8.0, 2.0, 0.0), (0.5, 0.0, -1.5)),
    ]
    x, y = np.meshgrid(np.arange(SIZE[0], dtype=np.float32), np.arange(SIZE[1], dtype=np.float32))
    inside = (slice(20, -20), slice(20, -20))
    how = Image.Resampling.BILINEAR  # which leaves slopes as they are
    for place in (x, y):
        moved = motions[1].bring(motions[0].bring(place, how), how)
        assert np.abs(moved - place)[inside].mean() > 0.5
        returned = motion.back(motions, *SIZE).bring(moved, how)
        np.testing.assert_allclose(returned[inside], place[inside], atol=0.02)


@pytest.mark.parametrize("every", [2, 3, 5])
def test_some_of_the_rows_are_as_they_are_in_the_whole(every: int) -> None:
    picture, _ = views((1, 0, 0, 0, 1, 0))
    moved = motion.Motion((3.3, 0.5, -1.0), (1.2, 0.25, 2.0))
    np.testing.assert_allclose(moved.bring(picture, every=every), moved.bring(picture)[::every], atol=0.01)


def test_a_camera_that_stands_is_still_in_spite_of_noise() -> None:
    before, _ = views((1, 0, 0, 0, 1, 0))
    noisy = [before + RANDOM.normal(0, 4, before.shape).astype(np.float32) for _ in range(2)]
    assert motion.find(*noisy).is_still


def test_something_that_moves_by_itself_does_not_move_the_camera() -> None:
    before, after = views((1, 0, 3, 0, 1, 0))
    after = after.copy()
    after[40:100, 60:130] = after[40:100, 100:170][:, ::-1]
    found = motion.find(before, after)
    assert (found.a[0], found.b[0]) == pytest.approx((3, 0), abs=0.2)


@pytest.mark.parametrize("seed", range(3))
def test_pictures_that_have_nothing_in_common_do_no_harm(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = random.uniform(0, 255, (2, 144, 256)).astype(np.float32)
    assert np.isfinite(motion.find(one, other).bring(one)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 256)])
def test_thin_pictures_have_a_motion_too(shape: tuple[int, int]) -> None:
    picture = RANDOM.uniform(0, 255, shape).astype(np.float32)
    assert motion.find(picture, picture).is_still
