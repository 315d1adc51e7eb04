"""Colour pictures of depth."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output
from .png import encode_png, labels

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class Colour(Output):
    """An 8-bit RGB PNG for the eye, near = bright."""

    name = "colour"
    suffix = "_colour.png"
    media_type = "image/png"
    about = "8-bit colour PNG for the eye, near = bright"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the PNG."""
        description = f"{depth.kind} in the colours of {options.colours}, farthest to nearest"
        encode_png(stream, depth.colour(options.colours, options.limits), labels(description, depth))
