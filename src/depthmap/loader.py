"""spec → ready network. The order of sources lives here: ``.pt``, ``.h5``, the package, a download.

`load` needs torch. `use_weights` does not: an engine opens what it finds.
"""

from __future__ import annotations

import gc
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from . import formats
from .cache import ModelCache, Shelf, consent
from .cache.check import known_layout, set_aside, stamp_of, whole
from .cache.fetch import fetch
from .cache.source import download_to
from .catalog import EMBEDDED, ModelSpec, by_accuracy
from .download import Progress
from .engines import TORCH_EXTRA
from .errors import DownloadError, FileError, ModelFileCorrupted, ModelUnavailable
from .formats.mapping import is_remote, map_tensors
from .formats.readahead import read_ahead
from .formats.tensors import Layout
from .settings import Settings
from .store.digest import sha256_of
from .store.names import TENSOR_FORMATS

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

log = logging.getLogger("depthmap")
_ROUNDS = 10
"""How often a file may be replaced while it is loaded before another is taken."""


@contextmanager
def _no_collections() -> Iterator[None]:
    """Put garbage collection off: what a load makes is no garbage, and to look through all of torch takes 70 ms."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run, and where it came from.

    ``network`` is in evaluation mode on the CPU, in float32. Its tensors lie in the mapping of ``path``. ``source`` is
    "pt", "h5", "embedded" or "download". ``seconds`` is the time that loading took. ``sha256`` is the digest of the
    weights: the published one, or else that of the cached file.
    """

    spec: ModelSpec
    network: nn.Module
    source: str
    path: Path
    seconds: float
    sha256: str = ""


class Weights(NamedTuple):
    """A whole file of weights. ``layout`` is where its tensors lie, if that is known.

    ``read`` says to read it into memory rather than to map it.
    """

    path: Path
    format: str
    layout: Layout | None = None
    read: bool = False


Use = Callable[[ModelSpec, Weights], T]
"""What makes something of a model's weights: the network of torch, or of an engine."""


def choose(cache: ModelCache) -> tuple[ModelSpec, str]:
    """Return the default model, and why it is: ``DEPTHMAP_MODEL``, else the most accurate cached one, else the
    embedded one.

    One that gives metres, or whose licence asks to be accepted, is never the default: see `catalog.by_accuracy`.

    Raises
    ------
    UnknownModel
        If ``DEPTHMAP_MODEL`` names no known model.
    """
    if cache.settings.model:
        return cache.spec(cache.settings.model), "DEPTHMAP_MODEL names it"
    if not cache.settings.disable_cache:
        for spec in by_accuracy(cache.shelf.catalog):
            if cache.is_cached(spec.slug):
                return spec, "the most accurate model in the cache"
    return EMBEDDED, "ships with depthmap; no other model is cached that may be the default"


def is_read(settings: Settings, path: Path) -> bool:
    """Tell whether a file is to be read into memory, not mapped."""
    return settings.load == "read" or (settings.load == "auto" and is_remote(path))


def begin(name: str, cache: ModelCache) -> None:
    """Begin to read the file that `load` will take, in a thread beside: to be called before torch is imported.

    Raises
    ------
    UnknownModel
        When there is no such model.
    """
    cached = cache.shelf.cached(cache.spec(name).slug)
    for path in (cached[format] for format in TENSOR_FORMATS if format in cached):
        if not is_read(cache.settings, path):
            read_ahead(path, populate=True)
        return


def load(
    name: str, cache: ModelCache, *, use_cache: bool = True, progress: Progress | None = None
) -> LoadedModel:
    """Return the network of a model, ready to run.

    Parameters
    ----------
    name : str
        A model of the catalogue, or one that you imported; in upper or lower case.
    cache : ModelCache
        Where to look for the model, and where to put a download.
    use_cache : bool
        False: read nothing from the cache and leave nothing in it. ``DEPTHMAP_DISABLE_CACHE`` does the same.
    progress : callable, optional
        Called during a download; see `download.Progress`.

    Raises
    ------
    UnknownModel
        If there is no such model.
    ModelFileCorrupted
        If the model's files are damaged and a whole one cannot be downloaded.
    ModelUnavailable, DownloadError, LicenceNotAccepted
        If the model is not cached and cannot be downloaded, or not before its licence is accepted.
    MissingExtra
        If torch is not installed.
    """
    TORCH_EXTRA.check()
    start = time.perf_counter()
    spec = cache.spec(name)
    network, source, path = use_weights(spec, cache, _network, use_cache=use_cache, progress=progress)
    return LoadedModel(spec, network, source, path, time.perf_counter() - start, cache.shelf.sha256(spec))


