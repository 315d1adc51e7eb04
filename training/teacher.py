"""A larger network as the teacher: its depth of any photos makes the pairs that a run trains on.

What the teacher says of a photo is written as a source like any other (see `data`), so the run, its loss and its scores
are the same. The loss is blind to scale and shift, which relative inverse depth leaves open.

``python -m training.teacher MODEL --photos FOLDER --data DATA`` writes the pairs alone. With the model that ships as
the teacher they hold a run to what it knows already, while it learns something else beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from depthmap import Depth, DepthEstimator
from depthmap.depth import RELATIVE_INVERSE
from depthmap.errors import ImageError
from depthmap.images import Photo, read_photo

from .data import DEPTH_SCALE

SOURCE = "distilled"
LONGER = 512
"""Pixels of the longer side of the pairs: nearly as many as the largest crop of a run has."""
HELD_OUT = 20
"""Of so many photos one is kept for ``val``."""
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def photos_in(folder: Path) -> list[Path]:
    """Return the pictures below a folder, in order."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if len(found) < HELD_OUT:
        raise SystemExit(f"{folder}: {len(found)} pictures are too few to train on. Give {HELD_OUT} or more.")
    return found


def label(teacher: str, photos: Sequence[Path], data: Path) -> int:
    """Write the pairs of photos into ``data``, and return how many there are; those that are there stay.

    Every `HELD_OUT`-th photo goes to ``val``. A photo that cannot be read is named and left out.
    """
    pairs = [_pair(data, number) for number in range(len(photos))]
    missing = [number for number, (_, depth) in enumerate(pairs) if not depth.exists()]
    if not missing:
        return len(pairs)
    estimator = DepthEstimator(teacher, pictures=len(missing))
    for number in missing:
        try:
            picture = _small(read_photo(photos[number]))
        except ImageError as error:
            print(error)
            continue
        _write(picture, _reference(estimator.depth(picture)), *pairs[number])
    return sum(depth.exists() for _, depth in pairs)


def _pair(data: Path, number: int) -> tuple[Path, Path]:
    folder = data / ("val" if number % HELD_OUT == 0 else "train") / SOURCE
    return folder / "rgb" / f"{number:07}.jpg", folder / "inverse_depth" / f"{number:07}.png"


def _small(photo: Photo) -> Image.Image:
    picture = Image.fromarray(photo.pixels)
    picture.thumbnail((LONGER, LONGER), Image.Resampling.LANCZOS)
    return picture


def _reference(depth: Depth) -> NDArray[np.uint16]:
    """Return inverse depth (H, W) as a source has it: 0 unknown, 1 the farthest or infinitely far, 65535 the nearest.

    Of relative inverse depth nobody knows where infinity is: the farthest point takes its place.
    """
    inverse = depth.inverse_depth
    known = np.isfinite(inverse)
    low = inverse[known].min(initial=np.inf) if depth.kind == RELATIVE_INVERSE else 0.0
    span = max(float(inverse[known].max(initial=low)) - low, 1e-12)
    steps = 1 + np.rint((np.where(known, inverse, low) - low) / span * (DEPTH_SCALE - 1))
    return np.where(known, steps, 0).astype(np.uint16)


def _write(picture: Image.Image, reference: NDArray[np.uint16], rgb: Path, depth: Path) -> None:
    """Write a pair; it counts once its depth is there, and that appears whole."""
    for path in (rgb, depth):
        path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(rgb, quality=95)
    staged = depth.with_suffix(".part")
    Image.fromarray(reference).save(staged, "PNG")
    staged.replace(depth)


def main() -> None:
    """Read the command line and write the pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("teacher", metavar="MODEL", help="a model of the cache, or the one that ships")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="gets train/ and val/")
    options = parser.parse_args()
    print(f"{label(options.teacher, photos_in(options.photos), options.data)} pairs in {options.data}")


if __name__ == "__main__":
    main()
