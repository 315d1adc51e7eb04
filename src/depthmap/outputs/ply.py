"""Points in space."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

from ..extras import Extra
from .base import Output
from .scenes import AXES, painted, scene_facts

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options

_LINE = 1000  # rply, and so Open3D, reads no longer lines than 1023 bytes

_TRIMESH = Extra("trimesh", "3d", "PLY files")


class Ply(Output):
    """A point for each pixel of finite depth, with its colour: binary PLY, coordinates in float32.

    Comments in the header say what the numbers mean, the last as one line of JSON. Without a picture the colours are
    those of the depth.
    """

    needs = _TRIMESH
    name = "ply"
    suffix = "_points.ply"
    media_type = "application/ply"
    about = "coloured points in space, binary PLY"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file."""
        trimesh = _TRIMESH.load()
        cloud = painted(depth, options).points(options.ratio)
        data: bytes = trimesh.exchange.ply.export_ply(trimesh.PointCloud(cloud.xyz, cloud.colours))
        format_line = data.index(b"\n", len(b"ply\n")) + 1
        stream.write(data[:format_line])
        stream.write("".join(f"comment {line}\n" for line in _comments(depth, cloud.units)).encode("ascii"))
        stream.write(memoryview(data)[format_line:])


def _comments(depth: Depth, units: str) -> list[str]:
    facts = scene_facts(depth, units)
    camera = depth.intrinsics
    text = json.dumps(facts)
    if len(text) > _LINE:  # whose name has hundreds of letters
        text = json.dumps({**facts, "picture": {**facts["picture"], "name": ""}})
    return [
        f"{facts['software']}: points of {depth.kind}",
        f"units: {units}",
        f"axes: {AXES}",
        f"camera: fx {camera.fx:g}, fy {camera.fy:g}, cx {camera.cx:g}, cy {camera.cy:g} pixels",
        f"depthmap {text}",
    ]
