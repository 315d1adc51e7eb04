"""An unpickler that resolves only what a table allows: nothing in a file is ever imported or called.

Python's C unpickler grows its memo to whatever index a file names, gigabytes for five bytes; the pure Python one
keeps a dictionary. So that one reads whatever comes from outside, and the C one, four times as fast, only files whose
digest was verified.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileCorrupted, UnsafeFile

MAX_PICKLE_BYTES = 64 << 20

# typeshed does not know the pure Python unpickler, which has been there under this name since Python 3.0.
_PythonUnpickler: Any = pickle._Unpickler


class _Restricted:
    """Resolves globals from ``allowed`` alone and storages through ``storage``."""

    def __init__(
        self,
        data: bytes,
        path: Path,
        allowed: Mapping[tuple[str, str], Any],
        storage: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")  # type: ignore[call-arg]  # the mixin's next class is an unpickler
        self._path = path
        self._allowed = allowed
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a global.

        Raises
        ------
        UnsafeFile
            For any other global.
        """
        try:
            return self._allowed[module, name]
        except KeyError:
            raise UnsafeFile(
                f"the file asks to run {module}.{name}; nothing of it was run",
                self._path,
                "Use a file from a source you trust that holds tensors only.",
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """Return what a storage reference stands for."""
        if self._storage is None:
            raise UnsafeFile(
                "the file refers to something outside itself",
                self._path,
                "Use a file that holds builtins only.",
            )
        return self._storage(pid)


class _Careful(_Restricted, _PythonUnpickler):  # type: ignore[misc]  # its base is Any, see above
    pass


class _Fast(_Restricted, pickle.Unpickler):
    pass


def unpickle(
    data: bytes,
    path: Path,
    allowed: Mapping[tuple[str, str], Any],
    storage: Callable[[Any], Any] | None = None,
    *,
    trusted: bool = False,
) -> Any:
    """Return what ``data`` holds; ``trusted`` says that its digest was verified.

    Raises
    ------
    UnsafeFile
        When it names a global that is not in ``allowed``.
    ModelFileCorrupted
        When it is no pickle, or larger than 64 MiB.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise ModelFileCorrupted(
            f"its pickle is {len(data)} bytes; no model needs so many", path, "Use another file."
        )
    try:
        return (_Fast if trusted else _Careful)(data, path, allowed, storage).load()
    except (UnsafeFile, ModelFileCorrupted):
        raise
    except Exception as error:  # a damaged pickle can raise anything: its opcodes are data
        raise ModelFileCorrupted(
            f"its pickle cannot be read ({type(error).__name__})", path, "Get the file again."
        ) from error
