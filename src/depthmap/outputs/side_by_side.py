"""The picture and its depth in one file."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from ..errors import UsageError
from .base import Output
from .colour import DEFAULT_MAP, coloured
from .png import encode_png, labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..images import Picture
    from .base import DepthMap


class SideBySide(Output):
    """An 8-bit RGB PNG: the picture on the left, its depth in colours on the right."""

    name = "side-by-side"
    suffix = "_side.png"
    about = "8-bit colour PNG: the picture on the left, its depth on the right"
    needs_picture = True

    def __init__(self, colours: str = DEFAULT_MAP) -> None:
        self.colours = colours

    def encode(self, stream: IO[bytes], depth: DepthMap, picture: Picture | None, model: str) -> None:
        """Write the PNG."""
        import numpy as np

        left = _uint8(picture)
        if left.shape[:2] != depth.shape:
            what = f"The picture is {left.shape[:2]} and the depth map {depth.shape} (height, width)"
            raise UsageError(what, remedy="Give both at one size.")
        description = (
            f"picture | relative inverse depth in the colours of {self.colours}, farthest to nearest"
        )
        pixels = np.concatenate([left, coloured(depth, self.colours)], axis=1)
        encode_png(stream, pixels, labels(description, depth, model))


def _uint8(picture: Picture) -> NDArray[np.uint8]:
    import numpy as np

    from ..images import read

    pixels = read(picture)
    if pixels.dtype == np.float32:
        pixels = np.rint(pixels * np.float32(255))
    return pixels.astype(np.uint8)
