"""16-bit grey PNG over the full range."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output, quantised
from .png import encode_png, labels

if TYPE_CHECKING:
    from ..images import Picture
    from .base import DepthMap


class Png16(Output):
    """Inverse depth as 16-bit grey: 0 is the farthest point of the picture and 65535 the nearest.

    Its text chunks give the model, and ``Minimum`` and ``Maximum``, from which the values come back to within
    half a step: ``Minimum + pixel / 65535 * (Maximum - Minimum)``.
    """

    name = "png16"
    suffix = "_depth.png"
    about = "16-bit grey PNG, near = bright, with the range of values inside"

    def encode(self, stream: IO[bytes], depth: DepthMap, picture: Picture | None, model: str) -> None:
        """Write the PNG."""
        chunks = labels("relative inverse depth, larger = nearer", depth, model)
        chunks["Formula"] = "inverse depth = Minimum + pixel / 65535 * (Maximum - Minimum)"
        encode_png(stream, quantised(depth, 65536), chunks)
