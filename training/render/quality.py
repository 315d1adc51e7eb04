"""Which frames are kept: not flat, dark, burnt out, mostly sky, or nearly the same as another of the scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .frames import INFINITE, NEAREST
from .parameters import KEEP, Keep

THUMBNAIL = (16, 12)


def agrees(cast: NDArray[np.float64], rendered: NDArray[np.float32], tolerance: float) -> bool:
    """Whether a rendered depth map is what rays found on a coarse grid: planar, to scale, and not mirrored.

    Rays see leaves as whole rectangles, and a pixel is not a ray: a quarter of the grid has to be right.
    """
    places = (
        ((np.arange(cells) + 0.5) * pixels / cells).astype(int)
        for cells, pixels in zip(cast.shape, rendered.shape, strict=True)
    )
    found = rendered[np.ix_(*places)]
    seen = np.isfinite(cast) & (found > 0)
    return bool(seen.any() and np.quantile(np.abs(np.log(found[seen] / cast[seen])), 0.25) < tolerance)


class Sieve:
    """Judges the frames of one scene, one after the other."""

    def __init__(self, keep: Keep = KEEP) -> None:
        self.keep = keep
        self.thumbnails: list[NDArray[np.float32]] = []

    def fault(self, picture: NDArray[np.uint8], inverse: NDArray[np.uint16]) -> str | None:
        """Return why a frame is dropped, or None; a frame that is kept is compared with later ones."""
        keep = self.keep
        low, high = np.percentile(inverse / NEAREST, (5, 95))
        thumbnail = np.asarray(Image.fromarray(picture).resize(THUMBNAIL, Image.Resampling.BOX), np.float32)
        faults = {
            "flat": high - low < keep.inverse_span,
            "sky": (inverse <= INFINITE).mean() > keep.sky,
            "dark": picture.mean() < keep.mean or picture.std() < keep.deviation,
            "black": (picture < 12).mean() > keep.black,
            "burnt out": (picture > 250).mean() > keep.bright,
            "duplicate": any(np.abs(thumbnail - t).mean() < keep.difference for t in self.thumbnails),
        }
        found = next((name for name, applies in faults.items() if applies), None)
        if found is None:
            self.thumbnails.append(thumbnail)
        return found
