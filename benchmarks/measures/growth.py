"""How times grow: that of a load with the size of the file, that of a listing with the number of files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from .. import ways
from ..bench import Bench, clean
from ..processes import until_end
from ..series import SECONDS, Series, alternate, series
from .commands import PROGRAM

_COUNTS = (0, 500, 1000)
SHORTEST, LONGEST = "the shortest", "the longest"
LOWER, UPPER = "a file, of the first 500", "a file, of the next 500"


def loading(bench: Bench) -> list[Series]:
    """Measure the load of each model's ``.pt``, from the smallest file to the largest."""
    models = sorted(bench.material, key=lambda model: bench.material[model].published.stat().st_size)
    way = bench.ways[ways.PT]
    with bench.going([(way, model) for model in models]) as processes:
        turns = {
            model: partial(process.step, "load") for model, process in zip(models, processes, strict=True)
        }
        alternate(turns, 1)
        values = alternate(turns, bench.rounds)
    found = [Series("load", model, ways.PT, SECONDS, values[model]) for model in models]
    shortest, *_, longest = sorted(found, key=lambda one: one.median)
    ends = {SHORTEST: shortest, LONGEST: longest}
    return found + [replace(one, model="", way=name) for name, one in ends.items()]


def listing(bench: Bench) -> list[Series]:
    """Measure ``depthmap models list --json`` for caches of more and more files."""
    turns: dict[str, Callable[[], float]] = {}
    for count in _COUNTS:
        environment = clean() | {"DEPTHMAP_CACHE_DIR": str(_cache(bench.folder, count))}
        turns[f"{count} files"] = partial(until_end, (PROGRAM, "models", "list", "--json"), environment)
    alternate(turns, 1)
    values = alternate(turns, 2 * bench.rounds)
    none, half, whole = values.values()
    values[LOWER] = tuple((b - a) / (_COUNTS[1] - _COUNTS[0]) for a, b in zip(none, half, strict=True))
    values[UPPER] = tuple((b - a) / (_COUNTS[2] - _COUNTS[1]) for a, b in zip(half, whole, strict=True))
    return series("list", "", values)


def _cache(folder: Path, count: int) -> Path:
    """Make a cache of so many files: models of two each, tensors of no use and their description."""
    from depthmap.catalog import CATALOG
    from depthmap.store import FileRecord, Manifest, Stamp, digest_file

    cache = folder / f"list-{count}"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    for number in range(count // 2):
        spec = CATALOG["depthmap_tiny"].renamed(f"model_{number:03}")
        path = cache / f"midas_{spec.slug}.pt"
        path.write_text(spec.slug)
        record = FileRecord(digest_file(path), Stamp.of(path))
        path.with_suffix(".pkl").write_bytes(Manifest(spec).with_file("pt", record).dumps())
    return cache
