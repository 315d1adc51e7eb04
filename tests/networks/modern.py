"""The official modern networks, as far as they are here: layouts, synthetic checkpoints, and outputs."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from depthmap.formats.arrays import Array
from support import GOLDENS

if TYPE_CHECKING:
    from torch import Tensor

MODERN = GOLDENS / "modern"


def _script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


synthetic = _script(MODERN / "synthetic_modern.py")


def layout(keys: str) -> dict[str, tuple[int, ...]]:
    """Return names and shapes in the order of the published file."""
    return {name: shape for name, shape, _ in synthetic.layout(keys)}


def arrays(keys: str) -> dict[str, Array]:
    """Return a synthetic checkpoint, whole and under the published names, without torch."""
    return {
        name: Array(dtype, np.ascontiguousarray(synthetic.tensor(name, shape, dtype)).reshape(shape))
        for name, shape, dtype in synthetic.layout(keys)
    }


def state(keys: str, unused: tuple[str, ...], prefix: str = "") -> dict[str, Tensor]:
    """Return a synthetic checkpoint without what inference never reads, and without the prefix of all its names."""
    import torch

    return {
        name.removeprefix(prefix): torch.from_numpy(
            np.ascontiguousarray(synthetic.tensor(name, shape, dtype)).reshape(shape)
        )
        for name, shape, dtype in synthetic.layout(keys)
        if not name.removeprefix(prefix).startswith(unused)
    }


class Golden(NamedTuple):
    """One array of a file, and what it was made of."""

    height: int
    width: int
    seed: int
    size: int | None
    """The input size, where it is not the default."""
    key: str
    """The part of the name that arrays of one run share."""
    array: np.ndarray
    options: str = ""
    """What else the name says, such as "numtokens600"."""


def goldens(name: str, kind: str) -> Iterator[Golden]:
    """Yield the arrays of one kind in ``NAME.npz``."""
    with np.load(MODERN / f"{name}.npz") as file:
        for entry in file.files:
            found = re.fullmatch(kind + r"_((\d+)x(\d+)_seed(\d+)(?:_size(\d+)|_(.+))?)", entry)
            if found:
                height, width, seed = map(int, found.groups()[1:4])
                size = int(found[5]) if found[5] else None
                yield Golden(height, width, seed, size, found[1], file[entry], found[6] or "")


def picture(golden: Golden) -> np.ndarray:
    """Return the picture (H, W, 3), uint8, that it was made of."""
    made: np.ndarray = synthetic.image(golden.height, golden.width, golden.seed)
    return made


def network_input(height: int, width: int, seed: int = 0) -> Tensor:
    import torch

    return torch.from_numpy(synthetic.network_input(height, width, seed))


def relative_error(ours: Tensor | np.ndarray, reference: Tensor | np.ndarray) -> float:
    ours, reference = np.asarray(ours), np.asarray(reference)
    assert ours.shape == reference.shape
    return float(np.abs(ours - reference).max() / np.abs(reference).max())
