"""PNG files that say what they are."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING, Any

from ..ranges import value_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..depth import Depth

# For smooth 16-bit maps level 2 takes a fifth of the time of Pillow's level 6, for files 13 % larger.
_LEVEL = 2


def encode_png(stream: IO[bytes], pixels: NDArray[Any], labels: dict[str, str]) -> None:
    """Write ``(H, W)`` uint16 or ``(H, W, 3)`` uint8 pixels, with ``labels`` as text chunks."""
    from PIL import Image, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    for key, value in labels.items():
        text.add_text(key, value.replace("\0", ""))
    buffer = io.BytesIO()  # written to a file directly, Pillow would hide why the file system refused
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text, compress_level=_LEVEL)
    stream.write(buffer.getbuffer())


def labels(description: str, depth: Depth, limits: tuple[float, float] | None = None) -> dict[str, str]:
    """Return the text chunks that all our PNG files carry.

    ``Minimum`` and ``Maximum`` are those of inverse depth, or the ``limits`` that the pixels span.
    """
    low, high = limits or value_range(depth.inverse_depth)
    return {
        "Software": "depthmap",
        "Description": description,
        "Model": depth.model or "unknown",
        "Minimum": repr(low),
        "Maximum": repr(high),
        "depthmap": json.dumps({**depth.facts(), "pixels": description}),
    }
