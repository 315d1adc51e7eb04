"""``depthmap setup``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import (
    AccessDenied,
    CacheBusy,
    DepthmapError,
    DigestMismatch,
    DownloadError,
    ModelUnavailable,
    Unverified,
)
from ..store.names import TENSOR_FORMATS
from .listing import by_group, licence_text, rough_size
from .output import safe, seconds_text
from .session import (
    FAILED,
    SOME_FAILED,
    Session,
    accepting_licences,
    allowing_unverified,
    complete_model,
    with_session,
)

if TYPE_CHECKING:
    from ..cache import ModelCache
    from ..catalog import ModelSpec

_FAILURES = (DigestMismatch, Unverified, AccessDenied)
_DEFAULT = "DPT_Large"  # what MiDaSDepthEstimator() loads
_ALL = ("MiDaS", "")
"""The groups that ``all`` means: MiDaS's and the user's own. All of the others would be 7 GB more."""


@click.command()
@click.option(
    "--models",
    "--model",
    "-m",
    "chosen",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete_model,
    help=f"Models, separated by commas, or all (MiDaS's), or none; may be repeated. By default {_DEFAULT}.",
)
@click.option(
    "--formats",
    "--format",
    "-f",
    multiple=True,
    metavar="FORMATS",
    help=f"{' or '.join(TENSOR_FORMATS)}, or both separated by a comma; by default both.",
)
@allowing_unverified
@click.option("--yes", "-y", is_flag=True, help="Do not ask; use the defaults.")
@accepting_licences
@with_session
def setup(session: Session, chosen: tuple[str, ...], formats: tuple[str, ...], yes: bool) -> int:
    """Download models and check that they load.

    On a terminal it asks which ones, unless you name them or give --yes. It
    first reuses what torch.hub or Hugging Face's tools have downloaded, and
    downloads the rest. Without a network it sets up the model that ships with
    depthmap, and tells you which models are missing.
    """
    cache = session.working_cache()
    asks = not yes and not session.json and sys.stdin.isatty()
    if asks and not chosen:
        chosen = (_ask_models(session, cache),)
    if asks and not formats:
        both = ",".join(TENSOR_FORMATS)
        answer = click.prompt("Formats", default=both, err=True)
        formats = (answer,) if answer != both else ()
    specs = _specs(cache, _split(chosen) or [_DEFAULT])
    accepted = _ask_licences(cache, specs) if asks else []
    wanted = _formats(formats)
    outcomes = [
        _fetch(session, cache, spec, wanted, accept=spec in accepted) for spec in specs if not spec.embedded
    ]
    embedded = [spec for spec in cache.shelf.catalog.values() if spec.embedded]
    had = [
        spec
        for spec, outcome in zip([s for s in specs if not s.embedded], outcomes, strict=True)
        if "error" not in outcome
    ]
    outcomes += [{"model": spec.name} for spec in embedded]
    for spec, outcome in zip([*had, *embedded], [o for o in outcomes if "error" not in o], strict=True):
        _try(session, cache, spec, outcome)
    return _close(session, cache, outcomes)


def _ask_models(session: Session, cache: ModelCache) -> str:
    published = {spec.slug for spec in cache.shelf.catalog.values() if spec.url}
    cells = [
        (
            row["group"],
            (
                row["name"],
                "cached"
                if row["status"] == "cached"
                else rough_size(row["download_mb"] * 1e6, row["parameters"]),
                licence_text(row),
            ),
        )
        for row in cache.models()
        if row["slug"] in published and (row["short"] or not row["group"])
    ]
    for line in by_group(("MODEL", "DOWNLOAD", "LICENCE"), cells, right=[1]):
        session.say(line)
    return str(click.prompt("Models (names separated by commas, all, none)", default=_DEFAULT, err=True))


def _ask_licences(cache: ModelCache, specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """Ask about each licence that is to be accepted and was not; return the models whose licence now is."""
    from ..cache.consent import is_due
    from ..licences import licence_of

    def accepts(spec: ModelSpec) -> bool:
        licence = licence_of(spec)
        text = f"{spec.name} is under {spec.licence} ({licence.says}; {licence.url})."
        return click.confirm(f"{safe(text, sys.stderr)}\nDo you accept this licence?", err=True)

    return [spec for spec in specs if is_due(cache.shelf, spec) and accepts(spec)]


def _split(values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in value.replace(",", " ").split()]


def _specs(cache: ModelCache, names: list[str]) -> list[ModelSpec]:
    if [name.lower() for name in names] == ["all"]:
        return [spec for spec in cache.shelf.catalog.values() if spec.url and spec.group in _ALL]
    if [name.lower() for name in names] == ["none"]:
        return []
    return list({spec.slug: spec for spec in map(cache.spec, names)}.values())


def _formats(values: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.lower().lstrip(".") for name in _split(values)))
    if unknown := [name for name in names if name not in TENSOR_FORMATS]:
        raise click.UsageError(
            f"{', '.join(unknown)} is not a format of the cache: use {' or '.join(TENSOR_FORMATS)}."
        )
    return names


def _fetch(
    session: Session, cache: ModelCache, spec: ModelSpec, formats: tuple[str, ...], *, accept: bool
) -> dict[str, Any]:
    from .compiling import compile_quietly
    from .progress import in_bytes

    session.say(f"{spec.name} ...")
    try:
        adopted = _adopt(session, cache, spec)
        with in_bytes(session) as report:
            paths = cache.download(spec.name, _needed(cache, spec, formats), report, accept_licence=accept)
        compile_quietly(session, cache, spec.name)
    except DepthmapError as error:
        # Without a network there is nothing wrong here; wrong bytes, missing leave and a full disk are failures.
        offline = isinstance(error, (DownloadError, ModelUnavailable)) and not isinstance(error, _FAILURES)
        (session.warn if offline else session.complain)(str(error))
        return {"model": spec.name, **error.as_dict(), "offline": offline}
    return {
        "model": spec.name,
        "adopted": adopted,
        "files": {name: str(path) for name, path in paths.items()},
    }


def _adopt(session: Session, cache: ModelCache, spec: ModelSpec) -> str | None:
    """Take over the model if another tool has downloaded it; return that tool's file."""
    from ..cache.adopt import adopt

    try:
        adoption = adopt(cache.shelf, spec)
    except CacheBusy:  # another process is downloading it: the download waits for that one
        return None
    if adoption.source is None:
        return None
    session.say(f"{spec.name} is on this machine: {adoption.how} from {adoption.source}")
    return str(adoption.source)


