"""What every operation on the cache needs: the settings, the catalogue, the store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .. import formats
from ..catalog import ModelSpec, find, with_file
from ..errors import FileError, UnknownModel, UsageError
from ..settings import Settings
from ..store import Store
from ..store.names import FORMATS, slug_of


@dataclass(frozen=True)
class Shelf:
    """A cache directory with its settings, and the models of the catalogue and of the user."""

    settings: Settings

    @cached_property
    def store(self) -> Store:
        """The files."""
        return Store(self.settings.cache_dir, self.settings.timeout)

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
        imported = [known for known in self.store.files() if known not in self.catalog]
        names = ", ".join([*(known.name for known in self.catalog.values()), *imported])
        remedy = f"Known models: {names}. 'depthmap models import' adds a checkpoint of yours."
        raise UnknownModel("No model has this name", name, remedy)

    def _own(self, slug: str) -> ModelSpec | None:
        """Return an imported model: as its ``.pkl`` has it, else as its tensors and its ``.h5`` tell it again."""
        if manifest := self.store.known(slug):
            return manifest.spec
        paths = self.cached(slug)
        for format in ("h5", "pt"):
            if format in paths:
                with suppress(FileError):
                    return identify(slug, formats.scan(paths[format]), self.catalog)
        return None

    def embedded(self, spec: ModelSpec) -> Path | None:
        """Return the file of a model that ships in the package, or None."""
        return Path(__file__).parents[1] / "embedded" / spec.embedded if spec.embedded else None

    def cached(self, slug: str) -> dict[str, Path]:
        """Return {format: path} of a model's files in the cache."""
        paths = {name: self.store.path(slug, name) for name in FORMATS}
        return {name: path for name, path in paths.items() if path.is_file()}


def identify(name: str, layout: formats.Layout, catalog: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the spec of a checkpoint that is no published one, by its tensors' names and shapes.

    Input size, mean and standard deviation are those that our own exporter wrote into the file, else the network's.

    Raises
    ------
    UnrecognisedFile
        When its tensors fit no network.
    """
    from ..networks import recognise

    network = recognise(layout.shapes)
    base = next(spec for spec in catalog.values() if spec.network == network)
    with suppress(UsageError):
        stated = (
            ModelSpec.from_dict(layout.metadata["spec"])
            if isinstance(layout.metadata.get("spec"), dict)
            else base
        )
        base = stated if stated.network == network else base
    return base.renamed(name)
