"""Parts of meshes, as the readers of games' formats give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """A part of a mesh, of one material."""

    points: NDArray[np.float32]
    """Vertices (N, 3), in metres or what the game takes for them."""
    uv: NDArray[np.float32]
    """Texture coordinates (N, 2), from the image's lower left."""
    triangles: NDArray[np.int32]
    """Indices (M, 3)."""
    texture: str
    """The name of its image, empty for none."""
    opaque: bool = True
    """The image's alpha cuts nothing out."""


def joined(parts: Sequence[Part]) -> Part:
    """Return parts with the texture of the first as one."""
    starts = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
    triangles = [part.triangles + start for part, start in zip(parts, starts, strict=True)]
    points, uv = (np.concatenate([getattr(part, name) for part in parts]) for name in ("points", "uv"))
    return replace(parts[0], points=points, uv=uv, triangles=np.concatenate(triangles).astype(np.int32))


def z_up(part: Part) -> Part:
    """Return a part, y up and right-handed, with z up."""
    return replace(part, points=part.points[:, [0, 2, 1]] * np.array((1, -1, 1), np.float32))