def use_weights(
    spec: ModelSpec,
    cache: ModelCache,
    use: Use[T],
    *,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> tuple[T, str, Path]:
    """Return what ``use`` makes of a model's weights, their source and their path; see `load` for what is raised."""
    use_cache = use_cache and not cache.settings.disable_cache
    found = (_cached(spec, cache, use) if use_cache else None) or _embedded(spec, cache, use)
    return found or (_fetched if use_cache else _passing)(spec, cache, use, progress)


@_no_collections()
def _cached(spec: ModelSpec, cache: ModelCache, use: Use[T]) -> tuple[T, str, Path] | None:
    """Use the first whole file; a damaged one is set aside, and the next is tried."""
    for place in cache.shelf.places:
        for format in TENSOR_FORMATS:
            if used := _from_file(place, spec, format, use):
                cache.shelf.store.touch(spec.slug)
                return used
    return None


def _from_file(place: Shelf, spec: ModelSpec, format: str, use: Use[T]) -> tuple[T, str, Path] | None:
    """Use one file, if it is whole; again where a writer replaces it between the check and the use."""
    for _ in range(_ROUNDS):
        seen = stamp_of(place, spec, format)
        path = whole(place, spec, format, every_byte=place.settings.verify == "always")
        if path is None:
            return None
        layout, read = known_layout(place, spec, format), is_read(place.settings, path)
        try:
            used = use(spec, Weights(path, format, layout, read))
        except FileNotFoundError:  # removed by another process since it was checked
            return None
        except FileError as error:  # its header is damaged, under an unchanged stamp
            if set_aside(place, spec, format, error, seen):
                return None
            continue
        if stamp_of(place, spec, format) in (seen, None):  # None: removed since, and still what it was
            return used, format, path
    return None


@_no_collections()
def _network(spec: ModelSpec, weights: Weights) -> nn.Module:
    """Build the network of ``spec`` and give it the tensors of a file."""
    from . import networks

    path, format, layout, read = weights
    network = networks.build(spec.network)
    known = layout and map_tensors(path, lambda: layout, read=read)
    tensors = known or formats.get(format).load(path, read=read)
    networks.fill_in_float32(network, tensors)
    if not read:
        # Only now: what says where tensors lie is read here and there, and would wait for all the rest.
        read_ahead(path)
    return network


def _embedded(spec: ModelSpec, cache: ModelCache, use: Use[T]) -> tuple[T, str, Path] | None:
    path = cache.shelf.embedded(spec)
    if path is None:
        return None
    if not path.is_file() or sha256_of(path) != spec.sha256:
        raise ModelFileCorrupted(
            "the model in the package is missing or damaged",
            path,
            "Run 'pip install --force-reinstall depthmap'.",
        )
    return use(spec, Weights(path, "pt")), "embedded", path


def _fetched(
    spec: ModelSpec, cache: ModelCache, use: Use[T], progress: Progress | None
) -> tuple[T, str, Path]:
    """Download into the cache and use what is there then."""
    try:
        fetch(cache.shelf, spec, progress=progress)
    except (DownloadError, ModelUnavailable) as error:
        damaged = [path for slug, path in cache.shelf.store.aside() if slug == spec.slug]
        if not damaged:
            raise
        remedy = f"The damaged file was set aside. {error.remedy}"
        raise ModelFileCorrupted(
            f"no whole file of {spec.name} is left ({error.what})", damaged[-1], remedy
        ) from error
    found = _cached(spec, cache, use)
    if found is None:
        raise ModelUnavailable(
            "The model was downloaded, but cannot be read back",
            spec.name,
            "Check the disk with 'depthmap doctor'.",
        )
    used, _, path = found
    return used, "download", path


def _passing(
    spec: ModelSpec, cache: ModelCache, use: Use[T], progress: Progress | None
) -> tuple[T, str, Path]:
    """Download to a temporary file, which is gone as soon as it is mapped."""
    consent.require(cache.shelf, spec, noted=False)
    with tempfile.TemporaryDirectory(prefix="depthmap-", ignore_cleanup_errors=True) as directory:
        path = download_to(cache.shelf, spec, Path(directory), progress)
        return use(spec, Weights(path, "pt")), "download", path
