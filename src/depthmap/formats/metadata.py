"""``.pkl``: a model's metadata as builtins; read by an unpickler that resolves no global."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileCorrupted
from .opening import read_small
from .unpickling import MAX_PICKLE_BYTES, MAX_STEPS, unpickle

suffix = ".pkl"
SCHEMA = 2
"""1: the digest was of other text, and where tensors lie was not written."""
_DIGEST = "digest"
_MAX_DEPTH = 64


def dumps(data: Mapping[str, Any]) -> bytes:
    """Return ``data`` (builtins only) as a pickle that names no global, with a digest of what it says."""
    content = {"schema": SCHEMA, **data}
    return pickle.dumps({**content, _DIGEST: _digest(content)}, protocol=4)


def _digest(content: Mapping[str, Any]) -> str:
    # Of the text of the builtins: their pickle depends on which of them are the same object.
    return hashlib.sha256(repr(_as_text(content)).encode("utf-8", "surrogatepass")).hexdigest()


def _as_text(content: Any) -> Any:
    """Return builtins with hexadecimal digits for bytes: to write those out as Python does takes ten times as long."""
    if isinstance(content, dict):
        return {key: _as_text(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(_as_text(value) for value in content)
    return content.hex() if isinstance(content, bytes) else content


def _is_plain(content: Any) -> bool:
    """Tell whether ``content``, written out, is about as large as its pickle.

    A pickle can name one list, or one text, again and again; whoever writes that out never ends.
    """
    level, items, characters = [content], 0, 0
    for _ in range(_MAX_DEPTH):
        characters += sum(len(value) for value in level if isinstance(value, (str, bytes)))
        containers = [value for value in level if isinstance(value, (list, tuple, dict))]
        items += sum(map(len, containers))
        if not containers or items > MAX_STEPS or characters > MAX_PICKLE_BYTES:
            return not containers and characters <= MAX_PICKLE_BYTES
        level = [part for container in containers for part in _parts(container)]
    return False


def _parts(container: Any) -> list[Any]:
    return [*container, *container.values()] if isinstance(container, dict) else list(container)


def load(path: Path) -> dict[str, Any]:
    """Return the metadata in a ``.pkl`` file.

    Raises
    ------
    UnsafeFile
        When it names a global: nothing of it is run.
    ModelFileCorrupted
        When it is no pickle of a dictionary with a schema number, larger than 16 MiB (also when written out), or not
        what was written.
        A schema older or newer than ours is not an error: what we know of it is read, the rest is left alone.
    UnrecognisedFile
        When it is no regular file.
    """
    data = unpickle(read_small(path, MAX_PICKLE_BYTES), path, {})
    if type(data) is not dict or type(data.get("schema")) is not int:
        raise ModelFileCorrupted(
            "it holds no model description", path, "Run 'depthmap models optimize' to remove it."
        )
    if not _is_plain(data):
        raise ModelFileCorrupted(
            "its description never ends", path, "Run 'depthmap models optimize' to remove it."
        )
    digest = data.pop(_DIGEST, None)
    if digest is not None and data["schema"] == SCHEMA and digest != _digest(data):
        raise ModelFileCorrupted(
            "its content does not match its digest", path, "Run 'depthmap models optimize'."
        )
    return data
