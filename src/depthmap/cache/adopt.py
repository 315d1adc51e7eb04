"""Adoption: checkpoints that torch.hub or Hugging Face's tools have downloaded, taken into the cache."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from itertools import product
from pathlib import Path
from typing import NamedTuple

from .. import formats
from ..catalog import ModelSpec
from ..checkpoints import huggingface
from ..download import hub
from ..errors import CacheError, FileError, ModelFileCorrupted, UnrecognisedFile
from ..spec import HUB
from ..store import Digest, Manifest, digest_file
from ..store.commit import require_space
from ..store.copying import link_or_copy
from ..store.digest import LEAF
from ..store.names import TENSOR_FORMATS
from .budget import make_room, size_of
from .check import check, whole_files
from .checkpoint import out_of_transformers, read
from .digests import known
from .fetch import provenance
from .record import CONVERTED, STATED, Known
from .shelf import Shelf
from .source import is_kept

log = logging.getLogger("depthmap")
_FILES = ("model.safetensors", "pytorch_model.bin")
_Take = Callable[[Shelf, ModelSpec, Path, bool], str]
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Adoption(NamedTuple):
    """What became of one model.

    ``status`` is "adopted" (with a dry run: would be), "cached" (it has a whole file, and was left alone) or "missing".
    ``source`` is the file that was found; ``how`` is "linked", "copied" or "converted".
    """

    status: str
    source: Path | None = None
    how: str = ""


def hub_directory() -> Path:
    """Return where torch.hub keeps its checkpoints."""
    home = os.environ.get("TORCH_HOME") or _user_cache() / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def hugging_face_directory() -> Path:
    """Return where Hugging Face's tools keep what they have downloaded."""
    home = Path(os.environ.get("HF_HOME") or _user_cache() / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def adopt(shelf: Shelf, spec: ModelSpec, *, dry_run: bool = False) -> Adoption:
    """Take a model that is on this machine already into the cache.

    A checkpoint of torch.hub becomes the ``.pt``, hard-linked or copied; its SHA-256 must be the published one. So does
    the file that a source on Hugging Face's hub has, out of the cache of its tools, converted where it must be; its
    SHA-256 must be the one that the model is held to, else the one by which that cache names it. Where there is none,
    and the model has no whole file, its file under transformers' names becomes the ``.h5``: the tensors are renamed,
    and the name in that cache counts again. What does not hold is passed over, with a warning.

    Raises
    ------
    CacheError
        When the cache cannot take it in: no room, no permission, another writer.
    """
    for source, wanted, take in _candidates(spec):
        if _is_whole(shelf, spec, wanted, dry_run):
            return Adoption("cached")
        with nullcontext() if dry_run else shelf.store.lock(spec.slug):
            if _is_whole(shelf, spec, wanted, dry_run):  # another process was quicker
                return Adoption("cached")
            try:
                return Adoption("adopted", source, take(shelf, spec, source, dry_run))
            except (FileError, OSError) as error:
                log.warning("%s was skipped for %s: %s", source, spec.name, error)
    return Adoption("cached" if _is_whole(shelf, spec, TENSOR_FORMATS, dry_run) else "missing")


def _candidates(spec: ModelSpec) -> Iterator[tuple[Path, tuple[str, ...], _Take]]:
    """Yield files that may be the model, the formats that would make them superfluous, and how each is taken."""
    for path in _published_files(spec) if spec.sha256 else ():
        if (size := size_of(path)) and spec.bytes in (size, 0):
            yield path, ("pt",), _take_published
    for path in _snapshots(*hub.place(spec.url)) if hub.is_hub(spec.url) else ():
        yield path, ("pt",), _take_source
    for name in _FILES if spec.hf_repo else ():
        for path in _snapshots(spec.hf_repo, name):
            yield path, TENSOR_FORMATS, _take_converted


def _published_files(spec: ModelSpec) -> Iterator[Path]:
    """Yield where torch.hub, or a repository on Hugging Face other than the source, may have put the published file."""
    for name in spec.hub_names:
        yield hub_directory() / name
        if spec.hf_repo:
            yield from _snapshots(spec.hf_repo, name)


def is_adoptable(spec: ModelSpec) -> bool:
    """Tell whether another tool may have a model's file."""
    return bool(spec.hub_names or spec.hf_repo or (hub.is_hub(spec.url) and hub.place(spec.url)[0]))


def _snapshots(repository: str, name: str) -> Iterator[Path]:
    """Yield the files of that name in Hugging Face's cache, each blob once."""
    whole = repository if repository.startswith(hub.KINDS) else f"models/{repository}"
    folder = hugging_face_directory() / whole.replace("/", "--") / "snapshots"
    blobs = {os.path.realpath(path): path for path in sorted(folder.glob(f"*/{glob.escape(name)}"))}
    for blob, path in blobs.items():
        if size_of(Path(blob)):
            yield path


def _is_whole(shelf: Shelf, spec: ModelSpec, wanted: Sequence[str], dry_run: bool) -> bool:
    """Tell whether the model has a whole file in one of the ``wanted`` formats; damaged ones make way, if they may."""
    if not dry_run:
        return bool(whole_files(shelf, spec, wanted))
    for place, format in product(shelf.places, wanted):
        with suppress(FileError, CacheError, OSError):
            if check(place, spec, format):
                return True
    return False


def _take_published(shelf: Shelf, spec: ModelSpec, source: Path, dry_run: bool) -> str:
    if dry_run:
        _published(spec, source)
        return ""
    with shelf.store.staging(spec.slug, "pt") as staged:
        how = link_or_copy(source, staged)
        digest = _published(
            spec, staged
        )  # of the bytes that the cache will have, whatever becomes of the source
        make_room(shelf, spec, digest.size)
        manifest = _manifest(shelf, spec, provenance(str(source), digest.sha256, "adopted"))
        shelf.store.add(manifest, spec.slug, "pt", staged, digest)
    return how


def _published(spec: ModelSpec, path: Path) -> Digest:
    digest = digest_file(path)
    if digest.sha256 != spec.sha256:
        raise ModelFileCorrupted(
            "its SHA-256 is not the published one", path, "Remove it; what downloaded it will do so again."
        )
    return digest


def _take_source(shelf: Shelf, spec: ModelSpec, source: Path, dry_run: bool) -> str:
    digest = digest_file(source)
    wanted = _vouched(shelf, spec, source, digest)
    checkpoint = read(source, spec.network)
    if dry_run:
        return ""
    make_room(shelf, spec, digest.size)
    require_space(shelf.store.root, digest.size)
    kept = is_kept(checkpoint)
    origin = provenance(spec.url, digest.sha256, "adopted" + ("" if kept else CONVERTED))
    origin |= wanted.provenance | checkpoint.origin
    with shelf.store.staging(spec.slug, "pt") as staged:
        how = "converted"
        if kept:
            how = link_or_copy(source, staged)
            _require(digest_file(staged), digest.sha256, source)  # of the bytes that the cache will have
        else:
            checkpoint.save("pt", staged, spec.as_metadata())
        shelf.store.add(_manifest(shelf, spec, origin), spec.slug, "pt", staged)
    return how


def _vouched(shelf: Shelf, spec: ModelSpec, source: Path, digest: Digest) -> Known:
    """Return what vouches for the source's file out of Hugging Face's cache: our record, else the name of its blob."""
    if held := known(shelf, spec):
        _require(digest, held.sha256, source)
        return held
    named = Path(os.path.realpath(source)).name
    if not _SHA256.fullmatch(named):
        raise UnrecognisedFile(
            "nothing records its SHA-256", source, f"Run 'depthmap models download --model {spec.name}'."
        )
    _require(digest, named, source)
    commit = source.parts[len(hugging_face_directory().parts) + 2]
    return Known(digest.sha256, digest.size, STATED, commit)


def _require(digest: Digest, sha256: str, source: Path) -> None:
    if digest.sha256 != sha256:
        raise ModelFileCorrupted(
            f"its SHA-256 is not the expected {sha256[:16]}…",
            source,
            "Remove it; Hugging Face's tools will download it again.",
        )


def _take_converted(shelf: Shelf, spec: ModelSpec, source: Path, dry_run: bool) -> str:
    from ..formats.arrays import map_arrays

    huggingface.sources(formats.scan(source).shapes, spec.network)  # before a gigabyte is hashed
    digest = _named(source)
    if dry_run:
        return ""
    tensors = out_of_transformers(map_arrays(source), spec.network)
    make_room(shelf, spec, digest.size)
    require_space(shelf.store.root, digest.size + LEAF)  # an .h5 is larger by its headers
    origin = provenance(HUB + spec.hf_repo, digest.sha256, "converted from the Hugging Face cache")
    with shelf.store.staging(spec.slug, "h5") as staged:
        formats.get("h5").save(tensors, staged, spec.as_metadata())
        shelf.store.add(_manifest(shelf, spec, origin), spec.slug, "h5", staged)
    return "converted"


def _named(source: Path) -> Digest:
    """Return the digest of a file of Hugging Face's cache, which is the name of the blob that it links to.

    Where links are not to be had that cache keeps plain files, and nothing says what their bytes should be.
    """
    digest = digest_file(source)
    name = Path(os.path.realpath(source)).name
    if not _SHA256.fullmatch(name):
        log.warning(
            "%s: nothing records its SHA-256, so only the names and shapes of its tensors were checked",
            source,
        )
    elif digest.sha256 != name:
        raise ModelFileCorrupted(
            "its SHA-256 is not the one in its name",
            source,
            "Remove it; Hugging Face's tools will download it again.",
        )
    return digest


def _manifest(shelf: Shelf, spec: ModelSpec, origin: dict[str, str]) -> Manifest:
    known = shelf.store.known(spec.slug) or Manifest(spec)
    return Manifest(spec, origin, known.files, known.pinned)
