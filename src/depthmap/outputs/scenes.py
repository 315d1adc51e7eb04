"""What the outputs of points and of meshes share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options

AXES = "x right, y up, z towards the viewer; the camera stands at the origin"


def painted(depth: Depth, options: Options) -> Depth:
    """Return the depth with a picture: its own, else its depth in colours."""
    return depth if depth.pixels is not None else replace(depth, pixels=depth.colour(options.colours))


def scene_facts(depth: Depth, units: str) -> dict[str, Any]:
    """Return the facts of a depth, and which units and axes the coordinates have."""
    return {"coordinates": units, "axes": AXES, **depth.facts()}
