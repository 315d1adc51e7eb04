"""What every operation on the cache needs: the settings, the catalogue, the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog import ModelSpec, find, of_network, unknown, with_file
from ..checkpoints import alike, recognise
from ..errors import FileError, UsageError
from ..settings import Settings
from ..store import Manifest, Store, digest_file
from ..store.commit import is_file
from ..store.names import FORMATS, TENSOR_FORMATS, slug_of

if TYPE_CHECKING:
    from ..formats import Layout


class Shelf:
    """The cache directories with their settings, and the models of the catalogue and of the user.

    Where several directories are listed, `places` are searched in order, and `store` is the first that can be
    written: what is downloaded or changed is there.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def store(self) -> Store:
        """The files of the directory that is written."""
        directories = self.settings.directories
        written = next((path for path in directories if _is_writable(path)), directories[0])
        return Store(written, self.settings.timeout)

    @cached_property
    def places(self) -> tuple[Shelf, ...]:
        """A shelf for each directory, in the order in which they are searched."""
        if not self.settings.more_dirs:
            return (self,)
        single = (replace(self.settings, cache_dir=path, more_dirs=()) for path in self.settings.directories)
        return tuple(Shelf(settings) for settings in single)

    @cached_property
    def here(self) -> Shelf:
        """The shelf of the directory that is written, alone."""
        return Shelf(replace(self.settings, cache_dir=self.store.root, more_dirs=()))

    def files(self) -> dict[str, dict[str, Path]]:
        """Return {slug: {format: path}} of all models; where two places hold a file, the first one's counts."""
        found: dict[str, dict[str, Path]] = {}
        for place in reversed(self.places):
            for slug, paths in place.store.files().items():
                found[slug] = {**found.get(slug, {}), **paths}
        return dict(sorted(found.items()))

    def known(self, slug: str) -> Manifest | None:
        """Return what the first place that knows a model knows of it, or None."""
        return next((known for place in self.places if (known := place.store.known(slug))), None)

    def sha256(self, spec: ModelSpec) -> str:
        """Return the digest of a model's weights: the published one, its source's, or that of its cached file."""
        known = None if spec.sha256 else self.known(spec.slug)
        if known and known.provenance.get("digest"):
            return known.provenance.get("sha256", "")
        recorded = (
            [known.files[format] for format in TENSOR_FORMATS if format in known.files] if known else []
        )
        return spec.sha256 or (recorded[0].digest.sha256 if recorded else "")

    @cached_property
    def catalog(self) -> dict[str, ModelSpec]:
        """The models that need no file to be known."""
        return with_file(self.settings.catalog)

    def spec(self, name: str) -> ModelSpec:
        """Return the model of that name: of the catalogue, or one that was imported.

        Raises
        ------
        UnknownModel
            With the names there are.
        """
        if spec := find(name, self.catalog):
            return spec
        try:
            slug = slug_of(name)
        except UsageError:
            slug = ""
        if slug and (mine := self._own(slug)):
            return mine
        raise unknown(name, self.catalog, [known for known in self.files() if known not in self.catalog])

    def _own(self, slug: str) -> ModelSpec | None:
        """Return an imported model: as its ``.pkl`` has it, else as its tensors and its ``.h5`` tell it again."""
        if manifest := self.known(slug):
            return manifest.spec
        paths = self.cached(slug)
        for format in ("h5", "pt"):
            if format in paths:
                from ..formats import scan  # slow to import, and listings need none

                with suppress(FileError):
                    return identify(
                        slug, scan(paths[format]), self.catalog, hints=self._hints(slug, paths[format])
                    )
        return None

    def _hints(self, slug: str, path: Path) -> Iterator[str]:
        """Yield what else may tell the network of a file that does not say it: a note, or its digest."""
        yield from filter(None, (place.store.noted_network(slug) for place in self.places))
        yield from (spec.network for spec in published_as(path, self.catalog))

    def embedded(self, spec: ModelSpec) -> Path | None:
        """Return the file of a model that ships in the package, or None."""
        return Path(__file__).parents[1] / "embedded" / spec.embedded if spec.embedded else None

    def cached(self, slug: str) -> dict[str, Path]:
        """Return {format: path} of a model's files in the cache, wherever they are."""
        found: dict[str, Path] = {}
        for place in self.places:
            for name in FORMATS:
                path = place.store.path(slug, name)
                if name not in found and is_file(path):
                    found[name] = path
        return found


def _is_writable(path: Path) -> bool:
    """Tell whether a directory can be written, or made."""
    try:
        existing = next(p for p in (path, *path.parents) if p.exists())
        return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    except OSError:
        return False


def published_as(path: Path, catalog: Mapping[str, ModelSpec]) -> Iterator[ModelSpec]:
    """Yield the models whose published file this is; it is hashed where its size lets it be one."""
    size = os.stat(path).st_size
    candidates = [spec for spec in catalog.values() if spec.sha256 and spec.bytes in (size, 0)]
    sha256 = digest_file(path).sha256 if candidates else ""
    yield from (spec for spec in candidates if spec.sha256 == sha256)


def identify(
    name: str,
    layout: Layout,
    catalog: Mapping[str, ModelSpec],
    network: str = "",
    hints: Iterable[str] = (),
) -> ModelSpec:
    """Return the spec of a checkpoint that is no published one, by its tensors' names and shapes.

    Input size, mean and standard deviation are those that our own exporter wrote into the file, else the network's.
    Where several networks have the same tensors, ``network`` says which it is, else what our own exporter wrote, else
    the first of the ``hints`` that is one of them. Else it is taken for the first of them, and that is said.
    Its licence is unknown: the published weights are others.

    Raises
    ------
    UnrecognisedFile
        When its tensors fit no network.
    UsageError
        When they do not fit ``network``.
    """
    fitting = alike(recognise(layout.shapes))
    if network and network not in fitting:
        raise UsageError(
            f"The file does not hold the network {network}",
            layout.path,
            f"It may be of {' or '.join(fitting)}.",
        )
    stated = _stated(layout)
    if stated and stated.network in ((network,) if network else fitting):
        return stated.renamed(name)
    if not network and len(fitting) > 1:
        network = next((hint for hint in hints if hint in fitting), "") or _guessed(layout, fitting, catalog)
    return replace(of_network(network or fitting[0], catalog).renamed(name), licence="unknown")


def _guessed(layout: Layout, fitting: Sequence[str], catalog: Mapping[str, ModelSpec]) -> str:
    """Take a file for one of the first network, and say so: the depth of another would be wrong."""
    import logging  # slow to import, and listings need none

    models = [spec.name for network in fitting for spec in catalog.values() if spec.network == network]
    logging.getLogger("depthmap").warning(
        "%s: %s have the same tensors, and nothing says which of them this is. It is taken for the first. If it is "
        "another, import it with '--as MODEL'.",
        layout.path,
        ", ".join(models or fitting),
    )
    return fitting[0]


def _stated(layout: Layout) -> ModelSpec | None:
    """Return the spec that our own exporter wrote into a file."""
    spec = layout.metadata.get("spec")
    with suppress(UsageError):
        return ModelSpec.from_dict(spec) if isinstance(spec, dict) else None
    return None
