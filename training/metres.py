"""How good metres from a few known points are: ``python -m training.metres FOLDER [--model MODEL]``.

FOLDER holds ``rgb/`` and ``inverse_depth/``. On each picture two, three and four points, at quantiles of the true
distance and in the middle of surfaces, calibrate the map as ``depthmap predict --calibrate`` does. Their median
relative error over all pixels is printed beside that of the least-squares fit of all pixels. The scale of a picture's
true distances is unknown, and does not matter for relative errors.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from depthmap import Depth, DepthEstimator
from depthmap.errors import UsageError

from .data import read_pair, stems

QUANTILES = ((0.1, 0.9), (0.1, 0.5, 0.9), (0.1, 0.35, 0.65, 0.9))
"""Of the true distances: where the known points of each trial lie."""
_NEAR, _WINDOW = 0.02, 15  # a point is within this share of its quantile, amid so many pixels of one surface
Float = NDArray[Any]


def distances(inverse_depth: NDArray[np.uint16]) -> Float:
    """Return true distances, the nearest at 1; NaN in the sky and where nothing is known."""
    return np.where(inverse_depth > 1, 65535 / np.maximum(inverse_depth, 1), np.nan)


def places(truth: Float, quantiles: tuple[float, ...]) -> dict[tuple[float, float], float]:
    """Return a point for each quantile, and how far it is: where its surroundings vary least."""
    half = _WINDOW // 2
    around = sliding_window_view(truth, (_WINDOW, _WINDOW))
    unevenness = np.full(truth.shape, np.inf)
    unevenness[half:-half, half:-half] = np.nan_to_num(around.max((2, 3)) / around.min((2, 3)), nan=np.inf)
    points: dict[tuple[float, float], float] = {}
    for quantile in quantiles:
        distance = np.nanquantile(truth, quantile)
        fits = np.abs(truth - distance) <= _NEAR * distance
        y, x = np.unravel_index(np.where(fits, unevenness, np.inf).argmin(), truth.shape)
        points[int(x), int(y)] = float(truth[y, x])
    return points


def error(metres: Float, truth: Float) -> float:
    """Return the median relative error where the truth is known."""
    known = np.isfinite(truth)
    return float(np.median(np.abs(metres[known] - truth[known]) / truth[known]))


def error_of_all(depth: Depth, truth: Float) -> float:
    """Return the error of the least-squares fit of all pixels, in inverse depth."""
    known = np.isfinite(truth)
    inverse = np.polyval(np.polyfit(depth.values[known], 1 / truth[known], 1), depth.values)
    with np.errstate(divide="ignore"):
        return error(np.where(inverse > 0, 1 / inverse, np.inf), truth)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="Depthmap_Tiny")
    arguments = parser.parse_args()
    estimator = DepthEstimator(arguments.model)
    errors: dict[str, list[float]] = {}
    refused = 0
    for stem in stems(arguments.folder):
        picture, inverse_depth = read_pair(arguments.folder, stem)
        truth, depth = distances(inverse_depth), estimator.depth(picture)
        found = {"all pixels": error_of_all(depth, truth)}
        try:
            for quantiles in QUANTILES:
                points = places(truth, quantiles)
                found[f"{len(quantiles)} points"] = error(depth.calibrated(points).metres(), truth)
        except UsageError:
            refused += 1
            continue
        for name, value in found.items():
            errors.setdefault(name, []).append(value)
    print(f"{len(errors['all pixels'])} pictures; {refused} whose points contradict the map")
    print("| metres from | median error, % | error / that of all pixels: median | pictures up to 1.2 |")
    print("|---|---:|---:|---:|")
    whole = np.array(errors["all pixels"])
    for name, values in errors.items():
        ratio = np.array(values) / whole
        print(
            f"| {name} | {100 * np.median(values):.1f} | {np.median(ratio):.2f} | {np.mean(ratio <= 1.2):.0%} |"
        )


if __name__ == "__main__":
    main()
