"""The errors of contours, on maps whose contours are known."""

from __future__ import annotations

import numpy as np
import pytest

from training import edges, metrics

SHAPE = (48, 64)
WHOLE = np.ones(SHAPE, bool)


def step(column: int, width: int = 1) -> np.ndarray:
    """A map that rises from 0.1 to 0.9 at a column, within so many pixels."""
    ramp = np.clip((np.arange(SHAPE[1]) - column + width / 2) / width, 0, 1)
    return np.repeat((0.1 + 0.8 * ramp)[None], SHAPE[0], 0)


def test_a_step_has_one_thin_edge() -> None:
    found = edges.edges(step(30))
    assert (found.sum(1) == 1).all()
    assert np.abs(np.flatnonzero(found.any(0)) - 30).max() <= 1


def test_a_plane_has_none_and_a_weak_edge_needs_a_strong_one() -> None:
    assert not edges.edges(step(32, width=64)).any()
    weak = 0.5 + (step(30) - 0.5) * 0.12
    assert not edges.edges(weak).any()
    strong_above = np.where(np.arange(SHAPE[0])[:, None] < 10, step(30), weak)
    assert edges.edges(strong_above)[-5].any()


def test_distances_are_euclidean_and_truncated() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[20, 30] = True
    found = edges.distances(mask)
    assert found[20, 30] == 0
    assert found[24, 33] == pytest.approx(5)
    assert found[20, 39] == 9
    assert found[20, 45] == edges.REACH
    assert (edges.distances(np.zeros(SHAPE, bool)) == edges.REACH).all()


@pytest.mark.parametrize("shift", [0, 2, 6])
def test_a_contour_is_as_wrong_as_it_is_displaced(shift: int) -> None:
    errors = edges.boundary_errors(step(30 + shift), step(30), WHOLE)
    assert errors is not None
    assert errors.accuracy == pytest.approx(shift)
    assert errors.completeness == pytest.approx(shift)


def test_a_missing_contour_costs_completeness_and_an_absent_map_both() -> None:
    both = np.maximum(step(12), step(60)) + 0  # the second lies at the border
    both[:, 40:] = 0.1
    one = step(12)
    found = edges.boundary_errors(one, both, WHOLE)
    assert found is not None
    assert found.accuracy < 0.1 < found.completeness
    nothing = edges.boundary_errors(np.full(SHAPE, 0.5), one, WHOLE)
    assert nothing == edges.BoundaryErrors(edges.REACH, edges.REACH)


def test_a_reference_without_contours_says_nothing() -> None:
    assert edges.boundary_errors(step(30), np.full(SHAPE, 0.5), WHOLE) is None


def test_contours_beside_invalid_pixels_do_not_count() -> None:
    valid = WHOLE.copy()
    valid[:, 28:33] = False
    assert edges.boundary_errors(step(30), step(30), valid) is None


def test_a_map_is_scored_whatever_its_scale_and_blur_is_punished() -> None:
    reference = step(30)
    sharp = metrics.aligned_errors(7 * reference - 2, reference, exact=True)
    blurred = metrics.aligned_errors(step(30, width=30), reference, exact=True)
    assert sharp.edge_accuracy == sharp.edge_completeness == 0
    assert blurred.edge_completeness > 5
    assert np.isnan(metrics.aligned_errors(reference, reference).edge_accuracy)


def test_means_pass_over_maps_without_contours() -> None:
    known = metrics.Errors(0.1, 10.0, 0.1, 2.0, 3.0)
    mean = metrics.mean_errors([known, metrics.Errors(0.3, 30.0, 0.3)])
    assert (mean.d125, mean.edge_accuracy, mean.edge_completeness) == (20.0, 2.0, 3.0)
