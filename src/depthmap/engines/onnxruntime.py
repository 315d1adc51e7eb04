"""Running an artefact with ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# Else it writes an identifier into the user's home as it is imported, and reports to Microsoft (its Privacy.md).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from .cores import runs_at_once, usable_cores

if TYPE_CHECKING:
    from . import Float32, Runner

_ERRORS_ONLY = 3
_FOLDER = "session.model_external_initializers_file_folder_path"


def open_artefact(path: Path, *, half: bool = False, many: bool = False) -> Runner:
    """Return the network of an artefact, ready to run; ``half`` changes nothing.

    Only for ``many`` pictures is the graph optimised. That takes longer than it saves in the first three pictures of a
    convolutional network, and copies its weights; of a transformer it saves nothing.
    Weights of matrix products stay where they are in the file, shared by all processes: "pre-packing" would copy them.
    Pictures come in many sizes, so no plan of memory is kept for any, and what a large one took is given back.
    """
    return open_content(path.read_bytes(), path.parent, many=many)


def open_content(content: bytes, folder: Path, *, many: bool = False) -> Runner:
    """As `open_artefact`, of an artefact in memory; its weights lie in ``folder``."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, usable_cores() // runs_at_once())
    options.log_severity_level = _ERRORS_ONLY
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if many else levels.ORT_DISABLE_ALL
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.add_session_config_entry(_FOLDER, str(folder.absolute()))
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    once = onnxruntime.RunOptions()
    once.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    names = [value.name for value in session.get_inputs()]

    def run(*inputs: Float32) -> tuple[Float32, ...]:
        return tuple(session.run(None, dict(zip(names, inputs, strict=True)), once))

    return run
