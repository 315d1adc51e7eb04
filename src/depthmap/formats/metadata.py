"""``.pkl``: a model's metadata as builtins; read by an unpickler that resolves no global."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileCorrupted
from .opening import read_small
from .unpickling import MAX_PICKLE_BYTES, unpickle

suffix = ".pkl"
SCHEMA = 1
_DIGEST = "digest"


def dumps(data: Mapping[str, Any]) -> bytes:
    """Return ``data`` (builtins only) as a pickle that names no global, with a digest of what it says."""
    content = {"schema": SCHEMA, **data}
    return pickle.dumps({**content, _DIGEST: _digest(content)}, protocol=4)


def _digest(content: Mapping[str, Any]) -> str:
    # Of the text of the builtins: their pickle depends on which of them are the same object.
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()


def load(path: Path) -> dict[str, Any]:
    """Return the metadata in a ``.pkl`` file.

    Raises
    ------
    UnsafeFile
        When it names a global: nothing of it is run.
    ModelFileCorrupted
        When it is no pickle of a dictionary with a schema number, larger than 16 MiB, or not what was written.
        A schema older or newer than ours is not an error: what we know of it is read, the rest is left alone.
    UnrecognisedFile
        When it is no regular file.
    """
    data = unpickle(read_small(path, MAX_PICKLE_BYTES), path, {})
    if type(data) is not dict or type(data.get("schema")) is not int:
        raise ModelFileCorrupted(
            "it holds no model description", path, "Run 'depthmap models optimize' to remove it."
        )
    digest = data.pop(_DIGEST, None)
    if digest is not None and data["schema"] == SCHEMA and digest != _digest(data):
        raise ModelFileCorrupted(
            "its content is not what its digest was made of", path, "Run 'depthmap models optimize'."
        )
    return data
