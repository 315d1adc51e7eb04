"""``depthmap models``: its commands, and those that say what there is."""

from __future__ import annotations

from typing import Any

import click

from ..store.names import FORMATS
from .lazy import LazyGroup
from .listing import by_group, licence_text, marked, rough_size
from .output import count, size_text
from .session import Session, common, with_models, with_session

_MB = 1e6
_STATUS = {"available": "", "incomplete": "unusable"}
"""What a list says instead: what can be had needs no word, and the other is too long."""


@click.group(
    cls=LazyGroup,
    table={
        "list": ("models:list_models", "List all models and show which are cached."),
        "info": ("models:info", "Show what the cache holds."),
        "recommend": ("recommending:recommend", "Find the model that suits this machine."),
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
@click.option("--all", "everything", is_flag=True, help="List every model, not only a few of each family.")
@with_session
def list_models(session: Session, format: str | None, everything: bool) -> None:
    """List the models and show which are cached.

    It shows a few of each family, and all that you have; --json always has all
    of them. GIVES says what a model's numbers are: depth relative to the
    picture, or metres. SIZE is that of the files, or of the download.
    """
    cache = session.cache()
    rows = cache.models(format)
    shown = rows if everything or format else [row for row in rows if _is_short(row)]
    session.result({"cache_dir": str(cache.cache_dir), "models": rows}, _by_group(shown) if shown else [])
    if session.json:
        return
    left = len(rows) - len(shown)
    more = f"; {left} more with --all" if left else ""
    session.say(f"{count(len(shown), 'model')}{more}; the cache is {cache.cache_dir}")
    if asking := {row["terms"] for row in shown if row["terms"]}:
        names = " or ".join(sorted(asking))
        session.say(f"A model under {names} asks to accept that: see 'depthmap models info MODEL'.")


def _is_short(row: dict[str, Any]) -> bool:
    return row["short"] or not row["group"] or row["status"] == "cached"


def _by_group(rows: list[dict[str, Any]]) -> list[str]:
    cells = [
        (
            str(row["group"]),
            (
                marked(row["name"], "recommended" if row["recommended"] else ""),
                _size(row),
                _given(row),
                licence_text(row),
                _status(row),
            ),
        )
        for row in rows
    ]
    return by_group(("NAME", "SIZE", "GIVES", "LICENCE", "STATUS"), cells, right=[1])


def _size(row: dict[str, Any]) -> str:
    """Return the size of the files, else of the download."""
    nbytes = (row["size_mb"] or row["download_mb"]) * _MB
    return rough_size(nbytes, row["parameters"] if row["status"] == "available" else 0)


def _given(row: dict[str, Any]) -> str:
    return str(row["kind"]).partition(" ")[0]


def _status(row: dict[str, Any]) -> str:
    return "pinned" if row["pinned"] else _STATUS.get(row["status"], row["status"])


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
        content["published"] = cache.published(model)
    content["stats"] = cache.stats()
    if detailed or model:
        for slug, entry in content["models"].items():
            entry.update(cache.detail(slug))
    lines = _published_lines(content["published"]) if model else []
    session.result(content, [*lines, *_info_lines(content, detailed or bool(model))])


def _published_lines(about: dict[str, Any]) -> list[str]:
    """Return what is known of a model wherever its files are."""
    facts = {
        "model": f"{about['name']}: {about['about']}" if about["about"] else about["name"],
        "group": about["group"],
        "gives": about["kind"],
        "weights": f"{about['parameters'] / 1e6:.3g} million" if about["parameters"] else "",
        "licence": about["licence"],
        "accept": f"{about['terms']} ({about['terms_url']})" if about["terms"] else "",
        "accuracy": f"{about['accuracy']} ({about['accuracy_source']})" if about["accuracy"] else "",
        "download": size_text(about["download_mb"] * _MB) if about["download_mb"] else "",
        "source": about["url"],
    }
    return [*(f"{name:8}  {value}" for name, value in facts.items() if value), ""]


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
