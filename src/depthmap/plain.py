"""A file of weights that no artefact is bound to, run by the plain engine."""

from __future__ import annotations

import mmap
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from . import formats
from .cache.compiling import artefact
from .catalog import ModelSpec
from .engines import PLAIN, Runner
from .engines.artefact import are_in_place, type_not_run
from .errors import EngineUnavailable
from .formats import Layout
from .formats.leases import lease
from .formats.opening import open_regular
from .formats.readahead import read_ahead
from .loader import Weights
from .store.commit import require_space

_REMEDY = "Run: pip install 'depthmap[torch]'. torch runs every model."


def hold(path: Path) -> mmap.mmap:
    """Return what keeps a file open, and so leased, for as long as it lives."""
    with open_regular(path) as file:
        lease(file)
        return mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)


def run_plainly(spec: ModelSpec, weights: Weights, *, many: bool = False) -> tuple[Runner, mmap.mmap]:
    """Return the network of a file of weights as the engine `PLAIN` runs it, and what holds the file.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As the format's ``scan`` does, and when the tensors do not fit the network.
    EngineUnavailable
        When the engine cannot run it.
    """
    layout = weights.layout or formats.get(weights.format).scan(weights.path)
    if short := type_not_run(layout.tensors.values()):
        what = f"{PLAIN.name} does not run numbers of type {short}"
        raise EngineUnavailable(what, weights.path, _REMEDY)
    if weights.read or not _is_in_place(layout):
        return _run_a_copy(spec, weights._replace(layout=layout), many)
    held = hold(weights.path)
    read_ahead(weights.path)
    path = weights.path.resolve()  # the engine follows no link that leaves the folder
    content = artefact(spec.network, replace(layout, path=path))
    try:
        return PLAIN.open_content(content, path.parent, many=many), held
    except Exception as error:  # engines have no common error
        what = f"{PLAIN.name} cannot run the model: {error}"
        raise EngineUnavailable(what, weights.path, _REMEDY) from error


def _is_in_place(layout: Layout) -> bool:
    return layout.mapped and are_in_place(layout.tensors.values())


def _run_a_copy(spec: ModelSpec, weights: Weights, many: bool) -> tuple[Runner, mmap.mmap]:
    """Copy a file that cannot be mapped, or not where it is; the copy goes as soon as it is mapped."""
    with tempfile.TemporaryDirectory(prefix="depthmap-", ignore_cleanup_errors=True) as folder:
        require_space(Path(folder), weights.path.stat().st_size)
        if weights.layout and _is_in_place(weights.layout):
            copy = Weights(Path(folder) / f"weights.{weights.format}", weights.format)
            shutil.copyfile(weights.path, copy.path)
        else:  # this format has each tensor in one piece
            copy = Weights(Path(folder) / "weights.safetensors", "safetensors")
            formats.convert(weights.path, copy.format, copy.path)
        return run_plainly(spec, copy, many=many)
