"""Focal length and distance are found from points, and the search stops where MINPACK's does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.geometry.least_squares import least_squares
from depthmap.geometry.recovery import focal_and_shift

# least_squares(residuals, x0=0, ftol=1e-3, method="lm") of SciPy 1.17.1, for `scene(seed, known)`, seeds 0 to 11
SCIPY = {
    False: (
        *(0.02104246, 0.7634227, 7.112299, 0.796559, 0.01355817, 0.575203),
        *(6.819119, 8.787243, 0.1066526, 0.2297497, 5.30905, 0.3225848),
    ),
    True: (
        *(0.02104246, 0.5194706, 2.645289, 0.4609434, 0.01355817, 0.3889358),
        *(2.218229, 2.941187, 0.1066526, 0.1969453, 2.398557, 0.3389371),
    ),
}
Residuals = Callable[[float], np.ndarray]


def scene(seed: int, focal_known: bool) -> Residuals:
    """Return the residuals of points seen with noise, of a shift; points of every fourth seed have none."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    uv, z = rng.uniform(-0.7, 0.7, 2 * n), np.tile(np.exp(rng.normal(0, 1, n)), 2)
    shift, focal = rng.uniform(-0.5, 3) * z.min(), rng.uniform(0.3, 3)
    xy = uv * (z + shift) / focal + rng.normal(0, 0.1 * (seed % 4), 2 * n)

    def residuals(shift: float) -> np.ndarray:
        p = xy / (z + shift)
        return p * (focal if focal_known else (p @ uv) / (p @ p)) - uv

    return residuals


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_search_stops_where_scipy_stops(seed: int, known: bool) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        assert least_squares(scene(seed, known), 1e-3) == pytest.approx(SCIPY[known][seed], rel=1e-5)


@pytest.mark.parametrize(
    ("residuals", "x"),
    [
        (lambda x: np.array([5 * np.arctan(5 * x - 3) + x**3, x - 2]), 0.59378436),  # a step is refused
        (lambda x: np.sin(np.array([3, 5, 7]) * x + 1) + 0.1 * x, -0.17624474),
        (lambda x: np.array([10 * (1 - x * x), 1 - x]), 1.0),
        (lambda x: np.array([3.0, 4.0]), 0.0),  # nothing to gain
        (lambda x: np.array([0.0 * x]), 0.0),
    ],
)
def test_other_functions_too(residuals: Residuals, x: float) -> None:
    assert least_squares(residuals, 1e-3) == pytest.approx(x, rel=1e-5)


def seen_points(
    width: int, height: int, focal: float, shift: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y, z of what a camera sees, with z less by the shift."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(1, 4, (height, width))
    half = math.hypot(width, height) / 2
    x = (np.arange(width) - (width - 1) / 2) / (focal * half) * z
    y = (np.arange(height)[:, None] - (height - 1) / 2) / (focal * half) * z
    return x, y, z - shift


@given(
    st.integers(8, 200),
    st.integers(8, 200),
    st.floats(0.3, 4),
    st.floats(-0.5, 0.9),
    st.booleans(),
    st.data(),
)
def test_exact_points_give_focal_length_and_shift(
    width: int, height: int, focal: float, shift: float, known: bool, data: st.DataObject
) -> None:
    x, y, z = seen_points(width, height, focal, shift, data.draw(st.integers(0, 99)))
    found = focal_and_shift(x, y, z, np.ones(z.shape, bool), focal if known else None)
    assert found == pytest.approx((focal, shift), rel=0.02, abs=0.02)  # the search ends early


def test_points_outside_the_mask_have_no_part() -> None:
    x, y, z = seen_points(90, 60, 1.2, 0.5)
    mask = np.random.default_rng(1).random(z.shape) < 0.5
    expected = focal_and_shift(x, y, z, mask)
    z[~mask] = np.nan
    assert focal_and_shift(x, y, z, mask) == expected
    assert expected == pytest.approx((1.2, 0.5), rel=0.01)


@pytest.mark.parametrize("points", [0, 1])
def test_with_fewer_than_two_points_nothing_is_shifted(points: int) -> None:
    x, y, z = seen_points(64, 64, 1.2, 0.5)
    mask = np.zeros(z.shape, bool)
    mask.flat[:points] = True
    assert focal_and_shift(x, y, z, mask) == (1.0, 0.0)
    assert focal_and_shift(x, y, z, mask, 1.2) == (1.2, 0.0)


def test_points_that_no_camera_could_see_give_a_usual_camera() -> None:
    x, y, z = seen_points(64, 64, 1.2, 0.0)
    assert focal_and_shift(-x, -y, z, np.ones(z.shape, bool)) == (1.0, 0.0)


@given(st.lists(st.floats(width=32), min_size=12, max_size=12), st.booleans())
def test_whatever_the_numbers_are_there_is_a_camera(numbers: list[float], known: bool) -> None:
    x, y, z = np.array(numbers, np.float32).reshape(3, 2, 2)
    focal, shift = focal_and_shift(x, y, z, np.isfinite(z), 1.2 if known else None)
    assert 0 < focal < math.inf
    assert math.isfinite(shift)
