"""Arithmetic over maps (H, W): blurs, normals, light and the darkness of corners."""

from __future__ import annotations

from random import Random

import numpy as np

from .solids import Array, Seen


def blurred(values: Array, sigma: float) -> Array:
    """Return a map (H, W) or (H, W, C) blurred by about a Gaussian: three times a mean over a window."""
    radius = round(sigma)  # three means over 2r + 1 have a variance of r (r + 1)
    if radius < 1:
        return values
    for axis in (0, 1):
        for _ in range(3):
            pad = [(0, 0)] * values.ndim
            pad[axis] = (radius + 1, radius)
            total = np.cumsum(np.pad(values, pad, mode="edge").astype(np.float64), axis)
            size = values.shape[axis]
            upper, lower = (
                np.take(total, range(2 * radius + 1, 2 * radius + 1 + size), axis),
                np.take(total, range(size), axis),
            )
            values = ((upper - lower) / (2 * radius + 1)).astype(np.float32)
    return values


def smoothed(depth: Array, sigma: float) -> Array:
    """Return a depth map whose surfaces are blurred together, while what is infinite stays so: skin over bones."""
    there = np.isfinite(depth)
    weight = blurred(there.astype(np.float32), sigma)
    mean = blurred(np.where(there, depth, 0), sigma) / np.maximum(weight, 1e-3)
    return np.where(there, mean, np.inf)


def normals(depth: Array, directions: Array) -> Array:
    """Return the normals (H, W, 3), towards the camera, of a depth map along rays (H, W, 3)."""
    points = directions * np.where(np.isfinite(depth), depth, 0)[..., None]
    across = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    across = np.where((across[..., 2] > 0)[..., None], -across, across)
    return np.asarray(across / (np.linalg.norm(across, axis=2, keepdims=True) + 1e-12))


def lit(seen: Seen, directions: Array, rng: Random) -> Array:
    """Return what a lamp and the light of all sides make of colours, (H, W, 3)."""
    towards = np.array((rng.gauss(0, 0.7), -abs(rng.gauss(0.5, 0.5)), -rng.uniform(0.4, 1.2)))
    towards /= np.linalg.norm(towards)
    ambient, tint = rng.uniform(0.35, 0.8), 1 + 0.1 * np.array((rng.gauss(0, 1), 0, rng.gauss(0, 1)))
    back = -directions / np.linalg.norm(directions, axis=2, keepdims=True)
    facing = np.clip((seen.normal @ towards + 0.2) / 1.2, 0, 1)
    half = back + towards
    half /= np.linalg.norm(half, axis=2, keepdims=True)
    shine = np.clip((seen.normal * half).sum(2), 0, 1) ** rng.uniform(15, 60)
    light = ambient + (1.25 - ambient) * facing
    return np.asarray(seen.colour * light[..., None] * tint + (seen.gloss * shine)[..., None])


def shadowed(depth: Array, sigma: float, strength: float) -> Array:
    """Return what corners and the ground behind edges keep of their light, (H, W), by how far they lie behind.

    Luft et al., "Image Enhancement by Unsharp Masking the Depth Buffer", SIGGRAPH 2006. What lies far behind is let be.
    """
    nearest = max(float(depth[depth > 0].min(initial=np.inf)), 1e-3)
    reach = 1.4 * nearest
    capped = np.minimum(depth, reach).astype(np.float32)
    behind = (capped - blurred(capped, sigma)) / nearest
    return np.asarray(1 - strength * np.clip(behind / 0.06, 0, 1) * (depth < reach))
