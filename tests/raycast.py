"""A room of known geometry, seen by a known camera: what depth in 3D is compared with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from depthmap.camera import Camera
from depthmap.depth import Depth

FLOOR, BACK, LEFT, BOX, SPHERE = range(5)
PLANES = ((FLOOR, (0, 1, 0), -1.3), (BACK, (0, 0, 1), -7), (LEFT, (1, 0, 0), -2.6))
"""Which object, its normal, and where the plane is along it."""
TURN = np.radians(25)
BOX_MIDDLE, BOX_HALF = np.array([0.7, -0.9, -4.2]), np.array([0.6, 0.4, 0.5])
SPHERE_MIDDLE, SPHERE_RADIUS = np.array([-0.6, 0.1, -3.2]), 0.55


class Room(NamedTuple):
    """Per pixel (H, W): metres along the axis, which object, its normal, the point, and a picture."""

    metres: np.ndarray
    objects: np.ndarray
    normals: np.ndarray
    points: np.ndarray
    picture: np.ndarray
    camera: Camera

    def depth(self, scale: float = 37.0, shift: float = -3.0) -> Depth:
        """Give the inverse depth that a perfect network would: up to a scale and a shift that nobody is told."""
        inverse = scale / self.metres + shift
        return Depth(inverse.astype(np.float32), camera=self.camera, pixels=self.picture, name="room.png")

    def calibrated(self) -> Depth:
        """Give it with a calibration by three pixels whose metres somebody measured."""
        height, width = self.metres.shape
        known = [(width // 2, height - 1), (width - 1, 0), (width // 3, height // 2)]
        return self.depth().calibrated({(x, y): float(self.metres[y, x]) for x, y in known})

    def near_an_edge(self) -> np.ndarray:
        """Tell which pixels have another object, or another side of it, within one pixel."""
        side = self.objects * 1000 + np.rint(self.normals @ [7, 31, 101]).astype(int) * (
            self.objects != SPHERE
        )
        padded = np.pad(side, 1, mode="edge")
        rows, columns = side.shape
        around = [padded[r : r + rows, c : c + columns] for r in range(3) for c in range(3)]
        return np.any([other != side for other in around], axis=0)


def room(
    width: int = 160, height: int = 120, fov: float = 65.0, eye: float = 0.0, sharp: float = 0.0
) -> Room:
    """See the room, from ``eye`` metres to the right, where a point ``sharp`` metres away stays at its pixel."""
    camera = Camera.from_fov(fov, width, height)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    moved = columns - (camera.fx * eye / sharp if sharp else 0)
    rays = np.stack(
        [(moved - camera.cx) / camera.fx, (camera.cy - rows) / camera.fy, np.full(rows.shape, -1.0)], axis=-1
    )
    start = np.array([eye, 0, 0])
    hits = [_plane(rays, np.array(normal, float), at, start) for _, normal, at in PLANES]
    hits += [_box(rays, start), _sphere(rays, start)]
    distances = np.stack([distance for distance, _ in hits])
    objects, metres = distances.argmin(axis=0), distances.min(axis=0)
    normals = np.take_along_axis(np.stack([n for _, n in hits]), objects[None, ..., None], axis=0)[0]
    points = rays * metres[..., None]
    colours = np.array([[150, 120, 90], [90, 120, 150], [160, 160, 120], [200, 60, 40], [60, 160, 60]])
    light = 0.5 + 0.3 * np.abs(normals @ [0.4, 0.8, 0.45]) + 0.2 * np.sin((points + start) @ [9, 7, 5])
    picture = np.clip(colours[objects] * light[..., None], 0, 255).astype(np.uint8)
    return Room(metres, objects, normals, points, picture, camera)


def _plane(
    rays: np.ndarray, normal: np.ndarray, at: float, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore"):
        distance = (at - normal @ start) / (rays @ normal)
    return np.where(distance > 0, distance, np.inf), np.broadcast_to(normal, rays.shape)


def _box(rays: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turn = np.array([[np.cos(TURN), 0, np.sin(TURN)], [0, 1, 0], [-np.sin(TURN), 0, np.cos(TURN)]])
    inside, middle = rays @ turn, (BOX_MIDDLE - start) @ turn
    with np.errstate(divide="ignore"):
        enter = (middle - np.sign(inside) * BOX_HALF) / inside
        leave = (middle + np.sign(inside) * BOX_HALF) / inside
    side = enter.argmax(axis=-1)
    hit = (enter.max(axis=-1) < leave.min(axis=-1)) & (enter.max(axis=-1) > 0)
    normal = np.take_along_axis(-np.sign(inside), side[..., None], axis=-1) * np.eye(3)[side]
    return np.where(hit, enter.max(axis=-1), np.inf), normal @ turn.T


def _sphere(rays: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = SPHERE_MIDDLE - start
    a, b = (rays**2).sum(axis=-1), rays @ middle
    root = b**2 - a * (middle @ middle - SPHERE_RADIUS**2)
    distance = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    points = rays * np.where(root > 0, distance, 1)[..., None]
    return distance, (points - middle) / SPHERE_RADIUS
