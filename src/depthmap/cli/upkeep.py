"""``depthmap models``: keeping the cache whole and small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DepthmapError
from .output import count, size_text
from .session import FAILED, SOME_FAILED, Session, with_models, with_session
from .sizes import size_option

if TYPE_CHECKING:
    from ..cache import ModelCache

_MB = 1e6


def _status(failed: int, total: int) -> int:
    return 0 if not failed else FAILED if failed == total else SOME_FAILED


@click.command()
@with_models(required=False)
@with_session
def verify(session: Session, model: str | None) -> int:
    """Check every byte of the cached files against its digest.

    It changes nothing. Name a model to check only that one.
    """
    from .progress import in_bytes

    cache = session.working_cache()
    with in_bytes(session) as report:
        results = cache.verify(model, report)
    bad = [result for result in results if not result["ok"]]
    for result in bad:
        session.complain(result["error"])
    lines = [f"{'ok' if r['ok'] else 'DAMAGED':8} {r['model']}.{r['format']}" for r in results]
    session.result({"files": results, "damaged": len(bad)}, lines)
    if not results:
        session.say(f"{model} is not cached." if model else "The cache is empty.")
    elif not bad:
        session.say(f"{count(len(results), 'file')} whole.")
    else:
        session.say("Run 'depthmap models repair' to repair them.")
    return _status(len(bad), len(results))


@click.command()
@with_models(required=False, several=True)
@with_session
def repair(session: Session, models: tuple[str, ...]) -> int:
    """Repair damaged files.

    It restores each damaged MiB from the model's other file, or downloads just
    that MiB: from the mirrors that DEPTHMAP_MIRRORS names, or from the
    published source. Name a model to repair only that one.
    """
    from .progress import in_bytes

    cache = session.working_cache()
    names: Sequence[str] = models or list(cache.info()["models"])
    actions: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for name in names:
        try:
            with in_bytes(session) as report:
                actions += [{"model": name, **action} for action in cache.repair(name, report)]
        except DepthmapError as error:
            if len(names) == 1:
                raise
            session.complain(error)
            failed.append({"model": name, **error.as_dict()})
    session.result(
        {"files": actions, "failed": failed},
        [f"{a['action']:10} {a['model']}.{a['format']}{_fetched(a)}" for a in actions],
    )
    if not actions and not failed:
        session.say("There is nothing in the cache to repair.")
    return _status(len(failed), len(names))


def _fetched(action: dict[str, Any]) -> str:
    return f", {size_text(action['bytes_fetched'])} fetched" if action["bytes_fetched"] else ""


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@with_session
def optimize(session: Session, dry_run: bool) -> int:
    """Repair, deduplicate and tidy the cache.

    It reads every byte, and repairs or removes damaged files. It removes
    duplicates and old partial files, stores equal files of two models once,
    and evicts models beyond DEPTHMAP_CACHE_MAX_SIZE. It never touches files
    that are not depthmap's.
    """
    from .progress import in_bytes

    cache = session.working_cache()
    with in_bytes(session) as report:
        tally = cache.optimize(report, dry_run=dry_run)
    for error in tally["errors"]:
        session.complain(error)
    did = ("removed", "repaired", "shared", "evicted")
    session.result(
        {**tally, "dry_run": dry_run}, [f"{verb:8}  {item}" for verb in did for item in tally[verb]]
    )
    counts = ", ".join(f"{len(tally[verb])} {verb}" for verb in did if tally[verb] or verb == "removed")
    freed = size_text(tally["space_freed_mb"] * _MB)
    session.say(
        f"{'A real run would give: ' if dry_run else ''}"
        f"{count(tally['files_checked'], 'file')} checked, {counts}, {freed} freed."
    )
    return FAILED if tally["errors"] else 0


@click.command()
@click.option("--confirm", is_flag=True, help="Remove all models, if you name none.")
@with_models(required=False, several=True)
@with_session
def clear(session: Session, models: tuple[str, ...], confirm: bool) -> int:
    """Remove the models you name from the cache, or all of them with --confirm.

    Other files in the directory stay, and so does the model that ships with
    depthmap.
    """
    if not models and not confirm:
        raise click.UsageError("Say what to remove: --model MODEL for one model, --confirm for all of them.")
    cache = session.working_cache()
    removed = [path for name in models for path in cache.delete(name)] if models else cache.clear()
    session.result({"removed": [str(path) for path in removed]}, map(str, removed))
    session.say(f"{count(len(removed), 'file')} removed." if removed else "There was nothing to remove.")
    left = _elsewhere(cache, models or cache.info()["models"])
    if left:
        session.warn(
            f"The models in {', '.join(map(str, left))} stay: depthmap writes only to {cache.cache_dir}."
        )
    return FAILED if left and not removed else 0


def _elsewhere(cache: ModelCache, names: Iterable[str]) -> list[Path]:
    """Return the directories, beside the one that is written, that have files of some of the models."""
    slugs = {name.lower() for name in names}
    return [
        place.store.root
        for place in cache.shelf.places
        if place.store.root != cache.cache_dir and slugs & set(place.store.files())
    ]


def _set_pin(session: Session, model: str, pinned: bool) -> None:
    cache = session.working_cache()
    cache.pin(model, pinned)
    session.say(f"{model} is {'pinned: evict keeps it' if pinned else 'no longer pinned'}.")
    session.result({"model": cache.spec(model).name, "pinned": pinned})


@click.command()
@with_models()
@with_session
def pin(session: Session, model: str) -> None:
    """Protect a model from eviction."""
    _set_pin(session, model, True)


@click.command()
@with_models()
@with_session
def unpin(session: Session, model: str) -> None:
    """Allow eviction of a model again."""
    _set_pin(session, model, False)


@click.command()
@click.option(
    "--max-size",
    callback=size_option,
    required=True,
    metavar="SIZE",
    help="How much may stay: 2GB, 500MB, 1.5GiB.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@with_session
def evict(session: Session, max_size: int, dry_run: bool) -> None:
    """Remove the models you have not used for longest, until the rest fits.

    Pinned models stay, and so do models that a process has loaded.
    """
    from ..cache.budget import bytes_of, held

    cache = session.working_cache()
    before = held(cache.shelf)
    gone = cache.evict(max_size, dry_run=dry_run)
    left = bytes_of(model for model in before if model.slug not in gone)
    session.result({"evicted": gone, "bytes_left": left, "dry_run": dry_run}, gone)
    verb = "would be evicted" if dry_run else "evicted"
    session.say(f"{count(len(gone), 'model')} {verb}, {size_text(left)} left.")
    if left > max_size:
        session.warn(f"That is more than {size_text(max_size)}: the rest is pinned or in use.")
