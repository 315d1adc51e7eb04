"""Small maps: slopes, half the size, medians. Quick ones, as they are made for every frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32 = NDArray[np.float32]


def framed(values: Float32) -> Float32:
    """Return a map (h, w) with its border once more around it; ``numpy.pad`` takes ten times as long."""
    height, width = values.shape
    wider = np.empty((height + 2, width + 2), np.float32)
    wider[1:-1, 1:-1] = values
    wider[0, 1:-1], wider[-1, 1:-1] = values[0], values[-1]
    wider[:, 0], wider[:, -1] = wider[:, 1], wider[:, -2]
    return wider


def slopes(values: Float32) -> tuple[Float32, Float32]:
    """Return by how much the values change from place to place, across and down."""
    wider = framed(values)
    half = np.float32(0.5)
    return (wider[1:-1, 2:] - wider[1:-1, :-2]) * half, (wider[2:, 1:-1] - wider[:-2, 1:-1]) * half


def halved(values: Float32) -> Float32:
    """Return a map at half the size, smooth enough that shifts of parts of a pixel show: by 1 3 3 1 each way."""
    height, width = values.shape
    wider = framed(values[: height // 2 * 2, : width // 2 * 2])
    across = wider[:, :-2:2] + wider[:, 3::2] + 3 * (wider[:, 1:-1:2] + wider[:, 2::2])
    half: Float32 = (across[:-2:2] + across[3::2] + 3 * (across[1:-1:2] + across[2::2])) * np.float32(1 / 64)
    return half


def paired(values: Float32) -> Float32:
    """Return the means of two by two places; both sides are even."""
    rows = values[::2] + values[1::2]
    means: Float32 = (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)
    return means


def resized(values: Float32, shape: tuple[int, ...]) -> Float32:
    """Return a map at a larger size (h, w), by linear interpolation."""
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def middle(values: Float32) -> float:
    """Return the median, of an even number of values the higher of the two."""
    place = values.size // 2
    return float(np.partition(values, place, axis=None)[place])
