"""How fast a cached file is verified, beside what the processor can hash at all: see ``benchmarks/verify.py``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest.mock import patch

from .. import page_cache
from ..bench import Bench
from ..series import Series, series

OURS = "depthmap models verify"
BARE = "sha256 of memory, on each core"


def measure(bench: Bench) -> list[Series]:
    """Measure the first model: the largest."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from verify import compare  # a script, which finds `common` beside it

    made = next(iter(bench.material.values()))
    if not made.pt_cache.exists():
        return []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    environment = made.environment | {"DEPTHMAP_CACHE_DIR": str(made.pt_cache)}
    # The page cache keeps a file in the pieces in which it was read, and other ways read it page by page.
    page_cache.drop([made.published])
    with patch.dict(os.environ, environment):
        ours, bare = compare(made.model, made.published, cores, bench.rounds).values()
    clocks = {OURS: [clock for clock, _ in ours], BARE: [clock for clock, _ in bare]}
    return series("verify", made.model, clocks)
