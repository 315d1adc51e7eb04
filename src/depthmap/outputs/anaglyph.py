"""Anaglyphs."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output
from .png import encode_png
from .stereo import stereo_labels

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class Anaglyph(Output):
    """What both eyes see in one picture, for glasses that are red on the left and cyan on the right.

    Colours are mixed by E. Dubois's least-squares matrices: each eye sees little of what is meant for the other.
    """

    name = "anaglyph"
    suffix = "_anaglyph.png"
    media_type = "image/png"
    about = "8-bit RGB PNG for red-cyan glasses"
    needs_picture = True

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the PNG."""
        from ..geometry import anaglyph

        pixels = anaglyph(depth.stereo(options.eyes))
        encode_png(
            stream, pixels, stereo_labels("red-cyan anaglyph (Dubois), red = left eye", depth, options)
        )
