"""Portable float maps."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output

if TYPE_CHECKING:
    from ..images import Picture
    from .base import DepthMap


class Pfm(Output):
    """The values as they are, float32 in the portable float map that MiDaS itself and stereo tools use.

    Little-endian, which the negative scale says, and from the bottom row to the top one
    (https://netpbm.sourceforge.net/doc/pfm.html).
    """

    name = "pfm"
    suffix = "_depth.pfm"
    about = "float32 portable float map, the values as they are"

    def encode(self, stream: IO[bytes], depth: DepthMap, picture: Picture | None, model: str) -> None:
        """Write the file."""
        height, width = depth.shape
        stream.write(f"Pf\n{width} {height}\n-1.0\n".encode("ascii"))
        stream.write(depth[::-1].astype("<f4", order="C").data)
