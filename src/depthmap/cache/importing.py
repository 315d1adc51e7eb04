"""Import: a checkpoint of a user's, taken into the cache."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from contextlib import ExitStack
from pathlib import Path

from ..catalog import ModelSpec
from ..checkpoints import alike, places
from ..errors import UnrecognisedFile, UsageError
from ..formats import Layout
from ..store import Manifest, digest_file
from ..store.commit import require_space
from ..store.names import TENSOR_FORMATS, slug_of
from .budget import make_room
from .checkpoint import Checkpoint, read
from .digests import known
from .fetch import provenance
from .mistaken import require_checkpoint
from .shelf import Shelf, identify, published_as

log = logging.getLogger("depthmap")


def import_file(
    shelf: Shelf,
    source: Path,
    name: str,
    *,
    wanted: tuple[str, ...] = TENSOR_FORMATS,
    replace: bool = False,
    network: str = "",
    like: str = "",
    origin: str = "",
) -> ModelSpec:
    """Take a checkpoint into the cache under ``name``; return what it is.

    Its network is recognised by its tensors' names and shapes, whatever stands before all of the names. Where several
    have the same, ``network`` says which, or ``like``, a model of that network; else the file does, if it is a
    published one or depthmap wrote it. Else it is taken for the first of them, with a warning.

    A flat ``.pt`` that holds nothing else is kept byte for byte; of any other file the network's tensors are written
    anew, without indices that it never reads. What else is left out is said in a warning, and the provenance has it,
    and the prefix. The provenance names the file, or ``origin`` where that has nothing to say.

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
    checkpoint = read(source)
    _say(checkpoint, source)
    catalogued = shelf.catalog.get(slug)
    spec = catalogued or _identified(shelf, source, name, checkpoint.layout, network)
    with shelf.store.lock(slug):
        digest = digest_file(source)
        _require_name(shelf, slug, source, digest.sha256, replace=replace)
        require_space(shelf.store.root, digest.size * len(wanted))
        make_room(shelf, spec, digest.size * len(wanted))
        before = shelf.store.known(slug)
        kept = before.files if before and catalogued else {}
        facts = provenance(origin or str(source), digest.sha256, "imported") | checkpoint.origin
        if held := known(shelf, spec):
            facts |= held.provenance
        manifest = Manifest(spec, facts, kept, pinned=bool(before and before.pinned))
        with ExitStack() as stack:
            staged = {}
            for target in wanted:
                temporary = stack.enter_context(shelf.store.staging(slug, target))
                if target == checkpoint.format == "pt" and checkpoint.is_mapped:
                    shutil.copyfile(source, temporary)
                else:
                    checkpoint.save(target, temporary, spec.as_metadata())
                staged[target] = temporary
            shelf.store.replace(manifest, slug, staged)
        told = catalogued or len(alike(spec.network)) == 1
        shelf.store.note_network(slug, "" if told else spec.network)
    return spec


def _identified(shelf: Shelf, source: Path, name: str, layout: Layout, network: str) -> ModelSpec:
    published = {spec.network: spec for spec in published_as(source, shelf.catalog)}
    spec = identify(name, layout, shelf.catalog, network, hints=published)
    return (
        dataclasses.replace(spec, licence=published[spec.network].licence)
        if spec.network in published
        else spec
    )


def _say(checkpoint: Checkpoint, source: Path) -> None:
    """Warn of what else there was in a file."""
    if left_out := checkpoint.origin.get("left out"):
        log.warning("%s: left out tensors that are not part of the network: %s", source, left_out)
    if unread := checkpoint.layout.unread:
        log.warning("%s: skipped what is not a plain tensor: %s", source, places.some(unread))


def _require_name(shelf: Shelf, slug: str, source: Path, sha256: str, *, replace: bool) -> None:
    """Refuse a name that stands for another checkpoint; an import of the same one that was cut short goes on."""
    if catalogued := shelf.catalog.get(slug):
        held = known(shelf, catalogued)
        if held is None or sha256 != held.sha256:
            what = "published checkpoint" if held else "checkpoint that its source has"
            raise UsageError(
                f"{catalogued.name} is the name of the {what}, and this is another file"
                + ("" if held else ", as far as anybody knows"),
                source,
                "Choose another --name.",
            )
        return
    there, before = shelf.cached(slug), shelf.store.known(slug)
    unfinished = before and before.provenance.get("sha256") == sha256 and not set(before.files) <= set(there)
    if set(there) & set(TENSOR_FORMATS) and not unfinished and not replace:
        raise UsageError(
            f"The cache already has a model {slug!r}",
            source,
            "Choose another --name, or replace it with --force.",
        )
