"""Models in and out of the cache: import and export."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace as replace_layout
from pathlib import Path

from .. import formats
from ..catalog import ModelSpec
from ..errors import CacheNotWritable, ExportError, FileError, ModelUnavailable, UnrecognisedFile, UsageError
from ..formats import TensorInfo
from ..store import Manifest, digest_file
from ..store.commit import publish as publish_file
from ..store.commit import require_space, staged, sweep_staged
from ..store.names import TENSOR_FORMATS, slug_of
from .budget import make_room
from .check import first_whole, whole_files
from .fetch import provenance
from .shelf import Shelf, identify

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
        "the model is not cached", spec.name, f"Run 'depthmap models download --model {spec.name}' first."
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
            f"{format or 'no suffix'!r} is no format to export to",
            target,
            f"Use one of {', '.join(EXPORTS)}.",
        )
    try:
        target.exists()
    except OSError as error:  # a name too long, a directory that may not be entered
        raise ExportError(
            f"the model cannot be written there: {error.strerror}", target, "Choose another place."
        ) from error
    if target.is_dir() or not target.parent.is_dir():
        what = "it is a directory" if target.is_dir() else "its directory does not exist"
        raise ExportError(
            f"the model cannot be written there: {what}", target, "Name a file in an existing directory."
        )
    if target.exists() and not replace:
        raise ExportError(
            "the file exists and was left as it is", target, "Choose another name, or remove it first."
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
            f"the model cannot be written there: {reason}", target, "Choose another place."
        ) from error
    return target


def _write(shelf: Shelf, spec: ModelSpec, format: str, target: Path, found: str, source: Path) -> None:
    if format == "pkl":
        manifest = shelf.known(spec.slug) or Manifest(spec, {"how": "embedded in the package"})
        target.write_bytes(manifest.dumps())
    elif format == found:
        shutil.copyfile(source, target)
    elif format in TENSOR_FORMATS and (cached := whole_files(shelf, spec, (format,))):
        shutil.copyfile(cached[format], target)
    else:
        formats.get(format).save(formats.load(source), target, spec.as_metadata())


def _require_name(shelf: Shelf, slug: str, source: Path, sha256: str, *, replace: bool) -> None:
    """Refuse a name that stands for another checkpoint; an import of the same one that was cut short goes on."""
    if catalogued := shelf.catalog.get(slug):
        if sha256 != catalogued.sha256:
            raise UsageError(
                f"{catalogued.name} names the published checkpoint, and this is another file",
                source,
                "Choose another --name.",
            )
        return
    there, known = shelf.cached(slug), shelf.store.known(slug)
    unfinished = known and known.provenance.get("sha256") == sha256 and not set(known.files) <= set(there)
    if set(there) & set(TENSOR_FORMATS) and not unfinished and not replace:
        raise UsageError(
            f"the cache has a model {slug!r}", source, "Choose another --name, or replace it with --force."
        )


def import_file(
    shelf: Shelf, source: Path, name: str, *, wanted: tuple[str, ...] = TENSOR_FORMATS, replace: bool = False
) -> ModelSpec:
    """Take a checkpoint into the cache under ``name``; return what it is.

    Its network is recognised by its tensors' names and shapes. A flat ``.pt`` is kept byte for byte, any other
    file is rewritten.

    Raises
    ------
    UnrecognisedFile
        When its tensors fit no network, with what was found and what was expected.
    UnsafeFile, ModelFileCorrupted
        When it is hostile or damaged.
    UsageError
        When the name is taken.
    """
    source = source.expanduser().absolute()
    slug = slug_of(name)
    if not source.is_file():
        raise UsageError("there is no such file", source, "Name a .pt, .h5 or .safetensors checkpoint.")
    if source.suffix.lower() in (".pkl", ".pickle"):
        raise UnrecognisedFile(
            "a .pkl holds a model's description, not its tensors", source, "Import the .pt or the .h5."
        )
    format = formats.format_of(source)
    layout = formats.scan(source)
    tensors = formats.load(source)
    if not layout.tensors:  # a checkpoint of torch before 1.6 tells its tensors only when it is read
        layout = replace_layout(
            layout,
            tensors={key: TensorInfo("float32", tuple(tensor.shape), 0) for key, tensor in tensors.items()},
        )
    spec = identify(name, layout, shelf.catalog)
    with shelf.store.lock(slug):
        digest = digest_file(source)
        catalogued = shelf.catalog.get(slug)
        _require_name(shelf, slug, source, digest.sha256, replace=replace)
        spec = catalogued or spec
        require_space(shelf.store.root, digest.size * len(wanted))
        make_room(shelf, spec, digest.size * len(wanted))
        before = shelf.store.known(slug)
        kept = before.files if before and catalogued else {}
        origin = provenance(str(source), digest.sha256, "imported")
        manifest = Manifest(spec, origin, kept, pinned=bool(before and before.pinned))
        with ExitStack() as stack:
            staged = {}
            for target in wanted:
                temporary = stack.enter_context(shelf.store.staging(slug, target))
                if target == format == "pt" and layout.mapped:
                    shutil.copyfile(source, temporary)
                else:
                    formats.get(target).save(tensors, temporary, spec.as_metadata())
                staged[target] = temporary
            shelf.store.replace(manifest, slug, staged)
    return spec
