"""What Depth Anything 3 gives of one view: depth up to a scale or in metres, the sky, the camera.

The official code leaves the maps at the size of the network's input. Here they are brought to the size of the picture
by linear interpolation, with the borders of both coinciding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..families import SKY
from ..transforms import restore

if TYPE_CHECKING:
    from . import Outputs, Scene

Float32 = NDArray[np.float32]

FEWEST = 10
"""With so many pixels or fewer of the sky, or of the rest, nothing is filled."""
FAR = 0.99
"""The share of the other pixels that is nearer than the sky is made."""
CANONICAL = 300
"""Focal length in pixels of the network's input for which the metric network's numbers are metres."""
_TALL, _WIDE = 7, 8
"""Where the camera says its fields of view across the height and the width."""


def sky_filled(depth: Float32, sky: Float32) -> Float32:
    """Return depth with the sky made as far as almost all else, since a network guesses anything there.

    Parameters
    ----------
    depth, sky : array
        What the network gave, float32 (h, w): larger = farther, and sky where it is 0.3 or more.

    Returns
    -------
    array
        Float32 (h, w): the sky at the 99th percentile of the depth elsewhere. The official code takes it of 100,000
        pixels drawn at random where there are more; here it is always that of all.
    """
    is_sky = sky >= SKY
    count = np.count_nonzero(is_sky)
    if min(count, is_sky.size - count) <= FEWEST:
        return depth
    return np.where(is_sky, np.quantile(depth[~is_sky], FAR), depth).astype(np.float32)


def camera_of(numbers: Float32, width: int, height: int, source: str) -> Camera | None:
    """Return the camera of a picture that a network saw.

    Parameters
    ----------
    numbers : array
        Float32 (9,): place, quaternion, and the fields of view across the height and the width in radians.
    width, height : int
        Size of the picture in pixels.
    source : str
        What the camera says of where it is known from.

    Returns
    -------
    Camera or None
        None where no camera has these fields of view.
    """
    tall, wide = float(numbers[_TALL]), float(numbers[_WIDE])
    if not (0 < tall < math.pi and 0 < wide < math.pi):
        return None
    fx, fy = width / 2 / math.tan(wide / 2), height / 2 / math.tan(tall / 2)
    return Camera(fx, fy, (width - 1) / 2, (height - 1) / 2, source)


def with_camera(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Read depth, confidence and camera; the camera that the picture itself names comes first."""
    depth, _, numbers = outputs
    camera = scene.camera or camera_of(numbers, scene.width, scene.height, scene.spec.name)
    return {"values": _restored(depth, scene), "kind": scene.spec.kind, "camera": camera}


def with_sky(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Read depth and sky: depth up to a scale, the sky filled."""
    depth = sky_filled(outputs[0], outputs[1])
    return {"values": _restored(depth, scene), "kind": scene.spec.kind, "camera": scene.camera}


def metric_with_sky(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Read depth and sky: metres, by the focal length of the picture's camera or of an assumed one."""
    read = with_sky(outputs, scene)
    camera = scene.camera or Camera.assumed(scene.width, scene.height)
    rows, columns = outputs[0].shape
    shrunk = (columns / scene.width + rows / scene.height) / 2
    return {
        **read,
        "values": read["values"] * np.float32(camera.focal * shrunk / CANONICAL),
        "per_focal": True,
    }


def _restored(values: Float32, scene: Scene) -> Float32:
    return restore(values, scene.height, scene.width, scene.spec.family.restored)
