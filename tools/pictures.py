"""Make the picture for the README: a photo, its depth, and its GLB as seen from beside.

::

    python -m tools.pictures

"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from depthmap import Depth, DepthEstimator
from depthmap.outputs import OUTPUTS, Options

ROOT = Path(__file__).parents[1]
PHOTO, TARGET = ROOT / "examples" / "coffee.png", ROOT / "docs" / "images" / "coffee_3d.png"
WIDTH = 300
"""Pixels of each of the three pictures."""
RATIO = 2.0
YAW, PITCH = np.radians(20), np.radians(-12)
FINE = 2
"""Pixels of the drawing for each of the picture, along either side."""

Array = NDArray[Any]


def main() -> None:
    """Write the picture."""
    depth = DepthEstimator("Depthmap_Tiny").depth(PHOTO)
    size = (WIDTH, round(WIDTH * depth.height / depth.width))
    row = Image.new("RGB", (3 * WIDTH, size[1]))
    for place, picture in enumerate((depth.rgb, depth.colour(), beside(depth, size))):
        scaled = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
        row.paste(scaled, (place * WIDTH, 0))
    row.save(TARGET, optimize=True)


def beside(depth: Depth, size: tuple[int, int]) -> Array:
    """Return the picture's GLB as seen from beside, `FINE` times as large as ``size``."""
    stream = io.BytesIO()
    OUTPUTS["glb"].write(stream, depth, Options(ratio=RATIO))
    mesh: Any = trimesh.load_mesh(io.BytesIO(stream.getvalue()), file_type="glb", process=False)
    large = (size[0] * FINE, size[1] * FINE)
    return drawn(turned(mesh.vertices), mesh, large, depth.intrinsics.fx / depth.width * large[0])


def turned(vertices: Array) -> Array:
    """Return vertices turned about their middle, which is then straight ahead at the distance it had."""
    sideways = [[np.cos(YAW), 0, np.sin(YAW)], [0, 1, 0], [-np.sin(YAW), 0, np.cos(YAW)]]
    down = [[1, 0, 0], [0, np.cos(PITCH), -np.sin(PITCH)], [0, np.sin(PITCH), np.cos(PITCH)]]
    middle = np.array([0, 0, np.median(vertices[:, 2])])
    placed: Array = (vertices - middle) @ np.array(sideways).T @ np.array(down).T + middle
    return placed


def drawn(vertices: Array, mesh: Any, size: tuple[int, int], focal: float) -> Array:
    """Return the mesh as a camera at the origin sees it, (H, W, 3), on white."""
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    corners, marks = vertices[mesh.faces], mesh.visual.uv[mesh.faces]
    screen = corners[..., :2] / -corners[..., 2:] * focal
    steps = np.ceil(np.ptp(screen, axis=1).max(axis=1)).astype(int) + 1
    picture = np.full((size[1], size[0], 3), 255, np.uint8)
    nearest = np.full(size[::-1], np.inf)
    for step in np.unique(steps):
        weights = _inside(step)
        points, places = (np.einsum("kc,fcd->fkd", weights, a[steps == step]) for a in (corners, marks))
        z = -points[..., 2].ravel()
        column = np.rint(size[0] / 2 + points[..., 0].ravel() / z * focal - 0.5).astype(int)
        row = np.rint(size[1] / 2 - points[..., 1].ravel() / z * focal - 0.5).astype(int)
        order = np.argsort(-z, kind="stable")
        order = order[((column >= 0) & (column < size[0]) & (row >= 0) & (row < size[1]))[order]]
        row, column, z = row[order], column[order], z[order]
        before = nearest.copy()
        nearest[row, column] = z  # the last one written, the nearest, stays
        nearest = np.minimum(nearest, before)
        seen = nearest[row, column] == z
        u, v = (places.reshape(-1, 2)[order[seen]] * [texture.shape[1], -texture.shape[0]]).T
        picture[row[seen], column[seen]] = texture[v.astype(int) - 1, u.astype(int)]
    return picture


def _inside(steps: int) -> Array:
    """Return barycentric weights (K, 3) of points all over a triangle."""
    a, b = np.divmod(np.arange((steps + 1) ** 2), steps + 1)
    a, b = a[a + b <= steps], b[a + b <= steps]
    return np.stack([a, b, steps - a - b], axis=-1) / steps


if __name__ == "__main__":
    main()
