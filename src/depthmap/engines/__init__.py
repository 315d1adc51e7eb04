"""How a network is run besides by torch: ONNX Runtime and OpenVINO, which need no torch when they run.

Both open the same artefact (`artefact`). Neither is imported before it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..extras import Extra
from .forking import running
from .frugal import frugal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

TORCH = "torch"
"""The reference: every model and every device."""
TORCH_EXTRA = Extra("torch", "torch", "GPUs, networks as torch modules and the engine torch")
INSTALL = "Run 'pip install onnxruntime'."


class Runner(Protocol):
    """A network that an engine has loaded. Many threads may call it at once."""

    def __call__(self, picture: Float32, /, *others: Float32) -> tuple[Float32, ...]:
        """Return the network's outputs, by `families.Family.outputs`; each begins with the N of the batch.

        ``picture`` is normalised RGB (N, 3, h, w), h and w its multiples; `families.Family.inputs` names the others.
        """


class Engine(NamedTuple):
    """An engine that runs an artefact; the package that is imported and the extra of depthmap are called like it."""

    name: str
    half: str = ""
    """The type in which it computes faster than in float32 where the processor has it."""
    renewed: bool = False
    """It is opened again in a forked child: it then has threads there, and without that one core."""

    def open(self, path: Path, *, half: bool = False, many: bool = False) -> Runner:
        """Return the network of an artefact, ready to run on all cores that this process may use.

        With ``half`` it computes in the engine's shorter type, where the processor has that. For ``many`` pictures it
        takes its time to make ready.
        """
        with running:
            runner: Runner = self._module().open_artefact(path, half=half, many=many)
            return frugal(runner)

    def open_content(self, content: bytes, folder: Path, *, many: bool = False) -> Runner:
        """Return the network of an artefact that lies in no file; ``folder`` has its weights. See `open`.

        Only the engine `PLAIN` can do that.
        """
        with running:
            runner: Runner = self._module().open_content(content, folder, many=many)
            return frugal(runner)

    def _module(self) -> Any:
        return import_module(f".{self.name}", __name__)


ENGINES = {
    engine.name: engine for engine in (Engine("onnxruntime", renewed=True), Engine("openvino", "bfloat16"))
}
"""By name, the one first that gives the first depth soonest; see docs/performance.md."""
PLAIN = ENGINES["onnxruntime"]
"""The engine that comes with depthmap. It runs a graph node by node as it is written, also from memory."""
_SOONEST = tuple(ENGINES)
_FASTEST = ("openvino", "onnxruntime")
MANY = 8
"""Pictures from which it pays to make ready for longer in order to run faster."""


def installed() -> list[Engine]:
    """Return the engines that can be imported here."""
    return [engine for engine in ENGINES.values() if find_spec(engine.name)]


def order(pictures: int) -> Sequence[str]:
    """Return the engines in the order in which to try them, for so many pictures."""
    return _FASTEST if pictures >= MANY else _SOONEST
