"""Running an artefact with OpenVINO, on the CPU."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import openvino

from . import winograd
from .cores import usable_cores

if TYPE_CHECKING:
    from . import Float32, Runner

_SIZES = 64
"""Kernels that are kept for sizes of pictures met before; by default thousands, which never go."""


def open_artefact(path: Path, *, half: bool = False, many: bool = False) -> Runner:
    """Return the network of an artefact, ready to run; with ``half`` in bfloat16, where the processor has it.

    For ``many`` pictures some of its convolutions are computed by `winograd`, whose weights are copies.
    """
    core = openvino.Core()
    short = half and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    config = {
        "INFERENCE_NUM_THREADS": usable_cores(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if short else "f32",
        "CPU_RUNTIME_CACHE_CAPACITY": _SIZES,
    }
    model = core.read_model(str(path))
    if many and not short:
        winograd.rewrite(model)
    compiled = core.compile_model(model, "CPU", config)
    # A request is one thread's at a time. It is not kept by the thread: threads go, and all others of them in a fork.
    idle: deque[openvino.InferRequest] = deque()
    # Runs wait for each other in any case, as there is one stream; but two threads that did so within OpenVINO were
    # once found to wait for ever, both while they handed over a picture.
    one_at_a_time = threading.Lock()

    def run(*inputs: Float32) -> tuple[Float32, ...]:
        with one_at_a_time:
            try:
                request = idle.pop()
            except IndexError:
                request = compiled.create_infer_request()
            results = request.infer(dict(enumerate(inputs)))
            outputs = tuple(
                results[number].copy() for number in range(len(results))
            )  # the next run writes over them
            idle.append(request)
            return outputs

    return run
