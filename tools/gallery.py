"""Make the pictures of docs/gallery.md from the photos in examples/.

::

    python -m tools.gallery

"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from depthmap import Depth, DepthEstimator
from depthmap.colours import COLOUR_MAPS
from depthmap.outputs import OUTPUTS

from .pictures import beside

ROOT = Path(__file__).parents[1]
PHOTOS = ("chelsea.png", "china.jpg", "coffee.png")
TARGET = ROOT / "docs" / "images"
HEIGHT = 240
"""Pixels of each picture in a row."""
QUALITY = 88

Array = NDArray[Any]


def main() -> None:
    """Write every picture of the page."""
    estimator = DepthEstimator("Depthmap_Tiny")
    cat, palace, cup = (estimator.depth(ROOT / "examples" / name) for name in PHOTOS)
    rows = {
        "cat": [cat.rgb, written("colour", cat)],
        "palace": [palace.rgb, written("colour", palace)],
        "cup": [cup.rgb, written("colour", cup)],
        "colours": [cup.colour(name) for name in COLOUR_MAPS],
        "3d": [from_beside(palace), from_beside(cup)],
        "normals": [cup.rgb, written("normal", cup)],
        "stereo": [written("stereo", palace)],
        "anaglyph": [written("anaglyph", palace)],
    }
    for name, pictures in rows.items():
        row(pictures).save(TARGET / f"gallery_{name}.jpg", quality=QUALITY, optimize=True)


def written(output: str, depth: Depth) -> Array:
    """Return the picture (H, W, 3) that an output writes."""
    stream = io.BytesIO()
    OUTPUTS[output].write(stream, depth)
    return np.asarray(Image.open(stream).convert("RGB"))


def row(pictures: list[Array]) -> Image.Image:
    """Return pictures (H, W, 3) side by side, all of one height."""
    scaled = [Image.fromarray(p).resize((width_of(p), HEIGHT), Image.Resampling.LANCZOS) for p in pictures]
    return Image.fromarray(np.concatenate([np.asarray(picture) for picture in scaled], axis=1))


def width_of(picture: Array) -> int:
    """Return how wide a picture becomes in its row."""
    height, width = picture.shape[:2]
    return int(HEIGHT * width / height + 0.5)


def from_beside(depth: Depth) -> Array:
    """Return the mesh of a depth as seen from beside."""
    return beside(depth, (width_of(depth.rgb), HEIGHT))


if __name__ == "__main__":
    main()
