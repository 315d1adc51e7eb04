"""Colour pictures of depth."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output, quantised, shown_range
from .colour_maps import colour_table
from .png import encode_png, labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..images import Picture
    from .base import DepthMap

DEFAULT_MAP = "inferno"


class Colour(Output):
    """An 8-bit RGB PNG for the eye, near = bright; ``colours`` names one of the colour maps."""

    name = "colour"
    suffix = "_colour.png"
    about = "8-bit colour PNG for the eye, near = bright"

    def __init__(self, colours: str = DEFAULT_MAP) -> None:
        self.colours = colours

    def encode(self, stream: IO[bytes], depth: DepthMap, picture: Picture | None, model: str) -> None:
        """Write the PNG."""
        description = f"relative inverse depth in the colours of {self.colours}, farthest to nearest"
        encode_png(stream, coloured(depth, self.colours), labels(description, depth, model))


def coloured(depth: DepthMap, colours: str = DEFAULT_MAP) -> NDArray[np.uint8]:
    """Return a map ``(H, W)`` as ``(H, W, 3)`` sRGB, uint8; see `shown_range` for what its colours span.

    Raises
    ------
    UsageError
        When no colour map has that name.
    """
    return colour_table(colours).take(quantised(depth, 256, shown_range(depth)), axis=0)
