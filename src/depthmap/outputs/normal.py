"""Normal maps."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output
from .png import encode_png, labels

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options

_CONVENTION = (
    "OpenGL: (red, green, blue) / 127.5 - 1 = (x, y, z), x right, y up, z towards the viewer; "
    "128, 128, 255 faces the viewer; 128, 128, 128 is unknown"
)


class Normal(Output):
    """Which way each pixel's surface faces: an 8-bit RGB PNG, as Blender, Unity and other renderers take it.

    Red is x to the right, green y up, blue z towards the viewer, from -1 (0) to 1 (255).
    """

    name = "normal"
    suffix = "_normal.png"
    media_type = "image/png"
    about = "normal map, 8-bit RGB PNG, OpenGL convention"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the PNG."""
        import numpy as np

        normals = np.nan_to_num(depth.normals(options.ratio), copy=False, nan=0.0)
        pixels = np.rint(normals * np.float32(127.5) + np.float32(127.5)).astype(np.uint8)
        chunks = labels("normal map", depth)
        chunks["Convention"] = _CONVENTION
        chunks["Units"] = depth.distances(options.ratio)[1]
        encode_png(stream, pixels, chunks)
