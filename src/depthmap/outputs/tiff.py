"""TIFF files: the numbers as they are, alone or behind the picture."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING, Any

from .base import Output

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from ..depth import Depth
    from .options import Options

DESCRIPTION, _SOFTWARE = 270, 305  # tags of TIFF 6.0


class Tiff(Output):
    """The values as they are, float32, uncompressed; the tag ImageDescription holds the facts as JSON."""

    name = "tiff"
    suffix = "_depth.tiff"
    media_type = "image/tiff"
    about = "float32 TIFF, the values as they are"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file."""
        stream.write(_pages(depth, depth.masked))


class Rgbd(Output):
    """The picture with its depth inside: a TIFF whose first page is the photo and whose second its depth, float32.

    Programs for pictures show the photo. Both pages carry the facts as JSON.
    """

    name = "rgbd"
    suffix = "_rgbd.tiff"
    media_type = "image/tiff"
    about = "depth in the photo: TIFF of two pages, the second float32"
    needs_picture = True

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file."""
        stream.write(_pages(depth, depth.rgb, depth.masked))


def _pages(depth: Depth, *pages: NDArray[Any]) -> memoryview:
    tags = {DESCRIPTION: json.dumps(depth.facts()), _SOFTWARE: "depthmap"}
    first, *others = [_page(page, tags) for page in pages]
    buffer = io.BytesIO()  # TIFF is written back and forth, which pipes cannot
    first.save(buffer, "TIFF", save_all=True, append_images=others, tiffinfo=tags)
    return buffer.getbuffer()


def _page(pixels: NDArray[Any], tags: dict[int, str]) -> Image.Image:
    from PIL import Image

    page = Image.fromarray(pixels)
    page.encoderinfo = {"tiffinfo": tags}
    return page
