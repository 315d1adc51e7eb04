"""How long the network alone takes, once warm, in a process that goes on: each engine beside torch as it is."""

from __future__ import annotations

import statistics
from dataclasses import replace

from .. import ways
from ..bench import Bench
from ..processes import Process
from ..series import Series, alternate, series

_TURN = 0.5
"""Seconds that a turn lasts at least, of runs one after another; their median counts."""
_ENGINES = {"torch": ways.TORCH, "onnxruntime": ways.ONNX, "openvino": ways.OPENVINO}


def measure(bench: Bench) -> list[Series]:
    """Measure each model in turn."""
    return [found for model in bench.material for found in _measure(bench, model)]


def _measure(bench: Bench, model: str) -> list[Series]:
    chosen = bench.some(model, ways.HUB, ways.TORCH, ways.ONNX, ways.OPENVINO, ways.TRANSFORMERS)
    with bench.going([(way, model) for way in chosen]) as processes:
        turns = {way.name: _Runs(process) for way, process in zip(chosen, processes, strict=True)}
        found = series("steady", model, alternate(turns, bench.rounds))
    for_many = _ENGINES[bench.ways[ways.MANY_OURS].keys(bench.material[model])["used"]]
    return [*found, *(replace(one, way=ways.MANY_OURS) for one in found if one.way == for_many)]


class _Runs:
    """As many runs as a turn takes, after two that warm up."""

    def __init__(self, process: Process) -> None:
        self.process = process
        process.step("keep")
        process.step("prepare")
        process.step("run")
        self.number = max(1, round(_TURN / process.step("run")))

    def __call__(self) -> float:
        return statistics.median(self.process.step("run") for _ in range(self.number))
