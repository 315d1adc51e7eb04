"""From relative inverse depth to metres: scale and shift, and how known distances give them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError


@dataclass(frozen=True)
class Calibration:
    """Scale and shift of relative inverse depth: ``1 / metres = shift + scale * inverse depth``.

    Parameters
    ----------
    scale : float
        Above 0, since larger inverse depth is nearer.
    shift : float
        What a point of inverse depth 0 has in 1 / metres.
    source : str
        Where it is known from, such as "2 points" or a file's name.

    Raises
    ------
    UsageError
        When a number is not finite, or the scale not positive.
    """

    scale: float
    shift: float
    source: str = "given"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and math.isfinite(self.shift)) or self.scale <= 0:
            raise UsageError(
                f"A calibration cannot have scale {self.scale} and shift {self.shift}",
                remedy="Give finite numbers, and a scale above 0: larger inverse depth is nearer.",
            )

    def metres(self, inverse_depth: NDArray[Any]) -> NDArray[np.float32]:
        """Return metres, float32, in the shape given: infinite where inverse depth is at or beyond infinity."""
        inverse = np.asarray(inverse_depth, np.float64) * self.scale + self.shift
        with np.errstate(divide="ignore"):
            metres: NDArray[np.float32] = np.where(inverse <= 0, np.inf, 1 / inverse).astype(np.float32)
        return metres

    def as_dict(self) -> dict[str, Any]:
        """Return the calibration as builtins, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Rebuild a calibration from `as_dict`.

        Raises
        ------
        UsageError
            When something is missing or no number.
        """
        try:
            scale, shift = float(data["scale"]), float(data["shift"])
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"This is no calibration: {error!r}", remedy="Give scale and shift, as numbers."
            ) from error
        return cls(scale, shift, str(data.get("source", "given")))


def fit(inverse_depths: NDArray[Any], metres: NDArray[Any]) -> Calibration:
    """Return the calibration that fits points of known distance best: least squares of the relative errors.

    Parameters
    ----------
    inverse_depths : array
        (N,), relative inverse depth of at least two points.
    metres : array
        (N,), their distances along the optical axis, above 0; infinite ones are points on the horizon or in the sky.

    Raises
    ------
    UsageError
        When there are fewer than two points, or they do not tell scale and shift.

    Notes
    -----
    The scale-and-shift alignment of MiDaS (Ranftl et al. 2020, section 5), in inverse depth; each point weighs as much
    as it is far, so that 10 % count as much at 8 m as at 1 m. Infinite ones weigh as the farthest of the others.
    """
    d, metres = np.asarray(inverse_depths, np.float64), np.asarray(metres, np.float64)
    if len(d) < 2 or not d.max() > d.min():
        raise UsageError(
            "The points do not tell scale and shift: they are fewer than two, or equally near",
            remedy="Give two points at clearly different distances, or one and how far the farthest is.",
        )
    weights = np.minimum(metres, metres[np.isfinite(metres)].max(initial=1e-9))
    scale, shift = np.polyfit(d, 1 / metres, 1, w=weights)
    if not scale > 0:
        raise UsageError(
            "The points contradict the depth map: what is nearer in it is said to be farther",
            remedy="Check which distance belongs to which point.",
        )
    return Calibration(float(scale), float(shift), f"{len(d)} points")
