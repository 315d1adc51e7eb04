"""The models that depthmap knows, and those that a user's file adds. `published` has the facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .errors import UnknownModel, UsageError
from .published import BY_ACCURACY, GROUPS, MODELS, RECOMMENDED
from .spec import RELEASES, RESIZES, ModelSpec

__all__ = [
    "CATALOG",
    "EMBEDDED",
    "GROUPS",
    "RECOMMENDED",
    "RELEASES",
    "RESIZES",
    "SIZES",
    "ModelSpec",
    "by_accuracy",
    "find",
    "of_network",
    "require",
    "unknown",
    "with_file",
]
SIZES = (32, 1536)
"""The least and the greatest longer side, in pixels, at which a network may be asked to see pictures.

A transformer's memory grows with the fourth power of it: for a square at the greatest, the scores of one attention of
DPT_Large are 5.4 GB, and an engine may hold them twice.
"""
CATALOG: dict[str, ModelSpec] = {spec.slug: spec for spec in MODELS}
EMBEDDED = CATALOG["depthmap_tiny"]


def of_network(network: str, catalog: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the first model of a network, for how it prepares pictures."""
    found = next((spec for spec in catalog.values() if spec.network == network), None)
    return found or next(spec for spec in MODELS if spec.network == network)


def by_accuracy(catalog: Mapping[str, ModelSpec]) -> Iterator[ModelSpec]:
    """Yield the models that may be chosen where none is named, the most accurate first.

    That is none that asks for a licence to be accepted, and none whose numbers mean something else than MiDaS's.
    """
    known = [name.lower() for name in BY_ACCURACY]
    for slug in [*known, *(slug for slug in catalog if slug not in known)]:
        spec = catalog.get(slug)
        if spec and not spec.terms and not spec.embedded and spec.kind == EMBEDDED.kind:
            yield spec


def find(name: str, catalog: Mapping[str, ModelSpec] = CATALOG) -> ModelSpec | None:
    """Return the model of that name, in any case of letters, or None."""
    return catalog.get(name.lower())


def require(name: str, catalog: Mapping[str, ModelSpec] = CATALOG) -> ModelSpec:
    """Return the model of that name.

    Raises
    ------
    UnknownModel
        With the names there are.
    """
    spec = find(name, catalog)
    if spec is None:
        raise unknown(name, catalog)
    return spec


def unknown(name: str, catalog: Mapping[str, ModelSpec], imported: Sequence[str] = ()) -> UnknownModel:
    """Return the error of a name that no model has: with those that are like it, the short list, and the user's own."""
    from difflib import get_close_matches  # slow to import, and seldom wanted

    slugs = [*catalog, *imported]
    names = {slug: catalog[slug].name if slug in catalog else slug for slug in slugs}
    close = [names[slug] for slug in get_close_matches(name.lower(), slugs, cutoff=0.75)]
    short = [
        names[slug] for slug in slugs if slug in imported or catalog[slug].short or not catalog[slug].group
    ]
    remedy = (
        (f"Did you mean {' or '.join(close)}? " if close else "")
        + f"Known models: {', '.join(short)}; 'depthmap models list --all' shows them all. "
        + "'depthmap models import' adds a checkpoint of your own."
    )
    return UnknownModel("No model has this name", name, remedy)


def with_file(path: Path | None) -> dict[str, ModelSpec]:
    """Return the catalogue, changed and extended by a JSON file: ``{"models": [{"name": ..., ...}]}``.

    An entry whose name is known changes the fields it gives; another must give all that has no default. This is
    how an organisation serves its own checkpoints from its own mirror.

    Raises
    ------
    UsageError
        If the file cannot be read, or does not describe models.
    """
    if path is None:
        return dict(CATALOG)
    merged = dict(CATALOG)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["models"]
        for entry in entries:
            known = merged.get(str(entry["name"]).lower())
            inherited = known.to_dict() if known else {}
            if known and entry.get("sha256", known.sha256) != known.sha256:
                inherited["hf_repo"] = ""  # that repository has the weights of the published checkpoint
            spec = ModelSpec.from_dict({**inherited, **entry})
            merged[spec.slug] = spec
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise UsageError(
            f"The catalogue file cannot be used: {_why(error)}",
            path,
            'Correct it, or unset DEPTHMAP_CATALOG. It must look like {"models": [{"name": ...}]}.',
        ) from error
    return merged


def _why(error: Exception) -> str:
    if isinstance(error, UsageError):
        return error.what + (f" ({error.where})" if error.where else "")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
