"""The file at a model's source: whom to ask for it, what it must be, and what to say when it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from ..catalog import ModelSpec
from ..download import Progress, allowed, download, sources
from ..errors import (
    AccessDenied,
    Cancelled,
    DigestMismatch,
    DownloadError,
    FileError,
    ModelUnavailable,
    NetworkTimeout,
    UnsafeFile,
    Unverified,
)
from ..fetching import shown
from ..store.commit import require_space
from .checkpoint import Checkpoint, read
from .digests import expected, how_to_accept, is_pt, known
from .record import PUBLISHED, Known
from .shelf import Shelf


def ways_out(spec: ModelSpec) -> str:
    """Return what a user can do who has not got a model and cannot download it."""
    return (
        f"Run 'depthmap models download --model {spec.name}' when you are online, name a mirror in DEPTHMAP_MIRRORS, "
        "add a file with 'depthmap models import', or use the embedded model Depthmap_Tiny, which needs no download."
    )


def source_urls(shelf: Shelf, spec: ModelSpec) -> list[str]:
    """Return where a model's published checkpoint may be, in the order in which to ask.

    Raises
    ------
    ModelUnavailable
        When it has no source, or ``DEPTHMAP_OFFLINE`` forbids to ask it.
    """
    if not spec.url:
        raise ModelUnavailable(
            "the model is not cached, and no address to download it from is known", spec.name, ways_out(spec)
        )
    urls = allowed(sources(spec.url, spec.path, shelf.settings.mirrors), offline=shelf.settings.offline)
    if not urls:
        raise ModelUnavailable(
            "the model is not cached, and DEPTHMAP_OFFLINE forbids the download", spec.name, ways_out(spec)
        )
    return urls


def order(
    shelf: Shelf,
    spec: ModelSpec,
    progress: Progress | None = None,
    cancel: Event | None = None,
    *,
    allow_unverified: bool = False,
) -> tuple[list[str], Known, DigestMismatch | None]:
    """Return whom to ask for a model's file, and what it must be; and the error to raise if nobody has it.

    A source that has another file by now is left out, if a mirror may have the one that the model is held to. Where no
    digest would tell, the official source alone is asked, if it may be.
    """
    urls = source_urls(shelf, spec)
    try:
        with _named(spec):
            wanted = expected(shelf, spec, urls, progress, cancel, allow_unverified=allow_unverified)
    except DigestMismatch as changed:
        held, others = known(shelf, spec), [url for url in urls if url != spec.url]
        if held is None or not others:
            raise
        return others, held, changed
    if not wanted.sha256 and spec.url in urls:
        urls = [spec.url]
    return urls, wanted, None


@contextmanager
def _named(spec: ModelSpec) -> Iterator[None]:
    """Let the error of a download name the model, and what else can be done."""
    try:
        yield
    except (Cancelled, Unverified) as error:
        raise type(error)(error.what, spec.name, error.remedy) from error
    except AccessDenied as error:
        raise AccessDenied(error.what, spec.name, f"{error.remedy} {ways_out(spec)}") from error
    except DigestMismatch as error:
        remedy = error.remedy if error.where == spec.name else ways_out(spec)
        raise DigestMismatch(error.what, spec.name, remedy) from error
    except DownloadError as error:
        raise type(error)(error.what, spec.name, ways_out(spec)) from error


@contextmanager
def told(spec: ModelSpec, wanted: Known, changed: DigestMismatch | None) -> Iterator[None]:
    """Do so, and say of a model that is held to an earlier download that the source may have another file by now."""
    try:
        with _named(spec):
            yield
    except Cancelled:
        raise
    except DownloadError as error:
        if changed:
            raise changed from error
        if wanted.since and not isinstance(error, NetworkTimeout):
            what = f"{error.what}; {spec.name} is held to the file of {wanted.since} ({wanted.digest})"
            raise type(error)(
                what, spec.name, f"{error.remedy} If its file is another now: {how_to_accept(spec)}"
            ) from error
        raise


def looked_into(spec: ModelSpec, source: Path, wanted: Known) -> Checkpoint | None:
    """Return the checkpoint that came; None where it cannot be read, and the catalogue vouches for it all the same.

    Raises
    ------
    FileError
        When it is none of the model's network, and nobody but its source vouches for it.
    """
    try:
        return read(source, spec.network)
    except FileError as error:
        if wanted.digest == PUBLISHED and is_pt(spec) and not isinstance(error, UnsafeFile):
            return None  # whoever loads it says what is wrong
        raise type(error)(
            f"what {shown(spec.url)} gave is no checkpoint of {spec.name} ({error.what})",
            source,
            error.remedy,
        ) from error


def is_kept(checkpoint: Checkpoint) -> bool:
    """Tell whether a file from a source becomes the ``.pt`` as it is, byte for byte."""
    return checkpoint.format == "pt" and checkpoint.is_plain


def download_to(shelf: Shelf, spec: ModelSpec, directory: Path, progress: Progress | None = None) -> Path:
    """Download a model's checkpoint to a directory, and verify it; return the ``.pt`` with its tensors there.

    Raises
    ------
    ModelUnavailable, Unverified, FileError
        As `fetch` does.
    DownloadError
        When no source gave it; see `download.download`.
    """
    settings = shelf.settings
    urls, wanted, changed = order(shelf, spec, progress)
    require_space(directory, wanted.bytes)
    target = directory / (spec.path.rsplit("/", 1)[-1] or "model")
    with told(spec, wanted, changed):
        download(
            urls, target, wanted.bytes, wanted.sha256, settings.timeout, progress, retries=settings.retries
        )
    checkpoint = looked_into(spec, target, wanted)
    if checkpoint is None or is_kept(checkpoint):
        return target
    require_space(directory, target.stat().st_size)
    converted = directory / "converted.pt"
    checkpoint.save("pt", converted, spec.as_metadata())
    return converted
