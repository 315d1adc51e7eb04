"""How long it takes to import what each way needs, as a process of its own."""

from __future__ import annotations

import sys
from functools import partial

from .. import ways
from ..bench import Bench, clean
from ..processes import until_end
from ..series import Series, alternate, series

ALONE = "python alone"


def measure(bench: Bench) -> list[Series]:
    """Measure the ways of the first model: the largest, for which there are most."""
    model = next(iter(bench.material))
    chosen = bench.some(model, ways.OURS, ways.TORCH, ways.HUB, ways.META, ways.TRANSFORMERS)
    turns = {way.name: partial(bench.fresh, way, model, "imports") for way in chosen}
    turns[ALONE] = partial(until_end, (sys.executable, "-c", "pass"), clean())
    alternate(turns, 1)  # writes the .pyc files, and brings the libraries into memory
    return series("imports", "", alternate(turns, bench.rounds))
