"""NumPy files."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from .base import Output

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options


class Npy(Output):
    """The values as they are, float32, for ``numpy.load``."""

    name = "npy"
    suffix = "_depth.npy"
    media_type = "application/x-npy"
    has_sidecar = True
    about = "float32 NumPy array, the values as they are"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file; unlike ``numpy.save`` this works on pipes and copies nothing."""
        from numpy.lib import format as npy

        npy.write_array_header_1_0(stream, npy.header_data_from_array_1_0(depth.masked))
        stream.write(depth.masked.data)
