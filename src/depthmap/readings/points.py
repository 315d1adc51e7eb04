"""Points of which distance and focal length are to be found: metres, the camera, and normals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..geometry.recovery import focal_and_shift
from ..transforms import restore

if TYPE_CHECKING:
    from . import Outputs, Scene

Float32 = NDArray[np.float32]


def read_points(outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """Read what `networks.moge` gives.

    A camera that is known is kept, and the distance is found for its focal length. Else the focal length is found, too.
    Where the network says nothing depth is infinite, and normals are NaN.
    """
    named = dict(zip(scene.spec.family.outputs, outputs, strict=True))

    def maps(output: Iterable[Float32]) -> list[Float32]:
        return [restore(each, scene.height, scene.width, scene.spec.family.restored) for each in output]

    x, y, z = maps(named["points"])
    with np.errstate(over="ignore"):
        np.exp(z, out=z)
        x *= z
        y *= z
    valid = (maps([named["mask"]])[0] > 0) & np.isfinite(z)
    half = math.hypot(scene.width, scene.height) / 2
    focal, shift = focal_and_shift(x, y, z, valid, scene.camera.fx / half if scene.camera else None)
    z += np.float32(shift)
    valid &= z > 0
    return {
        "values": np.where(valid, z * named["scale"], np.float32(np.inf)),
        "kind": scene.spec.kind,
        "valid": valid,
        "camera": scene.camera or _camera(focal * half, scene),
        "model_normals": _normals(maps(named["normal"]), valid) if "normal" in named else None,
    }


def _camera(focal: float, scene: Scene) -> Camera:
    return Camera(focal, focal, (scene.width - 1) / 2, (scene.height - 1) / 2, scene.spec.name)


def _normals(right_down_away: Sequence[Float32], valid: NDArray[np.bool_]) -> Float32:
    """Return unit vectors (H, W, 3), x right, y up, z towards the viewer."""
    x, y, z = right_down_away
    length = np.maximum(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
    length[~valid] = np.nan
    vectors = np.empty((*length.shape, 3), np.float32)
    for axis, direction in enumerate((x, -y, -z)):
        np.divide(direction, length, out=vectors[..., axis])
    return vectors
