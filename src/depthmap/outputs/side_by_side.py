"""The picture and its depth in one file."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output
from .png import encode_png, labels

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class SideBySide(Output):
    """An 8-bit RGB PNG: the picture on the left, its depth in colours on the right."""

    name = "side-by-side"
    suffix = "_side.png"
    media_type = "image/png"
    about = "8-bit RGB PNG: the picture on the left, its depth on the right"
    needs_picture = True

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the PNG."""
        import numpy as np

        description = f"picture | {depth.kind} in the colours of {options.colours}, farthest to nearest"
        pixels = np.concatenate([depth.rgb, depth.colour(options.colours, options.limits)], axis=1)
        encode_png(stream, pixels, labels(description, depth))
