"""``depthmap models``: its commands, and those that say what there is."""

from __future__ import annotations

from typing import Any

import click

from ..store.names import FORMATS
from .lazy import LazyGroup
from .output import count, size_text, table
from .session import Session, common, with_models, with_session

_MB = 1e6


@click.group(
    cls=LazyGroup,
    table={
        "list": ("models:list_models", "List all models and show which are cached."),
        "info": ("models:info", "Show what the cache holds."),
        "du": ("models:usage", "Show how much room each model takes."),
        "download": ("transfers:download", "Download models into the cache."),
        "import": ("transfers:import_model", "Add a checkpoint of your own to the cache."),
        "export": ("transfers:export", "Write a model to a file."),
        "compile": ("compiling:compile_models", "Prepare models for the engines, and compare these."),
        "adopt": ("transfers:adopt", "Reuse what torch.hub or Hugging Face downloaded."),
        "verify": ("upkeep:verify", "Check every byte of the cached files."),
        "repair": ("upkeep:repair", "Repair damaged files."),
        "optimize": ("upkeep:optimize", "Repair, deduplicate and tidy the cache."),
        "clear": ("upkeep:clear", "Remove one model, or all of them."),
        "pin": ("upkeep:pin", "Protect a model from eviction."),
        "unpin": ("upkeep:unpin", "Allow eviction of a model again."),
        "evict": ("upkeep:evict", "Remove the models you have not used for longest."),
    },
)
@common
def models() -> None:
    """List, download, check and remove models."""


@click.command("list")
@click.option("--format", type=click.Choice(FORMATS), help="List only models that are cached in this format.")
@with_session
def list_models(session: Session, format: str | None) -> None:
    """List all models and show which are cached.

    The most accurate comes first.
    """
    cache = session.cache()
    rows = cache.models(format)
    lines = table(
        ("NAME", "STATUS", "FORMATS", "SIZE", "ABOUT"),
        [(r["name"], r["status"], ",".join(r["formats"]), _size(r), _about(r)) for r in rows],
        right=[3],
    )
    session.result({"cache_dir": str(cache.cache_dir), "models": rows}, lines if rows else [])
    if not session.json:
        session.say(f"{count(len(rows), 'model')}; the cache is {cache.cache_dir}")


def _size(row: dict[str, Any]) -> str:
    nbytes = (row["size_mb"] or row["download_mb"]) * _MB
    return size_text(nbytes) if nbytes else ""


def _about(row: dict[str, Any]) -> str:
    return ("pinned; " if row["pinned"] else "") + str(row["about"])


@click.command()
@click.option(
    "--detailed", is_flag=True, help="Also show where each model came from, its digests and its last use."
)
@with_models(required=False)
@with_session
def info(session: Session, model: str | None, detailed: bool) -> None:
    """Show what the cache holds.

    If you name a model, show only that one.
    """
    cache = session.cache()
    content = cache.info()
    if model:
        slug = cache.spec(model).slug
        content["models"] = {s: entry for s, entry in content["models"].items() if s == slug}
    content["stats"] = cache.stats()
    if detailed or model:
        for slug, entry in content["models"].items():
            entry.update(cache.detail(slug))
    session.result(content, _info_lines(content, detailed or bool(model)))


def _info_lines(content: dict[str, Any], detailed: bool) -> list[str]:
    stats = content["stats"]
    lines = [
        f"cache   {content['cache_dir']}",
        f"models  {stats['total_models']}",
        f"files   {content['total_files']}" + "".join(f", {n} {f}" for f, n in content["formats"].items()),
        f"size    {size_text(content['total_size_mb'] * _MB)}",
        f"health  {stats['cache_health']}",
    ]
    for slug, entry in content["models"].items():
        lines += ["", f"{slug}  {size_text(entry['total_size_mb'] * _MB)}"]
        for format, file in entry["formats"].items():
            lines.append(f"  {format:4} {size_text(file['size_mb'] * _MB):>8}  {file['last_modified']}")
        if detailed:
            lines += _detail_lines(entry)
    return lines


def _detail_lines(entry: dict[str, Any]) -> list[str]:
    facts = {
        "network": entry["network"],
        "last used": entry["last_used"] or "never",
        "pinned": "yes" if entry["pinned"] else "no",
        **entry["provenance"],
        **{f"{format} sha256": digest for format, digest in entry["sha256"].items()},
        **{f"{format} path": file["path"] for format, file in entry["formats"].items()},
        **{f"{format} shared": "with " + ", ".join(names) for format, names in entry["shared_with"].items()},
    }
    short = [f"  {name:10} {value}" for name, value in facts.items()]
    return [part for line in short for part in _folded(line)]


def _folded(line: str) -> list[str]:
    """Put a value that is too long for its line, such as a digest, whole on the next."""
    name, value = line[:12].rstrip(), line[13:]
    return (
        [line]
        if len(line) <= 80
        else [name if len(name) < 12 else line.split(value)[0].rstrip(), f"    {value}"]
    )


@click.command("du")
@with_session
def usage(session: Session) -> None:
    """Show how much room each model takes."""
    usage = session.cache().usage()
    rows = [(size_text(sum(sizes.values())), _marked(slug, usage)) for slug, sizes in usage["models"].items()]
    rows += [
        (size_text(usage[key]), key.replace("_", " "))
        for key in ("partial_files", "damaged_files")
        if usage[key]
    ]
    rows += [("-" + size_text(usage["shared"]), "under two names")] if usage["shared"] else []
    rows += [(size_text(usage["total"]), "in all"), (size_text(usage["free"]), "free")]
    rows += [(size_text(usage["max_size"]), "allowed")] if usage["max_size"] is not None else []
    session.result(usage, [f"{size:>8}  {name}" for size, name in rows])


def _marked(slug: str, usage: dict[str, Any]) -> str:
    marks = [
        mark for mark, models in (("pinned", usage["pinned"]), ("in use", usage["in_use"])) if slug in models
    ]
    return f"{slug} ({', '.join(marks)})" if marks else slug
