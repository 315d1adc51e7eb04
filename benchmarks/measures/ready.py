"""How long it takes from the import to a network that is ready, in a process that goes on."""

from __future__ import annotations

from functools import partial

from .. import ways
from ..bench import Bench
from ..series import Series, alternate, series

MODELS = ("DPT_Large", "MiDaS_small")


def measure(bench: Bench) -> list[Series]:
    """Measure each model in turn."""
    return [found for model in MODELS if model in bench.material for found in _measure(bench, model)]


def _measure(bench: Bench, model: str) -> list[Series]:
    chosen = bench.some(model, ways.PT, ways.H5, ways.OURS, ways.HUB, ways.TRANSFORMERS, ways.META, ways.FAST)
    with bench.going([(way, model) for way in chosen]) as processes:
        turns = {
            way.name: partial(process.step, "load") for way, process in zip(chosen, processes, strict=True)
        }
        alternate(turns, 1)
        # Ten milliseconds are easily disturbed: more turns than of what takes seconds.
        return series("ready", model, alternate(turns, 2 * bench.rounds))
