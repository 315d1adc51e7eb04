"""The picture as two eyes see it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ranges import shown_range

Float32 = NDArray[np.float32]
Rgb = NDArray[np.uint8]

SCREEN = 0.5
"""Which part of the range of inverse depth lies in the plane of the screen: 0 the farthest, 1 the nearest."""
_TORN = 2.5  # what would be stretched by more than this is not one surface
_ROWS = 256  # a block of rows needs little memory beside the picture

# E. Dubois, "Conversion of a stereo pair to anaglyph with the least-squares projection method" (2009): matrices of
# linear RGB for red-cyan glasses at LCD screens, by which colours come closest and each eye sees little of the other's.
_LEFT = ((0.437, 0.449, 0.164), (-0.062, -0.062, -0.024), (-0.048, -0.050, -0.017))
_RIGHT = ((-0.011, -0.032, -0.007), (0.377, 0.761, 0.009), (-0.026, -0.093, 1.234))


class Stereo(NamedTuple):
    """What the ``left`` and the ``right`` eye see, sRGB uint8 (H, W, 3) each."""

    left: Rgb
    right: Rgb


def stereo(picture: Rgb, inverse_depth: NDArray[Any], eyes: float) -> Stereo:
    """Return what two eyes see, of which each stands by half of their distance beside the camera.

    Parameters
    ----------
    picture : array
        sRGB uint8 (H, W, 3).
    inverse_depth : array
        (H, W), larger = nearer, in any scale and shift; what is not finite is taken as the farthest or the nearest.
    eyes : float
        How far the nearest is shifted against the farthest, in percent of the width. The middle of the range of
        inverse depth stays where it is, in the plane of the screen.

    Notes
    -----
    Disparity of parallel cameras is linear in inverse depth, so a pair needs neither its scale nor its shift. Every
    pixel goes to where the eye sees it; of several the nearest stays; what no pixel goes to, an object hid: the
    background beside it is mirrored into it.
    """
    low, high = shown_range(inverse_depth)
    if not high > low:
        return Stereo(picture.copy(), picture.copy())
    left, right = np.empty_like(picture), np.empty_like(picture)
    for top in range(0, len(picture), _ROWS):
        rows = slice(top, top + _ROWS)
        nearness = np.nan_to_num((inverse_depth[rows].astype(np.float64) - low) / (high - low), nan=0.0)
        shift = (np.clip(nearness, 0, 1) - SCREEN) * eyes / 100 * picture.shape[1] / 2
        left[rows] = _seen(picture[rows], shift)
        right[rows] = _seen(picture[rows, ::-1], shift[:, ::-1])[:, ::-1]
    return Stereo(left, right)


def anaglyph(views: Stereo) -> Rgb:
    """Return both views in one picture for red-cyan glasses, sRGB uint8 (H, W, 3): red is for the left eye."""
    levels = np.linspace(0, 1, 256)
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)
    fine = np.linspace(0, 1, 4096)
    srgb = np.where(fine <= 0.0031308, fine * 12.92, 1.055 * fine ** (1 / 2.4) - 0.055)
    table = np.rint(srgb * 255).astype(np.uint8)
    mixed = np.empty_like(views.left)
    for top in range(0, len(mixed), _ROWS):
        rows = slice(top, top + _ROWS)
        # A product for each row of pixels: so small that NumPy's BLAS wakes no threads of its own (see `resizing`).
        light = linear[views.left[rows]] @ np.array(_LEFT, np.float32).T
        light += linear[views.right[rows]] @ np.array(_RIGHT, np.float32).T
        mixed[rows] = table[np.rint(np.clip(light, 0, 1) * (len(table) - 1)).astype(np.intp)]
    return mixed


def _seen(picture: Rgb, shift: NDArray[Any]) -> Rgb:
    """Return the picture with each pixel moved to the right by its shift, the more the nearer it is."""
    height, width = shift.shape
    place = np.arange(width) + shift
    following = np.concatenate([place[:, 1:], place[:, -1:] + 1], axis=1)
    stretch = following - place
    whole = (stretch > 0) & (stretch <= _TORN)
    first = np.ceil(place).astype(np.intp)
    count = np.where(whole, np.ceil(following).astype(np.intp) - first, 1).ravel()
    # From the right to the left: where two meet, the nearer came from farther left and is written last.
    order = np.arange(height * width).reshape(height, width)[:, ::-1].ravel()
    source = np.repeat(order, count[order])
    begins = np.cumsum(count[order]) - count[order]
    target = first.ravel()[source] + np.arange(len(source)) - np.repeat(begins, count[order])
    inside = (target >= 0) & (target < width)
    source, target = source[inside], target[inside]
    share = np.where(whole.ravel()[source], (target - place.ravel()[source]) / stretch.ravel()[source], 0)
    origin = np.full(height * width, -1.0)
    origin[source // width * width + target] = source % width + share
    return _sampled(picture, _mirrored(origin.reshape(height, width)))


def _mirrored(origin: NDArray[Any]) -> NDArray[Any]:
    """Return whence each pixel comes; holes (-1) from the left, where the background is, as in a mirror."""
    width = origin.shape[1]
    column = np.arange(width)
    known = origin >= 0
    left = np.maximum.accumulate(np.where(known, column, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, column, width)[:, ::-1], axis=1)[:, ::-1]
    from_left = np.where(left >= 0, 2 * left - column, 2 * right - column)
    from_there = np.take_along_axis(origin, np.clip(from_left, 0, width - 1), axis=1)
    edge = np.take_along_axis(origin, np.where(left >= 0, left, np.minimum(right, width - 1)), axis=1)
    return np.where(known, origin, np.where(from_there >= 0, from_there, np.maximum(edge, 0)))


def _sampled(picture: Rgb, origin: NDArray[Any]) -> Rgb:
    """Return the colours at fractional columns (H, W)."""
    column = np.floor(origin).astype(np.intp)
    share = (origin - column).astype(np.float32)[..., None]
    row = np.arange(len(picture))[:, None]
    here, there = picture[row, column], picture[row, np.minimum(column + 1, picture.shape[1] - 1)]
    mixed: Rgb = np.rint(here * (1 - share) + there * share).astype(np.uint8)
    return mixed
