"""``depthmap models``: what there is, and models in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DepthmapError
from ..store.names import FORMATS, TENSOR_FORMATS
from .lazy import LazyGroup
from .output import count, size_text, table
from .session import FAILED, SOME_FAILED, Session, common, with_models, with_session

if TYPE_CHECKING:
    from ..cache import ModelCache

_MB = 1e6
_EXPORTS = ("pt", "h5", "safetensors", "pkl")


@click.group(
    cls=LazyGroup,
    table={
        "list": ("models:list_models", "List the models that are known, and which are cached."),
        "info": ("models:info", "Say what the cache holds."),
        "du": ("models:usage", "Say how much room each model takes."),
        "download": ("models:download", "Download models into the cache."),
        "import": ("models:import_model", "Take a checkpoint of your own into the cache."),
        "export": ("models:export", "Write a model to a file."),
        "compile": ("compiling:compile_models", "Make models ready for engines that need no torch."),
        "adopt": ("models:adopt", "Take over what torch.hub has downloaded."),
        "verify": ("upkeep:verify", "Read every byte and compare it with its digest."),
        "repair": ("upkeep:repair", "Make damaged files whole."),
        "optimize": ("upkeep:optimize", "Mend what is damaged, remove what is double or stale."),
        "clear": ("upkeep:clear", "Remove one model, or all."),
        "pin": ("upkeep:pin", "Keep a model from being evicted."),
        "unpin": ("upkeep:unpin", "Let a model be evicted again."),
        "evict": ("upkeep:evict", "Remove the models least recently used."),
    },
)
@common
def models() -> None:
    """List, fetch, check and remove models."""


@click.command("list")
@click.option("--format", type=click.Choice(FORMATS), help="Only models that are cached in this format.")
@with_session
def list_models(session: Session, format: str | None) -> None:
    """List the models that are known, and which are cached.

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
    "--detailed", is_flag=True, help="Also where each model came from, its digests and its last use."
)
@with_models(required=False)
@with_session
def info(session: Session, model: str | None, detailed: bool) -> None:
    """Say what the cache holds.

    With a model, only that one.
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
    """Say how much room each model takes."""
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


@click.command()
@click.option(
    "--format",
    "formats",
    type=click.Choice(TENSOR_FORMATS),
    multiple=True,
    help="Only in this format; by default in both.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only say what would be fetched, how much it is, and if there is room."
)
@with_models(several=True)
@with_session
def download(session: Session, models: tuple[str, ...], formats: tuple[str, ...], dry_run: bool) -> int:
    """Download models into the cache.

    What is there and whole is not fetched again; an interrupted download goes
    on where it was. DEPTHMAP_MIRRORS names other servers. Then the models are
    compiled, where an engine is installed; see 'depthmap models compile'.
    """
    from .compiling import compile_quietly
    from .progress import in_bytes

    cache = session.working_cache()
    if dry_run:
        return _rehearse(session, cache, models, formats or TENSOR_FORMATS)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for name in models:
        try:
            spec = cache.spec(name)
            if spec.embedded:
                session.say(f"{spec.name} ships with depthmap: there is nothing to download.")
                done.append({"model": spec.name, "files": {}})
                continue
            with in_bytes(session) as report:
                paths = cache.download(name, formats or TENSOR_FORMATS, report)
            compile_quietly(session, cache, spec.name)
            done.append({"model": spec.name, "files": {format: str(path) for format, path in paths.items()}})
        except DepthmapError as error:
            if len(models) == 1:
                raise
            session.complain(error)
            failed.append({"model": name, **error.as_dict()})
    data = {"models": done, "failed": failed}
    session.result(data, [path for entry in done for path in entry["files"].values()])
    return 0 if not failed else SOME_FAILED if done else FAILED


def _rehearse(session: Session, cache: ModelCache, models: Sequence[str], formats: Sequence[str]) -> int:
    """Say what a download would do; a disk that is too small is a failure."""
    plans = [cache.plan_download(name, formats) for name in models if not cache.spec(name).embedded]
    for plan in plans:
        session.say(
            f"{plan['model']}: {size_text(plan['download_bytes'])} to fetch"
            + (f", {size_text(plan['resumed_bytes'])} there already" if plan["resumed_bytes"] else "")
            + f"; {size_text(plan['write_bytes'])} to write, {size_text(plan['free_bytes'])} free."
            + (f" To make room, {', '.join(plan['evicts'])} would be evicted." if plan["evicts"] else "")
        )
    session.result({"models": plans, "dry_run": True}, [url for plan in plans for url in plan["sources"]])
    needed = sum(plan["write_bytes"] for plan in plans)
    if plans and needed > plans[0]["free_bytes"]:
        session.complain(f"Insufficient disk space: {size_text(needed)} are needed.")
        return FAILED
    return 0


@click.command("import")
@click.option("--input", "-i", "source", metavar="FILE", help="A .pt, .h5 or .safetensors checkpoint.")
@click.option("--name", "-n", required=True, metavar="NAME", help="What the model is to be called.")
@click.option(
    "--format", "formats", type=click.Choice(TENSOR_FORMATS), multiple=True, help="Only in this format."
)
@click.option("--force", is_flag=True, help="Replace a model of that name.")
@click.argument("file", metavar="[FILE]", required=False)
@with_session
def import_model(
    session: Session, source: str | None, name: str, formats: tuple[str, ...], force: bool, file: str | None
) -> None:
    """Take a checkpoint of your own into the cache.

    Its network is recognised by its tensors. Nothing in the file is executed.
    """
    chosen = source or file
    if not chosen or (source and file):
        raise click.UsageError("Name one file: --input FILE.")
    cache = session.working_cache()
    session.say(f"Importing {chosen} ...")
    spec = cache.import_file(chosen, name, formats or TENSOR_FORMATS, replace=force)
    files = {format: str(path) for format, path in cache.shelf.cached(spec.slug).items()}
    session.say(f"{spec.name} is a {spec.network} network; use it with --model {spec.name}.")
    session.result({"model": spec.name, "network": spec.network, "files": files}, files.values())


@click.command()
@click.option(
    "--output", "-o", "target", required=True, metavar="FILE", help="Where to; an existing file is replaced."
)
@click.option("--format", type=click.Choice(_EXPORTS), help="By default the file name's ending says it.")
@with_models()
@with_session
def export(session: Session, model: str, target: str, format: str | None) -> None:
    """Write a model to a file: pt, h5, safetensors, or pkl (its description)."""
    cache = session.working_cache()
    session.say(f"Exporting {cache.spec(model).name} ...")
    path = cache.export(model, Path(target), format or "")
    session.result(
        {"model": cache.spec(model).name, "path": str(path), "bytes": path.stat().st_size}, [str(path)]
    )


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be taken.")
@with_models(required=False, several=True)
@with_session
def adopt(session: Session, models: tuple[str, ...], dry_run: bool) -> int:
    """Take over what torch.hub or Hugging Face's tools have downloaded.

    A checkpoint of torch.hub is linked where the disk allows it, else copied;
    one of Hugging Face's cache is converted. Without a model, all that are found.
    """
    from ..cache.adopt import adopt as take

    cache = session.working_cache()
    known = [spec.name for spec in cache.shelf.catalog.values() if spec.hub_names or spec.hf_repo]
    found = {spec.name: take(cache.shelf, spec, dry_run=dry_run) for spec in map(cache.spec, models or known)}
    by_status = {
        status: [name for name, adoption in found.items() if adoption.status == status]
        for status in ("adopted", "cached", "missing")
    }
    taken = {name: str(found[name].source) for name in by_status["adopted"]}
    for name, source in taken.items():
        session.say(f"{name}: {found[name].how or 'found'}: {source}")
    if not taken or models:
        for name in by_status["cached"]:
            session.say(f"{name}: the cache has it already.")
        for name in by_status["missing"]:
            session.say(f"{name}: neither torch.hub nor Hugging Face's cache has a file of it.")
    session.result({**by_status, "adopted": taken, "dry_run": dry_run}, taken)
    return FAILED if models and by_status["missing"] else 0
