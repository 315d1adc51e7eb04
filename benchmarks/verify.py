"""How fast a cached file is verified, beside what the processor can hash at all.

    python benchmarks/verify.py [--model DPT_Large] [--rounds 5]

A stand-in of the published checkpoint is cached as ``.pt``. `ModelCache.verify`, the command
``depthmap models verify`` without the start of Python, reads all of it from the page cache; then ``hashlib.sha256``
hashes the same bytes where they lie in memory, in one call on each core. Both take turns, so that other work on the
machine meets both alike; medians are printed, of the rounds' ratios too, for the clock's time and for the processor's,
which other work on the machine hardly touches. What is missing to 1 is the copy out of the page cache.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import arguments, need_room, prepare


def verify(model: str) -> None:
    """Verify the cached file as users do."""
    from depthmap.cache import ModelCache

    damaged = [row for row in ModelCache().verify(model) if not row["ok"]]
    if damaged:
        raise SystemExit(f"{damaged[0]['path']}: {damaged[0]['error']}")


def hash_memory(content: bytes, cores: int) -> None:
    """Hash the bytes, a part on each core."""
    share = -(-len(content) // cores)
    parts = [memoryview(content)[start : start + share] for start in range(0, len(content), share)]
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(hashlib.sha256, parts))


def measured(function: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds that a function takes, on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - processor


def compare(model: str, published: Path, cores: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Let both take turns; return what each round took."""
    content = published.read_bytes()
    ways: dict[str, Callable[[], None]] = {
        "depthmap models verify": lambda: verify(model),
        "hashlib.sha256 of memory": lambda: hash_memory(content, cores),
    }
    verify(model)  # from here on the file is in the page cache
    turns = [{way: measured(function) for way, function in ways.items()} for _ in range(rounds)]
    return {way: [turn[way] for turn in turns] for way in ways}


def main() -> None:
    """Print both rates and their ratios."""
    parser = arguments(__doc__)
    parser.add_argument("--model", default="DPT_Large")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as directory:
        need_room(Path(directory), options.model, 3)
        published = prepare(Path(directory), options.model, formats=("pt",))
        size = published.stat().st_size
        times = compare(options.model, published, cores, options.rounds)
    medians = {
        way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in times.items()
    }
    print(f"{options.model}, {size:,} bytes in the page cache, {cores} cores, medians of {options.rounds}")
    for way, (clock, processor) in medians.items():
        print(f"{way:26s} {size / clock / 2**30:5.2f} GiB/s  {processor:5.2f} s of the processor")
    rounds = zip(*times.values(), strict=True)
    clock, processor = (
        statistics.median(column)
        for column in zip(
            *((theirs[0] / ours[0], theirs[1] / ours[1]) for ours, theirs in rounds), strict=True
        )
    )
    print(f"{'ratio':26s} {clock:5.2f}        {processor:5.2f}")


if __name__ == "__main__":
    main()
