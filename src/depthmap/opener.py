"""spec → network that an engine has opened, without torch; what `loader` is for torch."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .cache import ModelCache, Shelf
from .cache.check import stamp_of, whole
from .cache.compiling import bound_format
from .catalog import ModelSpec
from .download import Progress
from .engines import ENGINES, PLAIN, Engine, Runner
from .engines.artefact import properties_of, weights_id
from .engines.forking import Forkable
from .engines.parity import HALF_TOLERANCE
from .errors import DepthmapError, EngineUnavailable
from .formats.readahead import read_ahead
from .loader import Weights, is_read, use_weights
from .plain import hold, run_plainly
from .store import Stamp
from .store.digest import sha256_of
from .store.names import ARTEFACT

log = logging.getLogger("depthmap")


@dataclass(frozen=True)
class OpenedModel:
    """A network that an engine without torch has loaded: ``runner`` runs it.

    ``source`` and ``path`` say where its weights are, ``sha256`` is their digest; ``lease`` marks that file as in use
    for as long as it lives.
    """

    spec: ModelSpec
    engine: Engine
    runner: Runner
    source: str
    path: Path
    lease: mmap.mmap
    sha256: str = ""


def open_model(
    name: str,
    cache: ModelCache,
    engines: Sequence[str],
    *,
    half: bool = False,
    many: bool = False,
    use_cache: bool = True,
) -> OpenedModel | None:
    """Return a model that the first possible of ``engines`` has loaded, or None: torch has to load it then.

    It needs an artefact that is bound to whole weights, and in which the engine was compared with torch. With
    ``half`` an engine may use its shorter type, where that was exact enough; for ``many`` pictures it may take its time
    to make ready.

    Raises
    ------
    UnknownModel
        When there is no such model.
    """
    opened = _open(name, cache, engines, half, many, use_cache)
    if opened is None:
        return None
    engine = opened.engine.name
    return _forkable(opened, lambda: _open(name, cache, [engine], half, many, use_cache))


def open_weights(
    name: str,
    cache: ModelCache,
    *,
    many: bool = False,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> OpenedModel:
    """Return a model that the engine `PLAIN` has loaded, compiled or not: what `loader.load` is for torch.

    Raises
    ------
    DepthmapError
        As `loader.load` does.
    EngineUnavailable
        When the engine cannot run it.
    """
    spec = cache.spec(name)

    def use(spec: ModelSpec, weights: Weights) -> tuple[Runner, mmap.mmap]:
        return run_plainly(spec, weights, many=many)

    def once(progress: Progress | None) -> OpenedModel:
        (runner, held), source, path = use_weights(spec, cache, use, use_cache=use_cache, progress=progress)
        return OpenedModel(spec, PLAIN, runner, source, path, held, cache.shelf.sha256(spec))

    return _forkable(once(progress), lambda: once(None))


def _forkable(opened: OpenedModel, open_again: Callable[[], OpenedModel | None]) -> OpenedModel:
    """Return a model that a forked child can run too, opened again there if its engine needs that."""
    if not opened.engine.renewed:
        return replace(opened, runner=Forkable(opened.runner))

    def again() -> Runner:
        anew = None
        with suppress(DepthmapError):
            anew = open_again()
        if anew is None or anew.sha256 != opened.sha256:
            raise EngineUnavailable(
                "The model was replaced or removed since its process was forked",
                opened.path,
                "Start the program again, or make the estimator in the child.",
            )
        return lambda *inputs: anew.runner(*inputs)  # which keeps its lease

    return replace(opened, runner=Forkable(opened.runner, again))


def _open(
    name: str, cache: ModelCache, engines: Sequence[str], half: bool, many: bool, use_cache: bool
) -> OpenedModel | None:
    spec = cache.spec(name)
    use_cache = use_cache and not cache.settings.disable_cache
    bound = _bound(spec, cache) if use_cache else None
    if bound is None and not (use_cache and cache.is_cached(spec.slug)):
        bound = _embedded_artefact(spec, cache)
    if bound is None:
        return None
    properties = properties_of(bound.artefact)
    for engine in (ENGINES[name] for name in engines):
        if f"parity:{engine.name}" in properties and find_spec(engine.name):
            short = f"parity:{engine.name} {engine.half}"
            allowed = half and float(properties.get(short, "inf")) <= HALF_TOLERANCE
            if opened := _opened(spec, bound, engine, half=allowed, many=many):
                if bound.place:
                    cache.shelf.store.touch(spec.slug)
                return replace(opened, sha256=cache.shelf.sha256(spec))
    return None


class _Bound(NamedTuple):
    """An artefact and the file of weights that it is bound to, both whole."""

    artefact: Path
    weights: Path
    source: str
    place: Shelf | None = None

    def stamps(self, spec: ModelSpec) -> tuple[Stamp | None, ...]:
        formats = (ARTEFACT, self.source) if self.place else ()
        return tuple(stamp_of(self.place, spec, format) for format in formats if self.place)


def _bound(spec: ModelSpec, cache: ModelCache) -> _Bound | None:
    """Return the first artefact of the cache that is whole, with its weights."""
    always = cache.settings.verify == "always"
    for place in cache.shelf.places:
        format = bound_format(place, spec)
        path = place.store.path(spec.slug, format)
        if not format or is_read(place.settings, path):
            continue
        read_ahead(path)
        files = [whole(place, spec, kind, every_byte=always) for kind in (format, ARTEFACT)]
        if all(files):
            return _Bound(place.store.path(spec.slug, ARTEFACT), path, format, place)
    return None


def _embedded_artefact(spec: ModelSpec, cache: ModelCache) -> _Bound | None:
    path = cache.shelf.embedded(spec)
    if path is None or not path.is_file():
        return None
    artefact = path.with_suffix(f".{ARTEFACT}")
    sha256 = sha256_of(path)
    if sha256 != spec.sha256 or properties_of(artefact).get("weights") != weights_id("pt", sha256):
        return None
    return _Bound(artefact, path, "embedded")


def _opened(spec: ModelSpec, bound: _Bound, engine: Engine, *, half: bool, many: bool) -> OpenedModel | None:
    """Let an engine open an artefact; None when a file is replaced meanwhile, or the engine fails."""
    before = bound.stamps(spec)
    try:
        held = hold(bound.weights)
        runner = engine.open(bound.artefact, half=half, many=many)
    except Exception as error:  # whatever an engine of another version finds wrong with it; torch runs it
        log.warning("%s cannot run %s: %s", engine.name, bound.artefact, error)
        return None
    if any(now not in (then, None) for then, now in zip(before, bound.stamps(spec), strict=True)):
        return None
    return OpenedModel(spec, engine, runner, bound.source, bound.weights, held)
