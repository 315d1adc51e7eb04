"""Layers of a picture, one before the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .solids import Array

LEAP = 1.03
"""Where one pixel is so many times as far as its neighbour, there is an edge."""


@dataclass(frozen=True)
class Layer:
    """Colours (H, W, 3), how much of each pixel they cover (H, W), and planar depth (H, W).

    Depth is infinite where there is nothing, 1e10 in the sky, and 0 where nobody knows it.
    """

    colour: Array
    cover: Array
    depth: Array

    def before(self, other: Layer) -> Layer:
        """Return this layer laid over another."""
        share = self.cover[..., None]
        return Layer(
            self.colour * share + other.colour * (1 - share),
            np.maximum(self.cover, other.cover),
            np.where(self.cover > 0.5, self.depth, other.depth),
        )

    @property
    def rear(self) -> float:
        """How far away its farthest part is."""
        there = self.depth[np.isfinite(self.depth) & (self.cover > 0.5)]
        return float(np.quantile(there, 0.98)) if there.size else 1.0


def edges_softened(layer: Layer) -> Layer:
    """Return the layer with the colours mixed where its depth leaps: a pixel there shows both sides."""
    depth = layer.depth
    leaps = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        one, other = (np.take(depth, range(k, depth.shape[axis] - 1 + k), axis) for k in (0, 1))
        leap = np.maximum(one, other) > LEAP * np.minimum(one, other)
        pad = [(0, 0), (0, 0)]
        for pad[axis] in ((0, 1), (1, 0)):
            leaps |= np.pad(leap, pad)
    mixed = layer.colour
    for axis in (0, 1):
        around = np.pad(mixed, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        low, high = (np.take(around, range(k, k + mixed.shape[axis]), axis) for k in (0, 2))
        mixed = (low + 2 * mixed + high) / 4
    return replace(layer, colour=np.where(leaps[..., None], mixed, layer.colour))
