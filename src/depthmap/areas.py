"""Shrinking of pictures of bytes by the mean of the areas that become a pixel, to bytes again: OpenCV's ``INTER_AREA``.

Networks whose official code resizes bytes see what OpenCV rounds, so each byte here is OpenCV's. Where a mean lies
midway between two bytes, the order of the sums in float32 decides; so they are made in OpenCV's order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]
SLIVER = 1e-3
"""What a pixel covers of another at its border is left out if it is less than this, in pixels."""

BLOCK = 64
"""Rows of the picture that are taken at once, so that the processor's cache holds them."""


def shrink(picture: Bytes, height: int, width: int) -> Bytes:
    """Shrink a picture (H, W, C), uint8, to (height, width, C), uint8; neither side may grow."""
    rows, columns = picture.shape[:2]
    if rows % height == 0 and columns % width == 0:
        return _by_whole_numbers(picture, rows // height, columns // width)
    across = np.zeros((rows, width, picture.shape[2]), np.float32)
    taps = list(_taps(columns, width))
    for start in range(0, rows, BLOCK):
        block = slice(start, start + BLOCK)
        for places, weights in taps:
            across[block] += np.take(picture[block], places, axis=1) * weights[:, None]
    down = np.zeros((height, *across.shape[1:]), np.float32)
    for places, weights in _taps(rows, height):
        down += across[places] * weights[:, None, None]
    return np.rint(down).astype(np.uint8)


def _by_whole_numbers(picture: Bytes, down: int, across: int) -> Bytes:
    """Take the means of blocks of ``down`` × ``across`` pixels."""
    rows, columns, channels = picture.shape
    blocks = picture.reshape(rows // down, down, columns // across, across, channels)
    sums = blocks.sum((1, 3), dtype=np.int32)
    means = sums.astype(np.float32) * np.float32(1 / (down * across))
    # OpenCV rounds what lies midway between two bytes to the even one, but in one case up.
    means = np.floor(means + np.float32(0.5)) if down == across == 2 else np.rint(means)
    rounded: Bytes = means.astype(np.uint8)
    return rounded


def _taps(length: int, new: int) -> Iterator[tuple[NDArray[np.intp], Float32]]:
    """Yield, for the first pixel that each new one covers, the second, and so on, where it lies and its share."""
    scale = length / new
    start = np.arange(new) * scale
    end = start + scale
    covered = np.minimum(scale, length - start)
    last = np.minimum(np.floor(end).astype(int), length - 1)
    first = np.minimum(
        np.ceil(start).astype(int), last
    )  # of those that are covered whole, up to the one before last
    before, after = first - start, np.minimum(np.minimum(end - last, 1), covered)
    place = first - (before > SLIVER)
    while (place <= last).any():
        share = np.where(place < first, before, np.where(place < last, 1, np.where(place == last, after, 0)))
        share = np.where((place < first) | (place < last) | (share > SLIVER), share, 0)
        yield np.minimum(place, length - 1), (share / covered).astype(np.float32)
        place = place + 1
