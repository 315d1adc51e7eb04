"""Files of depth from other programs: which one wrote a file that says nothing of itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .content import Content


class Guess(NamedTuple):
    """Which program a file seems to be from, what its values are, and which of them are near."""

    program: str
    kind: str
    nearest: str


_STRIP = 50  # white columns that Depth Anything puts between photo and depth
_NEAR_IS_LARGE, _NEAR_IS_SMALL = "largest value", "smallest value"
_RELATIVE, _RELATIVE_DEPTH, _METRES = "relative inverse depth", "relative depth", "metric depth"


def guess(path: Path, content: Content) -> Guess | None:
    """Return where a file without facts seems to be from; None when nothing tells."""
    return next((guess for test, guess in _STRANGERS if test(path, content)), None)


def _is(content: Content, format_: str, dtype: str = "", channels: int | None = None) -> bool:
    values = content.values
    if values is None or not content.format.startswith(format_) or (dtype and values.dtype != dtype):
        return False
    return channels is None or (values.shape[2] if values.ndim == 3 else 1) == channels


def _spans(content: Content, low: float, high: float) -> bool:
    return content.low == low and content.high == high


def _keys(content: Content, *names: str) -> bool:
    return set(names) <= set(content.hints.get("names", ()))


def _has_strip(content: Content) -> bool:
    """Tell whether a white strip stands in the middle, between a picture and its depth of the same width."""
    values = content.values
    if values is None or values.ndim != 3 or values.shape[1] <= _STRIP or values.shape[1] % 2:
        return False
    left = (values.shape[1] - _STRIP) // 2
    rows = values[len(values) // 4 :]  # the first version has captions above
    strip, beside = rows[:, left : left + _STRIP], rows[:, [left - 1, left + _STRIP]]
    return bool((strip == 255).all() and not (beside == 255).all())


def _is_grey(content: Content) -> bool:
    values = content.values
    if values is None or values.dtype != np.uint8:
        return False
    return values.ndim == 2 or bool((values[..., :3] == values[..., :1]).all())


def _may_be_metres(content: Content) -> bool:
    """Tell whether 16-bit values are metres × 256 as far as a room or a street goes, from 0.1 m to 100 m."""
    low, high = content.low, content.high
    return low is not None and high is not None and low >= 26 and 256 <= high <= 25600


_STRANGERS: tuple[tuple[Callable[[Path, Content], bool], Guess], ...] = (
    (
        lambda path, c: _is(c, "PFM", channels=1) and c.hints.get("scale") in ("-1.000000", "1.000000"),
        Guess("MiDaS", _RELATIVE, _NEAR_IS_LARGE),
    ),
    (
        lambda path, c: _is(c, "NPY") and path.stem.endswith("_raw_depth_meter"),
        Guess("Depth Anything V2, metric", _METRES, _NEAR_IS_SMALL),
    ),
    (
        lambda path, c: _is(c, "NPY", "float32") and path.stem.endswith("_pred") and _spans(c, 0, 1),
        Guess("Marigold", _RELATIVE_DEPTH, _NEAR_IS_SMALL),
    ),
    (
        lambda path, c: _is(c, "PNG", "uint16") and path.stem.endswith("_pred") and _spans(c, 0, 65535),
        Guess("Marigold", _RELATIVE_DEPTH, _NEAR_IS_SMALL),
    ),
    (
        lambda path, c: _is(c, "NPZ") and _keys(c, "depth", "extrinsics", "intrinsics"),
        Guess("Depth Anything 3", "depth, metric with a metric model", _NEAR_IS_SMALL),
    ),
    (
        lambda path, c: _is(c, "NPZ", "float32") and c.hints.get("names") == ["depth"],
        Guess("Depth Pro", _METRES, _NEAR_IS_SMALL),
    ),
    (
        lambda path, c: _is(c, "PNG", "uint16", 1) and _spans(c, 0, 65535),
        Guess("MiDaS or one of its kin, 16-bit", _RELATIVE, _NEAR_IS_LARGE),
    ),
    (
        lambda path, c: _is(c, "PNG", "uint16", 1) and _may_be_metres(c),
        Guess("ZoeDepth, 16-bit", "metric depth, metres × 256", _NEAR_IS_SMALL),
    ),
    (
        lambda path, c: _is(c, "PNG", "uint8") and _has_strip(c),
        Guess("Depth Anything, the photo beside its depth", f"picture of {_RELATIVE}", _NEAR_IS_LARGE),
    ),
    (
        lambda path, c: _is(c, "PNG", "uint8") and _is_grey(c) and _spans(c, 0, 255),
        Guess("Depth Anything, 8-bit grey", _RELATIVE, _NEAR_IS_LARGE),
    ),
)
"""What tells a program's files, the most certain first; the first that holds counts.

The facts are those of the programs' own scripts: ``write_pfm`` and ``write_depth`` of MiDaS's utils.py, run.py of Depth
Anything V1 and V2 (a white strip of 50 columns), ``save_raw_16bit`` of ZoeDepth (metres × 256), Marigold's
``depth_npy`` and ``depth_bw`` ([0, 1], far = 1), cli/run.py of Depth Pro (``depth`` in metres).
"""
