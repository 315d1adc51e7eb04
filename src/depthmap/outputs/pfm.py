"""Portable float maps."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class Pfm(Output):
    """The values as they are, float32 in the portable float map that MiDaS itself and stereo tools use.

    Little-endian, which the negative scale says, and from the bottom row to the top one
    (https://netpbm.sourceforge.net/doc/pfm.html).
    """

    name = "pfm"
    suffix = "_depth.pfm"
    media_type = "image/x-portable-floatmap"
    has_sidecar = True
    about = "float32 portable float map, the values as they are"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file."""
        stream.write(f"Pf\n{depth.width} {depth.height}\n-1.0\n".encode("ascii"))
        stream.write(depth.masked[::-1].astype("<f4", order="C").data)
