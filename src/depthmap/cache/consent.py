"""Licences that are to be accepted before a download: whether that was done, and the note of it in the ``.pkl``."""

from __future__ import annotations

import time
from dataclasses import replace

from ..catalog import ModelSpec
from ..errors import LicenceNotAccepted
from ..licences import licence_of
from ..settings import ANY, Settings
from ..store import Manifest
from .shelf import Shelf

_WHAT, _WHEN = "licence accepted", "accepted on"
"""What the provenance of a model says of it."""


def require(shelf: Shelf, spec: ModelSpec, *, noted: bool = True) -> None:
    """Refuse a model whose licence is to be accepted and was not; note in its ``.pkl`` that it is, if it is so now.

    It needs the model's lock, unless ``noted`` is False: then the cache is neither asked nor told.

    Raises
    ------
    LicenceNotAccepted
        Saying what the licence is, where its text is, and how to accept it.
    CacheNotWritable
        When that cannot be noted.
    """
    if not is_due(shelf, spec, noted=noted):
        return
    refuse(shelf.settings, spec)
    if noted:
        manifest = shelf.store.known(spec.slug) or Manifest(spec)
        note = {_WHAT: spec.terms, _WHEN: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        shelf.store.write_manifest(spec.slug, replace(manifest, provenance={**manifest.provenance, **note}))


def refuse(settings: Settings, spec: ModelSpec) -> None:
    """Refuse a model whose licence is to be accepted, unless the settings say that it is.

    Raises
    ------
    LicenceNotAccepted
        As `require` does.
    """
    if not _is_accepted(settings, spec):
        raise _refusal(spec)


def is_due(shelf: Shelf, spec: ModelSpec, *, noted: bool = True) -> bool:
    """Tell whether a licence is to be accepted of which the cache does not say that it was."""
    manifest = shelf.known(spec.slug) if spec.terms and noted else None
    return bool(spec.terms) and not (manifest and manifest.provenance.get(_WHAT) == spec.terms)


def note_of(manifest: Manifest) -> dict[str, str]:
    """Return the part of a model's provenance that says what was accepted and when; it outlives the rest."""
    return {key: text for key, text in manifest.provenance.items() if key in (_WHAT, _WHEN)}


def _is_accepted(settings: Settings, spec: ModelSpec) -> bool:
    return bool({ANY, spec.slug, spec.terms.lower()} & set(settings.accept))


def _refusal(spec: ModelSpec) -> LicenceNotAccepted:
    licence = licence_of(spec)
    why = "" if spec.licence == spec.terms else f". The model is {spec.licence}"
    return LicenceNotAccepted(
        f"The licence {spec.terms} ({licence.says}) has not been accepted{why}",
        spec.name,
        f"Its text is at {licence.url}. If you accept it, add --accept-licence (in Python accept_licence=True), "
        f"or set DEPTHMAP_ACCEPT={spec.name}.",
    )
