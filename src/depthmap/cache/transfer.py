"""Export: a model of the cache, written to a file of the user's."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO

from .. import formats
from ..catalog import ModelSpec
from ..errors import CacheNotWritable, ExportError, FileError, ModelUnavailable, UsageError
from ..store import Manifest
from ..store.commit import publish as publish_file
from ..store.commit import require_space, staged, sweep_staged
from ..store.directory import PARTIAL
from ..store.names import TENSOR_FORMATS
from .check import first_whole, whole_files
from .shelf import Shelf

EXPORTS = ("pt", "h5", "safetensors", "pkl")


def source_of(shelf: Shelf, spec: ModelSpec) -> tuple[str, Path]:
    """Return the format and path of a whole file of a model, cached or embedded.

    Raises
    ------
    ModelUnavailable
        When there is none.
    """
    if found := first_whole(shelf, spec):
        return found
    if embedded := shelf.embedded(spec):
        return "pt", embedded
    raise ModelUnavailable(
        "The model is not cached", spec.name, f"Run 'depthmap models download --model {spec.name}' first."
    )


def export(shelf: Shelf, spec: ModelSpec, target: Path, format: str = "", *, replace: bool = True) -> Path:
    """Write a model to ``target`` as pt, h5, safetensors, or pkl (its metadata); return where it is.

    The format follows the suffix of ``target`` where none is given. A file appears whole or not at all.

    Raises
    ------
    ModelUnavailable
        When the model is neither cached nor embedded.
    ExportError
        When the target cannot be written, or exists and ``replace`` is False.
    """
    target = target.expanduser().absolute()
    format = format or target.suffix.lstrip(".").lower()
    if format not in EXPORTS:
        raise UsageError(
            f"{format or 'no suffix'!r} is not a format to export to",
            target,
            f"Use one of {', '.join(EXPORTS)}.",
        )
    try:
        target.exists()
    except OSError as error:  # a name too long, a directory that may not be entered
        raise ExportError(
            f"The model cannot be written there: {error.strerror}", target, "Choose another place."
        ) from error
    if target.is_dir() or not target.parent.is_dir():
        what = "it is a directory" if target.is_dir() else "its directory does not exist"
        raise ExportError(
            f"The model cannot be written there: {what}", target, "Name a file in an existing directory."
        )
    if target.exists() and not replace:
        raise ExportError(
            "The file exists and was left as it is", target, "Choose another name, or remove the file first."
        )
    found, source = source_of(shelf, spec)
    try:
        require_space(target.parent, source.stat().st_size)
        sweep_staged(target.parent, f".{target.name}")
        with staged(target.parent, f".{target.name}") as temporary:
            _write(shelf, spec, format, temporary, found, source)
            publish_file(temporary, target)
    except FileError:
        raise
    except (CacheNotWritable, OSError) as error:
        reason = error.what if isinstance(error, CacheNotWritable) else error.strerror
        raise ExportError(
            f"The model cannot be written there: {reason}", target, "Choose another place."
        ) from error
    return target


def opened(shelf: Shelf, spec: ModelSpec, format: str) -> IO[bytes]:
    """Write a model in a format that it is not cached in, and return the file, open for reading, that has no name.

    It lies where the cache stages files, which has the room, or in the system's temporary folder beside a cache that
    cannot be written. A process that is killed while it writes leaves a file that a later call removes.

    Raises
    ------
    ModelUnavailable
        When the model is neither cached nor embedded.
    InsufficientDiskSpace
        When there is no room for it.
    """
    found, source = source_of(shelf, spec)
    try:
        folder = shelf.store.folder(PARTIAL)
    except CacheNotWritable:
        folder = Path(tempfile.gettempdir())
    name = f"export-{spec.slug}.{format}"
    require_space(folder, source.stat().st_size)
    sweep_staged(folder, name)
    with staged(folder, name) as path:
        _write(shelf, spec, format, path, found, source)
        return path.open("rb")  # on Windows its name stays, until a later call


def _write(shelf: Shelf, spec: ModelSpec, format: str, target: Path, found: str, source: Path) -> None:
    if format == "pkl":
        manifest = shelf.known(spec.slug) or Manifest(spec, {"how": "embedded in the package"})
        target.write_bytes(manifest.dumps())
    elif format == found:
        shutil.copyfile(source, target)
    elif format in TENSOR_FORMATS and (cached := whole_files(shelf, spec, (format,))):
        shutil.copyfile(cached[format], target)
    else:
        formats.convert(source, format, target, spec.as_metadata())
