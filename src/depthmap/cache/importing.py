"""Import: a checkpoint of a user's, taken into the cache."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace as replace_layout
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import formats
from ..catalog import ModelSpec
from ..checkpoints import alike, places, require_fit, without_indices
from ..checkpoints.places import Place
from ..errors import UnrecognisedFile, UsageError
from ..formats import Layout
from ..store import Manifest, digest_file
from ..store.commit import require_space
from ..store.names import TENSOR_FORMATS, slug_of
from .budget import make_room
from .fetch import provenance
from .mistaken import require_checkpoint
from .shelf import Shelf, identify, published_as

if TYPE_CHECKING:
    from ..formats.arrays import Array

log = logging.getLogger("depthmap")


class _Checkpoint(NamedTuple):
    """A network's own tensors out of a file; ``is_all`` tells whether the file holds them under their names alone."""

    layout: Layout
    tensors: Mapping[str, Array]
    origin: dict[str, str]
    is_all: bool


def import_file(
    shelf: Shelf,
    source: Path,
    name: str,
    *,
    wanted: tuple[str, ...] = TENSOR_FORMATS,
    replace: bool = False,
    network: str = "",
    like: str = "",
) -> ModelSpec:
    """Take a checkpoint into the cache under ``name``; return what it is.

    Its network is recognised by its tensors' names and shapes, whatever stands before all of the names. Where several
    have the same, ``network`` says which, or ``like``, a model of that network; else the file does, if it is a
    published one or depthmap wrote it. Else it is taken for the first of them, with a warning.

    A flat ``.pt`` that holds nothing else is kept byte for byte; of any other file the network's tensors are written
    anew, without indices that it never reads. What else is left out is said in a warning, and the provenance has it,
    and the prefix.

    Raises
    ------
    UnrecognisedFile
        When it is no checkpoint, or its tensors fit no network, with what was found and what was expected.
    UnsafeFile, ModelFileCorrupted
        When it is hostile or damaged.
    UsageError
        When the name is taken, the file is not there or a directory, or the network is another.
    UnknownModel
        When there is no model ``like``.
    """
    network = shelf.spec(like).network if like else network
    source = source.expanduser().absolute()
    slug = slug_of(name)
    if source.suffix.lower() in (".pkl", ".pickle"):
        raise UnrecognisedFile(
            "A .pkl holds a model's description, not its tensors", source, "Import the .pt or the .h5."
        )
    require_checkpoint(source)
    format = formats.format_of(source)
    checkpoint = _read(source)
    catalogued = shelf.catalog.get(slug)
    spec = catalogued or _identified(shelf, source, name, checkpoint.layout, network)
    with shelf.store.lock(slug):
        digest = digest_file(source)
        _require_name(shelf, slug, source, digest.sha256, replace=replace)
        require_space(shelf.store.root, digest.size * len(wanted))
        make_room(shelf, spec, digest.size * len(wanted))
        before = shelf.store.known(slug)
        kept = before.files if before and catalogued else {}
        origin = provenance(str(source), digest.sha256, "imported") | checkpoint.origin
        manifest = Manifest(spec, origin, kept, pinned=bool(before and before.pinned))
        with ExitStack() as stack:
            staged = {}
            for target in wanted:
                temporary = stack.enter_context(shelf.store.staging(slug, target))
                if target == format == "pt" and checkpoint.is_all:
                    shutil.copyfile(source, temporary)
                else:
                    tensors = without_indices(checkpoint.tensors, spec.network)
                    formats.get(target).save(tensors, temporary, spec.as_metadata())
                staged[target] = temporary
            shelf.store.replace(manifest, slug, staged)
        told = catalogued or len(alike(spec.network)) == 1
        shelf.store.note_network(slug, "" if told else spec.network)
    return spec


def _identified(shelf: Shelf, source: Path, name: str, layout: Layout, network: str) -> ModelSpec:
    published = (spec.network for spec in published_as(source, shelf.catalog))
    return identify(name, layout, shelf.catalog, network, hints=published)


def _read(source: Path) -> _Checkpoint:
    """Return the network's tensors in a file, and say what else there was."""
    from ..formats.arrays import map_arrays

    layout, tensors = formats.scan(source), map_arrays(source)
    place, *others = places.find(layout.shapes)
    _require_same(tensors, place, others, source)
    own = {name: tensors[there] for name, there in place.tensors.items()}
    found = replace_layout(layout, tensors={n: layout.tensors[there] for n, there in place.tensors.items()})
    require_fit(place.network, found.dtypes_and_shapes)  # which looks at the kinds of numbers too
    origin = {}
    if place.prefix:
        origin["prefix"] = place.prefix
    if place.left_out:
        origin["left out"] = places.some(place.left_out)
        log.warning("%s: left out tensors that are not part of the network: %s", source, origin["left out"])
    if layout.unread:
        log.warning("%s: skipped what is not a plain tensor: %s", source, places.some(layout.unread))
    return _Checkpoint(found, own, origin, layout.mapped and not origin)


def _require_same(tensors: Mapping[str, Array], place: Place, others: list[Place], source: Path) -> None:
    """Refuse a file that holds several networks, or one with different numbers: nothing says which is meant."""
    for other in others:
        same = other.network == place.network and all(
            _are_equal(tensors[there], tensors[other.tensors[name]])
            for name, there in place.tensors.items()
            if name in other.tensors
        )
        if not same:
            prefixes = " and ".join(repr(one.prefix) for one in (place, *others)[:4])
            raise UnrecognisedFile(
                f"The file holds {len(others) + 1} networks, with tensor names that begin with {prefixes}",
                source,
                "Save the state dict of the one you mean in a file of its own.",
            )


def _are_equal(one: Array, other: Array) -> bool:
    import numpy as np

    return one.dtype == other.dtype and np.array_equal(one.values, other.values)


def _require_name(shelf: Shelf, slug: str, source: Path, sha256: str, *, replace: bool) -> None:
    """Refuse a name that stands for another checkpoint; an import of the same one that was cut short goes on."""
    if catalogued := shelf.catalog.get(slug):
        if sha256 != catalogued.sha256:
            raise UsageError(
                f"{catalogued.name} is the name of the published checkpoint, and this is another file",
                source,
                "Choose another --name.",
            )
        return
    there, known = shelf.cached(slug), shelf.store.known(slug)
    unfinished = known and known.provenance.get("sha256") == sha256 and not set(known.files) <= set(there)
    if set(there) & set(TENSOR_FORMATS) and not unfinished and not replace:
        raise UsageError(
            f"The cache already has a model {slug!r}",
            source,
            "Choose another --name, or replace it with --force.",
        )
