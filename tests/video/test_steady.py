"""Steady depth: measured with the embedded network, on films made from photos and on a rendered scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from depthmap.depth import METRIC, Depth
from depthmap.estimator import DepthEstimator
from depthmap.images import Photo
from depthmap.resizing import resize
from depthmap.video.running import State
from depthmap.video.steady import AHEAD, Steadied, Steady
from raycast import room
from support import PHOTO
from video.films import photo

SIZE = (320, 180)
RANDOM = np.random.default_rng(4)
EXAMPLES = PHOTO.parent
Pixels = np.ndarray


@pytest.fixture(scope="module")
def estimator() -> DepthEstimator:
    return DepthEstimator("Depthmap_Tiny", "cpu", size=256, pictures=1000)


def filmed(pixels: Pixels, number: int, noise: float = 5.0) -> Pixels:
    """A frame with noise of the sensor, in an exposure that goes up and down."""
    exposed = pixels * (1 + 0.15 * np.sin(number / 3))
    return np.clip(exposed + RANDOM.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8)


def pan(frames: int, step: int, name: str = "china.jpg") -> list[Pixels]:
    width, height = SIZE
    wide = photo(width + step * frames, height, EXAMPLES / name)
    return [filmed(wide[:, number * step : number * step + width], number) for number in range(frames)]


def depths(estimator: DepthEstimator, frames: Sequence[Pixels]) -> list[Depth]:
    return estimator.depths([Photo(frame) for frame in frames], 8)


@pytest.fixture(scope="module")
def panned(estimator: DepthEstimator) -> list[Depth]:
    """A slow pan, of one pixel a frame."""
    return depths(estimator, pan(40, 1))


def steadied(maps: Sequence[Depth]) -> list[Steadied]:
    steady = Steady()
    return [ready for depth in maps for ready in steady.push(depth)] + list(steady.flush())


def alone(depth: Depth) -> Pixels:
    """A map between its own minimum and maximum: what per-frame tools show."""
    low, high = float(depth.values.min()), float(depth.values.max())
    return (depth.values - low) / (high - low)


def shown(ready: Steadied) -> Pixels:
    low, high = ready.limits
    return np.clip((ready.depth.inverse_depth - low) / (high - low), 0, 1)


def flicker(maps: Sequence[Pixels], step: int = 0) -> float:
    """The mean change from frame to frame of what is seen, which a pan has moved by ``step`` pixels."""
    changes = [
        np.abs(after[:, : after.shape[1] - step] - before[:, step:]).mean()
        for before, after in pairwise(maps)
    ]
    return float(np.mean(changes))


@pytest.mark.slow
def test_a_scene_that_stands_still_flickers_a_fifth_at_most(estimator: DepthEstimator) -> None:
    maps = depths(estimator, [filmed(photo(*SIZE), number) for number in range(40)])
    ratio = flicker([shown(ready) for ready in steadied(maps)]) / flicker([alone(depth) for depth in maps])
    assert ratio <= 0.2


@pytest.mark.slow
def test_a_slow_pan_flickers_a_fifth_at_most(panned: list[Depth]) -> None:
    ratio = flicker([shown(r) for r in steadied(panned)], 1) / flicker([alone(d) for d in panned], 1)
    assert ratio <= 0.2


def test_nothing_lags_behind_a_cut(estimator: DepthEstimator, panned: list[Depth]) -> None:
    one, other = panned[:12], depths(estimator, pan(12, 1, "coffee.png"))
    together, apart = steadied([*one, *other]), steadied(other)
    assert [ready.shot for ready in together] == [0] * 12 + [1] * 12
    for after_cut, by_itself in zip(together[12:], apart, strict=True):
        np.testing.assert_array_equal(after_cut.depth.values, by_itself.depth.values)
        assert after_cut.limits == by_itself.limits
    for before_cut, by_itself in zip(together[:12], steadied(one), strict=True):
        np.testing.assert_array_equal(before_cut.depth.values, by_itself.depth.values)


def error(inverse: Pixels, metres: Pixels) -> float:
    """The error against the truth in inverse depth, relative to its spread, after the best scale and shift."""
    truth = 1 / metres
    scale, shift = np.polyfit(inverse.ravel(), truth.ravel(), 1)
    return float(np.abs(scale * inverse + shift - truth).mean() / truth.std())


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.0, 0.01, 0.03])
def test_the_error_against_the_truth_is_not_larger_than_that_of_single_frames(
    estimator: DepthEstimator, step: float
) -> None:
    rooms = [room(*SIZE, eye=number * step) for number in range(30)]
    maps = depths(estimator, [filmed(seen.picture, number) for number, seen in enumerate(rooms)])
    ready = steadied(maps)
    single = [error(depth.values, seen.metres) for depth, seen in zip(maps, rooms, strict=True)]
    steady = [error(one.depth.values, seen.metres) for one, seen in zip(ready, rooms, strict=True)]
    assert np.mean(steady) <= np.mean(single)


@pytest.mark.parametrize("step", [0.0, 0.01, 0.03])
def test_where_near_things_pass_far_ones_the_error_is_not_larger_than_that_of_single_frames(
    step: float,
) -> None:
    """Exact depth with blotches that flicker, seen by a camera that slides, each frame in another scale and shift."""
    random = np.random.default_rng(7)
    rooms = [room(*SIZE, eye=number * step) for number in range(20)]
    maps = []
    for number, seen in enumerate(rooms):
        inverse = 1 / seen.metres
        blotches = random.normal(0, 0.1 * inverse.std(), (12, 20)).astype(np.float32)
        flickering = inverse + resize(blotches, *inverse.shape)
        scaled = random.uniform(0.8, 1.25) * flickering + random.uniform(-0.1, 0.1)
        maps.append(Depth(scaled.astype(np.float32), pixels=filmed(seen.picture, number)))
    single = [error(depth.values, seen.metres) for depth, seen in zip(maps, rooms, strict=True)]
    steady = [error(one.depth.values, seen.metres) for one, seen in zip(steadied(maps), rooms, strict=True)]
    assert np.mean(steady) <= 0.9 * np.mean(single)


def test_something_that_moves_leaves_no_trail() -> None:
    """Exact depth of a near square that crosses a far wall, each frame in another scale and shift."""
    background = photo(*SIZE).copy()
    maps, truths = [], []
    for number in range(24):
        picture, inverse = background.copy(), np.linspace(0.2, 0.4, SIZE[1], dtype=np.float32)[:, None]
        inverse = np.repeat(inverse, SIZE[0], axis=1)
        left = 10 + 9 * number
        picture[50:130, left : left + 60] = (40, 200, 60)
        inverse[50:130, left : left + 60] = 1.0
        scale, shift = RANDOM.uniform(0.5, 2), RANDOM.uniform(-1, 1)
        maps.append(Depth((scale * inverse + shift).astype(np.float32), pixels=filmed(picture, 0, 2)))
        truths.append(inverse)
    for ready, truth in zip(steadied(maps), truths, strict=True):
        error = np.abs(shown(ready) - (truth - 0.2) / 0.8)
        assert np.mean(error) < 0.02
        assert np.mean(error > 0.1) < 0.02  # the borders alone


def test_scale_and_shift_that_jump_are_undone() -> None:
    seen = room(*SIZE)
    maps = [replace(seen.depth(RANDOM.uniform(10, 50), RANDOM.uniform(-9, 9))) for _ in range(20)]
    pictures = [shown(ready) for ready in steadied(maps)]
    assert flicker(pictures) < 0.002
    assert np.ptp([ready.line.scale for ready in steadied(maps)]) > 0.5


def test_the_map_of_a_long_shot_does_not_shrink() -> None:
    inverse = room(64, 36).depth().values
    spread = inverse.std()
    noisy = (
        Depth(inverse + RANDOM.normal(0, 0.1 * spread, inverse.shape), pixels=np.zeros((36, 64, 3), np.uint8))
        for _ in range(400)
    )
    steady = Steady()
    spreads = [ready.depth.values.std() for depth in noisy for ready in steady.push(depth)]
    assert spreads[-1] == pytest.approx(spread, rel=0.1)


def test_metres_keep_their_zero_and_become_steady() -> None:
    seen = room(*SIZE)
    maps = [
        Depth(
            (seen.metres * RANDOM.uniform(0.8, 1.25)).astype(np.float32),
            METRIC,
            pixels=filmed(seen.picture, number),
        )
        for number in range(30)
    ]
    ready = steadied(maps)
    assert all(one.depth.kind == METRIC for one in ready)
    assert all(one.line.shift == 0 for one in ready)
    ratios = [float(np.median(one.depth.values / seen.metres)) for one in ready]
    assert np.abs(np.diff(ratios)).max() < 0.05
    assert 0.75 < np.mean(ratios) < 1.3


def test_what_the_model_says_nothing_of_stays_without_a_value() -> None:
    seen = room(*SIZE)
    inverse = (1 / seen.metres).astype(np.float32)
    valid = np.ones(inverse.shape, bool)
    valid[:60] = False
    maps = [Depth(inverse * (1 + 0.1 * n), valid=valid, pixels=filmed(seen.picture, n)) for n in range(12)]
    for ready in steadied(maps):
        np.testing.assert_array_equal(np.isnan(ready.depth.inverse_depth), ~valid)


def test_a_run_that_goes_on_from_a_state_gives_the_same(panned: list[Depth]) -> None:
    maps = panned[:24]
    steady, whole = Steady(), []
    state = None
    for depth in maps:
        for ready in steady.push(depth):
            whole.append(ready)
            if len(whole) == 10:
                assert steady.state is not None
                state = State.of(steady.state.arrays())
    whole += steady.flush()
    later = Steady(state)
    rest = [ready for depth in maps[10:] for ready in later.push(depth)] + list(later.flush())
    assert len(whole) == 24
    for one, other in zip(whole[10:], rest, strict=True):
        np.testing.assert_array_equal(one.depth.values, other.depth.values)
        assert one[1:] == other[1:]


def test_a_frame_is_given_back_after_the_look_ahead_and_none_is_lost(panned: list[Depth]) -> None:
    steady = Steady()
    given = [len(list(steady.push(depth))) for depth in panned[:9]]
    assert given == [0] * AHEAD + [1] * (9 - AHEAD)
    assert len(list(steady.flush())) == AHEAD


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 48)])
def test_films_short_and_thin_pass(frames: int, size: tuple[int, int]) -> None:
    pixels = RANDOM.integers(0, 256, (frames, *size[::-1], 3), np.uint8)
    maps = [Depth(RANDOM.normal(0, 1, size[::-1]), pixels=picture) for picture in pixels]
    ready = steadied(maps)
    assert len(ready) == frames
    assert all(np.isfinite(one.depth.values).all() for one in ready)


def test_a_constant_map_passes() -> None:
    maps = [Depth(np.zeros((48, 64)), pixels=filmed(photo(64, 48), number)) for number in range(8)]
    assert all((one.depth.values == 0).all() for one in steadied(maps))
