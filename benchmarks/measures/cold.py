"""How long a fresh process takes to its first depth map when its file lies on the disk only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from depthmap.store.names import ARTEFACT

from .. import page_cache, ways
from ..bench import Bench
from ..material import LARGE, Material
from ..series import Series, alternate, series

READ = "sequential read of the .pt"
WARM = "depthmap, warm"
BOUND = "the longer of reading and computing"


def measure(bench: Bench) -> list[Series]:
    """Measure the largest model, each way beside a plain read of the same file and the warm way.

    A process that reads a file and computes cannot be done before either is: the longer of the two is the bound.
    """
    if LARGE not in bench.material:
        return []
    made = bench.material[LARGE]
    chosen = bench.some(LARGE, ways.OURS, ways.TORCH, ways.META, ways.TRANSFORMERS)
    ours = bench.ways[ways.OURS]
    turns: dict[str, Callable[[], float]] = {
        READ: lambda: _cold(made, lambda: page_cache.read(made.published)),
        WARM: lambda: bench.fresh(ours, LARGE),  # the read before it has warmed the file
        **{way.name: partial(_cold, made, partial(bench.fresh, way, LARGE)) for way in chosen},
    }
    values = alternate(turns, bench.long_rounds)
    page_cache.warm([made.published])
    values[BOUND] = tuple(max(pair) for pair in zip(values[READ], values[WARM], strict=True))
    return series("cold", LARGE, values)


def _cold(made: Material, turn: Callable[[], float]) -> float:
    page_cache.drop([*made.weights, made.cached(ARTEFACT)])
    return turn()
