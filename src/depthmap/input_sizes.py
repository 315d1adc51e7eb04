"""The size at which a network sees a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import NamedTuple

from .catalog import SIZES, ModelSpec
from .errors import UsageError

THIN = 4
"""How many times the shorter side the longer may be where the shorter is given: road scenes have 3.3 to 1."""


class _Fit(NamedTuple):
    """How a picture is brought to a network's size, before its sides are rounded."""

    scale: float
    """What both sides are multiplied by."""
    least: float = 0
    """A side that would be rounded to less than this is rounded up."""
    most: float = math.inf
    """A side that would be rounded to more than this is rounded down."""


def _minimal(size: int, w: int, h: int, multiple: int) -> _Fit:
    # the scale of the height or of the width, whichever is nearer to 1; the first where they tie
    return _Fit(min((size / h, size / w), key=lambda scale: abs(1 - scale)))


def _upper_bound(size: int, w: int, h: int, multiple: int) -> _Fit:
    return _Fit(min(size / h, size / w), most=size)


def _lower_bound(size: int, w: int, h: int, multiple: int) -> _Fit:
    scale, most = max(size / h, size / w), THIN * size
    if scale * max(w, h) > most:  # a thin picture, which would become huge
        return _Fit(most / max(w, h), most=most)
    return _Fit(scale, least=size, most=most)


def _area(size: int, w: int, h: int, multiple: int) -> _Fit:
    area = size * size * 3 // 4
    # a picture so thin that one side is rounded up to a multiple shall not have more pixels for it
    return _Fit(math.sqrt(area / (w * h)), most=area // multiple)


def _square(size: int, w: int, h: int, multiple: int) -> _Fit:
    return _Fit(max(size / h, size / w), most=size)


_RULES: dict[str, Callable[[int, int, int, int], _Fit]] = {
    "minimal": _minimal,
    "upper_bound": _upper_bound,
    "lower_bound": _lower_bound,
    "area": _area,
    "square": _square,
}


def rounded_size(size: int, multiple: int = 1) -> int:
    """Return the longer side of a network's input that is nearest to ``size`` pixels: a multiple of ``multiple``.

    Raises
    ------
    UsageError
        When it is no whole number within `catalog.SIZES`.
    """
    least, most = SIZES
    if not isinstance(size, Integral) or isinstance(size, bool) or not least <= size <= most:
        raise UsageError(
            f"A network cannot be made to see pictures at this size, in pixels: {size!r}",
            "size",
            f"Give a whole number from {least} to {most}, or none: then each network has the size it was trained at.",
        )
    return _rounded(float(size), _Fit(1, most=most), multiple)


def at_size(spec: ModelSpec, size: int | None) -> ModelSpec:
    """Return what `prepare` needs to bring the longer side of pictures to ``size``, rounded to the network's multiple.

    None leaves the size to the spec.

    Raises
    ------
    UsageError
        As `rounded_size` does, and when the network takes another size only.
    """
    fixed = spec.family.fixed
    if size is None or size == fixed:
        return spec
    if fixed:
        raise UsageError(
            f"{spec.name} sees every picture as a square of {fixed} pixels, and cannot at {size}",
            "size",
            f"Leave out the size, or give {fixed}; or use a model whose size can be chosen.",
        )
    return replace(spec, input_size=rounded_size(size, spec.family.multiple), resize="upper_bound")


def network_size(width: int, height: int, spec: ModelSpec) -> tuple[int, int]:
    """Return the size at which a network sees a picture.

    The aspect is kept but for the rounding of each side to a multiple of ``spec.family.multiple``, half to even; by
    the rule ``"square"`` it is not.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels, 1 or more.
    spec : ModelSpec
        Gives the input size and the resize rule.

    Returns
    -------
    tuple of int
        Width and height, multiples of ``spec.family.multiple`` and never less.

    Raises
    ------
    UsageError
        When the picture is empty.

    Notes
    -----
    Follows ``midas/transforms.py`` of the official code, which gives 0 for very thin pictures; here that is one
    multiple. By the rule ``"lower_bound"`` the official code makes a thin picture as long as its aspect asks for;
    here the longer side ends at four times the input size, and the shorter gives way.
    """
    if width < 1 or height < 1:
        raise UsageError(f"A picture of {width} × {height} pixels is empty")
    multiple = spec.family.multiple
    fit = _fit(width, height, spec)
    rounded = _ROUNDED.get(spec.family.prepared, _rounded)
    return rounded(fit.scale * width, fit, multiple), rounded(fit.scale * height, fit, multiple)


def whole_size(width: int, height: int, spec: ModelSpec) -> tuple[int, int]:
    """Return the width and height in whole pixels, before they are rounded to the network's multiples."""
    scale = _fit(width, height, spec).scale
    return _whole(scale * width), _whole(scale * height)


def _fit(width: int, height: int, spec: ModelSpec) -> _Fit:
    return _RULES[spec.resize](spec.input_size, width, height, spec.family.multiple)


def _rounded(side: float, fit: _Fit, multiple: int) -> int:
    """Round to a multiple, to the other side where the nearest is out of bounds; never to less than one."""
    rounded = round(side / multiple) * multiple
    if rounded > fit.most:
        rounded = int(min(side, fit.most) // multiple) * multiple
    elif rounded < fit.least:
        rounded = math.ceil(side / multiple) * multiple
    return max(rounded, multiple)


def _rounded_twice(side: float, fit: _Fit, multiple: int) -> int:
    """Round to whole pixels, then to the nearest multiple, the larger where two are as near; never to less than one."""
    return max((_whole(side) + multiple // 2) // multiple * multiple, multiple)


def _whole(side: float) -> int:
    return max(round(side), 1)


_ROUNDED: dict[str, Callable[[float, _Fit, int], int]] = {"bytes": _rounded_twice}
"""How the sides of its input are rounded for a network that has a way of its own, by `families.Family.prepared`."""
