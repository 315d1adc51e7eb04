"""How long a fresh process takes from its start to its first depth map, the files' pages in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .. import page_cache, ways
from ..bench import Bench, clean
from ..material import EMBEDDED, LARGE
from ..processes import until_end
from ..series import Series, alternate, series

MODELS = (LARGE, "MiDaS_small", EMBEDDED)
COMMAND = "depthmap predict"


def measure(bench: Bench) -> list[Series]:
    """Measure each model in turn."""
    return [found for model in MODELS if model in bench.material for found in _measure(bench, model)]


def _measure(bench: Bench, model: str) -> list[Series]:
    chosen = bench.some(model, ways.OURS, ways.TORCH, ways.HUB, ways.TRANSFORMERS, ways.META)
    turns: dict[str, Callable[[], float]] = {way.name: partial(bench.fresh, way, model) for way in chosen}
    turns[COMMAND] = partial(until_end, _command(bench, model), clean() | bench.material[model].environment)
    page_cache.warm(bench.material[model].weights)
    if model != LARGE:
        alternate(turns, 1)
    return series("first", model, alternate(turns, bench.long_rounds if model == LARGE else bench.rounds))


def _command(bench: Bench, model: str) -> list[str]:
    """Return the command as a user types it; it writes its two pictures, and its end is awaited."""
    program = str(Path(sys.executable).with_name("depthmap"))
    return [program, "predict", str(bench.photo), "--model", model, "-o", str(bench.folder / "output")]
