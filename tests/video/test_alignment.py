"""Scale and shift between two maps."""

from __future__ import annotations

import numpy as np
import pytest

from depthmap.video.alignment import fit

RANDOM = np.random.default_rng(1)
MAP = RANDOM.normal(5, 2, (90, 160)).astype(np.float32)


def test_scale_and_shift_are_found_though_a_third_of_the_map_moved() -> None:
    other = 2.5 * MAP - 4
    other[:, :55] += RANDOM.uniform(-30, 30, (90, 55)).astype(np.float32)
    line = fit(MAP, other.astype(np.float32))
    assert line == pytest.approx((2.5, -4), rel=0.01)


def test_what_is_said_to_have_moved_has_no_part() -> None:
    other = 2.5 * MAP - 4
    other[:, :120] = 1.2 * MAP[:, :120] + 9  # most of it, and all alike
    weights = np.ones_like(MAP)
    weights[:, :120] = 0
    assert fit(MAP, other, weights) == pytest.approx((2.5, -4), rel=0.05)


def test_places_without_a_value_have_no_part() -> None:
    holes = MAP.copy()
    holes[::3] = np.nan
    other = (3 * MAP + 1).astype(np.float32)
    other[::7] = np.inf
    assert fit(holes, other) == pytest.approx((3, 1), rel=1e-3)


def test_without_a_shift_the_line_goes_through_zero() -> None:
    assert fit(MAP, (3 * MAP).astype(np.float32), shift=False) == pytest.approx((3, 0), rel=1e-3)


@pytest.mark.parametrize("other", [np.zeros_like(MAP), np.full_like(MAP, np.nan)])
def test_maps_that_do_not_tell_change_nothing(other: np.ndarray) -> None:
    assert fit(MAP, other) == (1, 0)


def test_noise_in_both_maps_leaves_the_scale_as_it_is() -> None:
    """Least squares of one direction would find 0.94, and a map that follows itself would shrink to nothing."""
    noisy = [MAP + RANDOM.normal(0, 0.5, MAP.shape).astype(np.float32) for _ in range(2)]
    assert fit(*noisy).scale == pytest.approx(1, abs=0.01)
