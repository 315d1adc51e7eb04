"""What memory processes take that have loaded the same model and made a depth map with it."""

from __future__ import annotations

import sys
from pathlib import Path

from .. import memory, ways
from ..bench import Bench
from ..material import LARGE, Material
from ..series import BYTES, SHARE, Series
from ..ways import Way

_OURS = 8
_PEERS = 2
"""Processes; of peers, whose memory is their own, there would be no room for more everywhere."""
_SUM = "ΣPSS of the weights, {} processes"
SHARED = _SUM.format(_OURS)


def measure(bench: Bench) -> list[Series]:
    """Measure one way after another: memory is no matter of time."""
    if LARGE not in bench.material or sys.platform != "linux":
        return []
    names = (ways.OURS, ways.TORCH, ways.HUB, ways.TRANSFORMERS, ways.META)
    return [found for way in bench.some(LARGE, *names) for found in _measure(bench, way)]


def _measure(bench: Bench, way: Way) -> list[Series]:
    made = bench.material[LARGE]
    number = _PEERS if way.peer else _OURS
    with bench.going([(way, LARGE)] * number) as processes:
        for process in processes:
            process.step("keep")
            process.step("depth")
        own = tuple(float(memory.private(process.pid)) for process in processes)
        shared = sum(memory.pss(process.pid, _file(made, way)) for process in processes)
    found = [Series("private", LARGE, way.name, BYTES, own)]
    if shared:  # else nothing is mapped
        share = shared / _file(made, way).stat().st_size
        found.append(Series(_SUM.format(number), LARGE, way.name, SHARE, (share,)))
    return found


def _file(made: Material, way: Way) -> Path:
    files = {
        ways.META: made.safetensors,
        ways.TRANSFORMERS: made.transformers / "model.safetensors",
    }
    return files.get(way.name, made.published)
