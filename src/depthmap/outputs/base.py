"""What every output is: a name, an ending, and a way to encode a depth map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import IO, TYPE_CHECKING, Any, ClassVar, TypeAlias

from ..errors import UsageError
from .publishing import Target, publish

if TYPE_CHECKING:  # NumPy is loaded when something is written: commands list the outputs without it
    import numpy as np
    from numpy.typing import NDArray

    from ..images import Picture

    DepthMap: TypeAlias = NDArray[np.float32]

STRAY = 0.001
"""Share of the pixels at either end of the range that a picture for the eye need not show."""
_ROWS = 64  # a block of rows stays in the processor's cache: ten times as fast as the whole map at once


class Output(ABC):
    """One way to write a depth map.

    A new one is a subclass in a module of its own and a line in the table of this package.
    """

    name: ClassVar[str]
    """What users call it."""
    suffix: ClassVar[str]
    """What is appended to a picture's stem to name the file."""
    about: ClassVar[str]
    """One line for listings."""
    needs_picture: ClassVar[bool] = False

    def write(
        self, target: Target, inverse_depth: NDArray[Any], *, picture: Picture | None = None, model: str = ""
    ) -> None:
        """Write a depth map to a path or a binary stream, whole or not at all.

        Parameters
        ----------
        target
            The file's path, whose directory exists, or a stream that is open for writing bytes.
        inverse_depth
            ``(H, W)``, relative inverse depth, larger = nearer. NaN and infinite values are kept by the float
            formats; in pictures NaN is the farthest, and infinite values are the ends of the range.
        picture
            What the depth was estimated from: ``(H, W, 3)``, or anything that :func:`depthmap.images.read`
            takes.
        model
            Name of the model, noted in the file where the format has room for it.

        Raises
        ------
        UsageError
            When ``inverse_depth`` is no map, or the picture is missing or of another size.
        ExportError, InsufficientDiskSpace
            When the target cannot be written.
        """
        if self.needs_picture and picture is None:
            raise UsageError(f"The output {self.name!r} needs the picture", remedy="Give it as picture=...")
        depth = depth_map(inverse_depth)
        publish(target, partial(self.encode, depth=depth, picture=picture, model=model))

    @abstractmethod
    def encode(self, stream: IO[bytes], depth: DepthMap, picture: Picture | None, model: str) -> None:
        """Write a checked ``(H, W)`` float32 map to a binary stream, which may be unable to seek."""


def depth_map(inverse_depth: NDArray[Any]) -> DepthMap:
    """Return the map as contiguous float32 ``(H, W)``, little-endian or native.

    Raises
    ------
    UsageError
        When it is not two-dimensional, empty, or not of numbers.
    """
    import numpy as np

    values = np.asarray(inverse_depth)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiu":
        what = f"A depth map is (H, W) of numbers, not {values.shape} of {values.dtype}"
        raise UsageError(what, remedy="Save the maps of a batch one by one.")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def value_range(depth: DepthMap) -> tuple[float, float]:
    """Return the least and the greatest finite value, NaN twice when there is none."""
    import numpy as np

    low, high = float(depth.min()), float(depth.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = depth[np.isfinite(depth)]
    return (float(finite.min()), float(finite.max())) if finite.size else (float("nan"), float("nan"))


def shown_range(depth: DepthMap) -> tuple[float, float]:
    """Return the range that a picture for the eye shows: that of all values but a thousandth at either end.

    A few stray pixels would else leave nothing of the colours for the rest. Maps of up to a thousand pixels are
    shown whole.
    """
    import numpy as np

    finite = depth[np.isfinite(depth)]
    if not finite.size:
        return float("nan"), float("nan")
    low = np.quantile(finite, STRAY, method="lower")
    high = np.quantile(finite, 1 - STRAY, method="higher")
    return (float(low), float(high)) if high > low else value_range(depth)


def quantised(depth: DepthMap, levels: int, limits: tuple[float, float] | None = None) -> NDArray[np.uint16]:
    """Spread the values over 0 (farthest) to ``levels - 1`` (nearest, at most 65535); constants become 0.

    ``limits`` are the values that become 0 and ``levels - 1``, by default the least and the greatest.
    """
    import numpy as np

    low, high = limits or value_range(depth)
    steps = np.zeros(depth.shape, dtype=np.uint16)
    if not high > low:
        return steps
    for top in range(0, len(depth), _ROWS):
        rows = np.subtract(depth[top : top + _ROWS], low, dtype=np.float64)  # in float32 it might overflow
        rows *= (levels - 1) / (high - low)
        np.nan_to_num(rows, copy=False, nan=0.0)
        steps[top : top + _ROWS] = np.clip(np.rint(rows, out=rows), 0, levels - 1, out=rows)
    return steps
