"""16-bit grey PNG over the full range."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from ..ranges import quantised
from .base import Output
from .png import encode_png, labels

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class Png16(Output):
    """Inverse depth as 16-bit grey: 0 is the farthest point of the picture and 65535 the nearest.

    Its text chunks give the model, and ``Minimum`` and ``Maximum``, from which the values come back to within
    half a step: ``Minimum + pixel / 65535 * (Maximum - Minimum)``.
    """

    name = "png16"
    suffix = "_depth.png"
    media_type = "image/png"
    about = "16-bit grey PNG, near = bright, with the value range inside"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the PNG."""
        from ..depth import METRIC, RELATIVE_INVERSE

        meaning = "inverse depth in 1 / metres" if depth.kind == METRIC else RELATIVE_INVERSE
        chunks = labels(f"{meaning}, larger = nearer", depth, options.limits)
        chunks["Formula"] = "inverse depth = Minimum + pixel / 65535 * (Maximum - Minimum)"
        encode_png(stream, quantised(depth.inverse_depth, 65536, options.limits), chunks)
