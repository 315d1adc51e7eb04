"""OpenEXR files, for Blender, Nuke and other programs of film."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING

from ..extras import Extra
from .base import Output

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options

OPENEXR = Extra("OpenEXR", "exr", "EXR files")


class Exr(Output):
    """The values as they are, float32, packed without loss.

    Metres are in the channel Z, which compositors take for depth; relative values are in Y, which is shown as grey.
    The attribute ``depthmap`` holds the facts as JSON, ``comments`` a sentence.
    """

    needs = OPENEXR
    name = "exr"
    suffix = "_depth.exr"
    media_type = "image/x-exr"
    about = "float32 OpenEXR, the values as they are"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file."""
        from ..depth import METRIC

        exr = OPENEXR.load()
        header = {
            "compression": exr.ZIP_COMPRESSION,
            "type": exr.scanlineimage,
            "comments": depth.meaning,
            "depthmap": json.dumps(depth.facts()),
        }
        channels = {"Z" if depth.kind == METRIC else "Y": depth.masked}
        buffer = io.BytesIO()  # EXR is written back and forth, which pipes cannot
        exr.File(header, channels).write(buffer)
        stream.write(buffer.getbuffer())
