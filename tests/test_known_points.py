"""Points of known distance give metres, and what does not fit together is refused with the reason."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from depthmap import Depth
from depthmap.errors import UsageError
from depthmap.known_points import KnownPoints, Point

# A floor that recedes from 2 m at the bottom to 20 m at the horizon, and sky above.
ROWS, COLUMNS = 60, 80
DISTANCES = np.full((ROWS, COLUMNS), np.inf)
DISTANCES[20:] = np.linspace(20, 2, 40)[:, None]


def relative(scale: float = 3.0, shift: float = 0.0) -> Depth:
    """Return the floor as a network may show it: inverse depth by another scale and shift, the sky at 0."""
    return Depth(np.maximum((1 / DISTANCES - shift) / scale, 0), name="floor.jpg")


def points(*places: tuple[int, int], factor: float = 1) -> dict[tuple[float, float], float]:
    return {(x, y): factor * float(DISTANCES[y, x]) for x, y in places}


@given(st.floats(0.01, 100), st.floats(-0.4, 0.04))
def test_two_points_give_the_metres_of_all_others(scale: float, shift: float) -> None:
    depth = relative(scale, shift).calibrated(points((10, 25), (70, 55)))
    assert np.allclose(depth.metres()[20:], DISTANCES[20:], rtol=1e-4)
    assert depth.calibration is not None
    assert depth.calibration.source == "2 points"


def test_one_point_and_the_farthest_give_metres() -> None:
    depth = Depth(relative().values[20:]).calibrated({(40, 35): float(DISTANCES[55, 40])}, far=20)
    assert np.allclose(depth.metres(), DISTANCES[20:], rtol=1e-4)


def test_a_point_in_the_sky_may_be_infinitely_far() -> None:
    depth = relative().calibrated({(10, 5): math.inf, (70, 55): float(DISTANCES[55, 70])})
    assert np.allclose(depth.metres()[20:], DISTANCES[20:], rtol=1e-4)
    assert np.isinf(depth.metres()[:20]).all()


def test_many_points_with_errors_give_the_fit_of_least_relative_error() -> None:
    random = np.random.default_rng(0)
    known = {
        (float(x), float(y)): DISTANCES[y, x] * random.uniform(0.95, 1.05)
        for x, y in zip(range(40), range(20, 60), strict=True)
    }
    metres = relative().calibrated(known).metres()[20:]
    assert np.abs(metres / DISTANCES[20:] - 1).max() < 0.05


def test_one_stray_pixel_at_a_point_changes_nothing() -> None:
    depth = Depth(np.kron(relative().values, np.ones((10, 10))))
    spoilt = depth.values.copy()
    spoilt[555, 705] = 100
    known = {(705, 555): float(DISTANCES[55, 70]), (105, 255): float(DISTANCES[25, 10])}
    assert Depth(spoilt).calibrated(known).calibration == depth.calibrated(known).calibration


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({(80, 10): 1, (1, 50): 2}, r"80,10=1 lies outside the picture, which is 80 × 60"),
        ({(-1, 10): 1, (1, 50): 2}, "outside"),
        ({(10, 5): 30, (70, 55): 2}, "10,5=30 is sky"),
        ({(10, 25): 2, (70, 55): 20}, "70,55=20 nearer than the point 10,25=2"),
        ({(10, 55): 2, (70, 55): 4}, "equally near"),
        ({(10, 25): 2}, "two points of known distance, not 1"),
        ({}, "not 0"),
        ({(10, 25): 0, (70, 55): 20}, "metres above 0"),
        ({(10, 25): math.nan, (70, 55): 20}, "metres above 0"),
        ({(math.nan, 25): 1, (70, 55): 20}, "metres above 0"),
    ],
)
def test_points_that_cannot_be_are_refused_with_the_reason(
    known: dict[tuple[float, float], float], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        relative().calibrated(known)
    assert caught.value.remedy


def test_a_farthest_that_is_nearer_than_the_point_is_refused() -> None:
    with pytest.raises(UsageError, match=r"70,55=5 nearer than the farthest \(2 m\)"):
        relative().calibrated({(70, 55): 5}, far=2)


def test_a_point_where_the_model_says_nothing_is_refused() -> None:
    depth = Depth(relative().values, valid=np.arange(COLUMNS)[None] + np.zeros((ROWS, 1)) < 40)
    with pytest.raises(UsageError, match="says nothing about the point 70,55"):
        depth.calibrated(points((10, 25), (70, 55)))


def test_metric_depth_is_not_calibrated_again() -> None:
    with pytest.raises(UsageError, match="metres already"):
        Depth(np.ones((4, 4)), "metric depth").calibrated(points((10, 25), (70, 55)))


def test_points_move_with_the_size_of_the_picture() -> None:
    known = KnownPoints(
        (Point(10, 25, DISTANCES[25, 10]), Point(70, 55, DISTANCES[55, 70])), size=(COLUMNS, ROWS)
    )
    large = Depth(np.kron(relative().values, np.ones((3, 3))))
    assert np.allclose(
        large.calibrated(known).metres()[60:], np.kron(DISTANCES[20:], np.ones((3, 3))), rtol=1e-4
    )
    with pytest.raises(UsageError, match="one shape"):
        Depth(np.ones((60, 60))).calibrated(known)


FINITE = st.floats(-1e6, 1e6)


@given(
    st.lists(st.tuples(FINITE, FINITE, st.floats(1e-6, allow_nan=False)), min_size=1, max_size=5),
    st.none() | st.floats(1e-6, allow_nan=False, allow_infinity=False),
    st.none() | st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
)
def test_points_survive_json(
    entries: list[tuple[float, float, float]], far: float | None, size: tuple[int, int] | None
) -> None:
    assume(len(entries) > 1 or far is not None)
    known = KnownPoints(tuple(Point(*entry) for entry in entries), far, size)
    assert KnownPoints.from_dict(json.loads(json.dumps(known.as_dict()))) == known


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {"points": 3},
        {"points": [{"x": 1}]},
        {"points": [{"x": "a", "y": 1, "metres": 2}], "far": 3},
        {"points": [], "far": 1},
        {"points": [{"x": 1, "y": 1, "metres": 2}], "far": 3, "picture": {"width": 0, "height": 1}},
        {"points": [{"x": 1, "y": 1, "metres": 2}], "far": 3, "picture": [1, 2]},
        {"points": [{"x": 1, "y": 1, "metres": -2}], "far": 3},
    ],
)
def test_what_is_no_calibration_is_refused(data: object) -> None:
    with pytest.raises(UsageError):
        KnownPoints.from_dict(data)  # type: ignore[arg-type]  # it comes from a file
