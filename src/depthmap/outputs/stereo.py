"""Stereo pairs."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output
from .png import encode_png, labels

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class Stereo(Output):
    """What the left and the right eye see, side by side: an 8-bit RGB PNG, for headsets and parallel viewing."""

    name = "stereo"
    suffix = "_stereo.png"
    media_type = "image/png"
    about = "stereo pair, 8-bit RGB PNG: left view | right view"
    needs_picture = True

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the PNG."""
        import numpy as np

        pixels = np.concatenate(depth.stereo(options.eyes), axis=1)
        encode_png(stream, pixels, stereo_labels("left view | right view", depth, options))


def stereo_labels(what: str, depth: Depth, options: Options) -> dict[str, str]:
    """Return the text chunks of PNG files with two views, which say how far apart the eyes are."""
    chunks = labels(f"stereo pair, {what}", depth)
    chunks["Eyes"] = f"from the farthest to the nearest the views shift by {options.eyes:g} % of the width"
    chunks["Screen"] = "the middle of the range of inverse depth lies in the plane of the screen"
    return chunks
