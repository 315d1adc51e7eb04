"""Parts of meshes, as the readers of games' formats give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """A part of a mesh, of one material."""

    points: NDArray[np.float32]
    """Vertices (N, 3), y up."""
    uv: NDArray[np.float32]
    """Texture coordinates (N, 2), from the image's lower left."""
    triangles: NDArray[np.int32]
    """Indices (M, 3)."""
    texture: str
    """The name of its image, empty for none."""
    opaque: bool = True
    """The image's alpha cuts nothing out."""
