"""``.pkl``: a model's metadata as builtins; read by an unpickler that resolves no global."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileCorrupted
from .unpickling import unpickle

suffix = ".pkl"
SCHEMA = 1


def dumps(data: Mapping[str, Any]) -> bytes:
    """Return ``data`` (builtins only) as a pickle that names no global."""
    return pickle.dumps({"schema": SCHEMA, **data}, protocol=4)


def load(path: Path) -> dict[str, Any]:
    """Return the metadata in a ``.pkl`` file.

    Raises
    ------
    UnsafeFile
        When it names a global: nothing of it is run.
    ModelFileCorrupted
        When it is no pickle of a dictionary with a schema number. A schema newer than ours is not an error:
        what we know of it is read, the rest is left alone.
    """
    data = unpickle(path.read_bytes(), path, {})
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise ModelFileCorrupted(
            "it holds no model description", path, "Run 'depthmap models optimize' to remove it."
        )
    return data
