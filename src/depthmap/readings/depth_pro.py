"""What Depth Pro gives: inverse depth up to the focal length, and the field of view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..camera import Camera
from ..transforms import restore

if TYPE_CHECKING:
    from . import Outputs, Scene

LIMITS = (1e-4, 1e4)
"""Inverse depth, in 1 / metres, is brought within these: nothing is farther than 10 km."""


def with_field_of_view(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Read metres, and the camera; the camera that the picture itself names comes first.

    Where the network's field of view is that of no camera, the metres are those of an assumed one.
    """
    inverse_depth, degrees = outputs
    camera = scene.camera or camera_of(float(degrees), scene)
    focal = (camera or Camera.assumed(scene.width, scene.height)).focal
    inverse_depth = restore(inverse_depth, scene.height, scene.width, scene.spec.family.restored)
    metres = 1 / (inverse_depth * np.float32(scene.width / focal)).clip(*LIMITS)
    return {"values": metres, "kind": scene.spec.kind, "camera": camera, "per_focal": True}


def camera_of(degrees: float, scene: Scene) -> Camera | None:
    """Return the camera that sees so many degrees across the width of a picture, None where there is none."""
    if not 0 < degrees < 180:
        return None
    return Camera.from_fov(degrees, scene.width, scene.height, scene.spec.name)