def _needed(cache: ModelCache, spec: ModelSpec, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats to see to where none were named: both, but no ``.pt`` is downloaded beside an ``.h5``."""
    cached = cache.shelf.cached(spec.slug)
    return formats or (("h5",) if "h5" in cached and "pt" not in cached else TENSOR_FORMATS)


def _try(session: Session, cache: ModelCache, spec: ModelSpec, outcome: dict[str, Any]) -> None:
    """Load the model once, and note how that went."""
    from ..estimator import DepthEstimator

    try:
        loaded = DepthEstimator(spec.name, cache_dir=cache.cache_dir)
    except DepthmapError as error:
        session.complain(error)
        outcome.update(error.as_dict(), offline=False)
        return
    outcome.update(source=loaded.source, seconds=round(loaded.load_seconds, 4))


def _close(session: Session, cache: ModelCache, outcomes: list[dict[str, Any]]) -> int:
    ready = [o for o in outcomes if "error" not in o]
    missing = [o for o in outcomes if o.get("offline")]
    broken = [o for o in outcomes if "error" in o and not o["offline"]]
    data = {"cache_dir": str(cache.cache_dir), "ready": ready, "missing": missing, "failed": broken}
    session.result(data, [o["model"] for o in ready])
    for outcome in ready:
        session.say(
            f"{outcome['model']} is ready: {outcome['source']}, loads in {seconds_text(outcome['seconds'])}."
        )
    if missing:
        names = ", ".join(o["model"] for o in missing)
        session.say(
            f"Not available now: {names}. Run this again when you are online; until then, the embedded model works."
        )
    return 0 if not broken else SOME_FAILED if ready else FAILED
