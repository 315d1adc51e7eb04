"""What the outputs of a network mean: numbers in, the fields of a `Depth` out. Pure functions of arrays.

A family of networks names the one that reads its outputs (`families.Family.reading`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..catalog import ModelSpec
from ..transforms import restore
from . import depth_anything_3, depth_pro
from .points import read_points

Outputs = Sequence[NDArray[np.float32]]
"""What a network gives for one picture, in the order of `families.Family.outputs`."""


class Scene(NamedTuple):
    """What is known of a picture besides its pixels: its size in pixels, and what it says of its camera."""

    spec: ModelSpec
    width: int
    height: int
    camera: Camera | None = None


Reading = Callable[[Outputs, Scene], dict[str, Any]]


def read(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Return the fields of a `Depth` that a network's outputs give; maps are of the picture's size."""
    return READINGS[scene.spec.family.reading](outputs, scene)


def _map(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Read one map: depth, or inverse depth."""
    values = restore(outputs[0], scene.height, scene.width, scene.spec.family.restored)
    return {"values": values, "kind": scene.spec.kind, "camera": scene.camera}


READINGS: dict[str, Reading] = {
    "map": _map,
    "points": read_points,
    "camera": depth_anything_3.with_camera,
    "sky": depth_anything_3.with_sky,
    "metric_sky": depth_anything_3.metric_with_sky,
    "field_of_view": depth_pro.with_field_of_view,
}
