"""The camera that took a picture: a pinhole with its intrinsics in pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import UsageError

ASSUMED_FOV = 60.0
"""Degrees across the longer side of a picture whose camera nobody knows: a lens of 31 mm in 35 mm terms."""
ASSUMED = "assumed"
"""The source of such a camera."""
_FRAME = math.hypot(36, 24)
"""Diagonal of the 35 mm frame in millimetres."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: focal lengths and principal point, in pixels of the picture that it took.

    Pixel centres have whole coordinates, as in OpenCV: the centre of the top left pixel is (0, 0), so the principal
    point of a camera that looks at the middle of a picture is ((width - 1) / 2, (height - 1) / 2).

    Parameters
    ----------
    fx, fy : float
        Focal lengths in pixels, above 0.
    cx, cy : float
        The principal point in pixels.
    source : str
        Where this is known from, such as "EXIF", "--fov", the name of a model, or "assumed".

    Raises
    ------
    UsageError
        When a number is not finite, or a focal length not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "given"

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(number) for number in numbers) or self.fx <= 0 or self.fy <= 0:
            raise UsageError(
                f"A camera cannot have fx, fy, cx, cy = {numbers}",
                remedy="Give finite numbers, and focal lengths above 0.",
            )

    @classmethod
    def from_fov(cls, degrees: float, width: int, height: int, source: str = "given") -> Camera:
        """Return the camera that sees so many degrees across the width of a picture.

        Raises
        ------
        UsageError
            When the angle does not lie between 0 and 180 degrees.
        """
        half = math.tan(math.radians(degrees) / 2)
        if not 0 < degrees < 180 or half == 0:  # so small that it is no number above 0
            raise UsageError(
                "A field of view lies between 0 and 180 degrees", degrees, "Photos have some 30 to 100."
            )
        return cls._centred(width / 2 / half, width, height, source)

    @classmethod
    def from_focal(cls, millimetres: float, width: int, height: int, source: str = "given") -> Camera:
        """Return the camera whose focal length in 35 mm terms is so many millimetres.

        The equivalent is that of the diagonals (CIPA DCG-001), as in Apple's Depth Pro: a picture's diagonal stands
        for the 43.3 mm of the 35 mm frame.

        Raises
        ------
        UsageError
            When the focal length is not positive.
        """
        if not millimetres > 0:
            raise UsageError("A focal length is above 0 mm", millimetres, "Phones have some 13 to 120.")
        return cls._centred(millimetres * math.hypot(width, height) / _FRAME, width, height, source)

    @classmethod
    def assumed(cls, width: int, height: int) -> Camera:
        """Return a usual camera for a picture of which nothing is known: 60 degrees across the longer side."""
        focal = max(width, height) / 2 / math.tan(math.radians(ASSUMED_FOV) / 2)
        return cls._centred(focal, width, height, ASSUMED)

    @classmethod
    def _centred(cls, focal: float, width: int, height: int, source: str) -> Camera:
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2, source)

    @property
    def is_assumed(self) -> bool:
        """Whether nobody knows this camera: see `assumed`."""
        return self.source == ASSUMED

    def fov(self, width: int) -> float:
        """Return the degrees across the width of a picture of so many pixels."""
        left, right = (self.cx + 0.5) / self.fx, (width - 0.5 - self.cx) / self.fx
        return math.degrees(math.atan(left) + math.atan(right))

    @property
    def focal(self) -> float:
        """The focal length in pixels: the mean of both."""
        return (self.fx + self.fy) / 2

    def as_dict(self) -> dict[str, Any]:
        """Return the camera as builtins, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Camera:
        """Rebuild a camera from `as_dict`.

        Raises
        ------
        UsageError
            When something is missing or no number.
        """
        try:
            fx, fy, cx, cy = (float(data[key]) for key in ("fx", "fy", "cx", "cy"))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"This is no camera: {error!r}", remedy="Give fx, fy, cx and cy in pixels."
            ) from error
        return cls(fx, fy, cx, cy, str(data.get("source", "given")))
