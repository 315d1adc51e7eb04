"""Running an artefact with OpenVINO, on the CPU."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import openvino

from . import winograd
from .cores import runs_at_once, usable_cores

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
    streams = runs_at_once()
    config = {
        "INFERENCE_NUM_THREADS": usable_cores(),
        "NUM_STREAMS": streams,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if short else "f32",
        "CPU_RUNTIME_CACHE_CAPACITY": _SIZES,
    }
    model = core.read_model(str(path))
    if many and not short:
        winograd.rewrite(model)
    compiled = core.compile_model(model, "CPU", config)
    # A request is one thread's at a time. It is not kept by the thread: threads go, and all others of them in a fork.
    idle: deque[_Request] = deque()
    places = threading.BoundedSemaphore(streams)  # more would only wait within OpenVINO

    def run(*inputs: Float32) -> tuple[Float32, ...]:
        with places:
            try:
                request = idle.pop()
            except IndexError:
                request = _Request(compiled)
            outputs = request.run(inputs)
            idle.append(request)
            return outputs

    return run


class _Request:
    """Runs a compiled network, in memory of its own.

    Pictures are copied into tensors that OpenVINO made. When it was handed NumPy's instead, two threads were once found
    to wait for ever, both while they did so.
    """

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._tensors = [self._request.get_input_tensor(number) for number in range(len(compiled.inputs))]

    def run(self, inputs: Sequence[Float32]) -> tuple[Float32, ...]:
        for tensor, values in zip(self._tensors, inputs, strict=True):
            tensor.shape = values.shape
            tensor.data[...] = values
        results = self._request.infer()
        return tuple(
            results[number].copy() for number in range(len(results))
        )  # the next run writes over them
