"""``depthmap models download``, ``import``, ``export``, ``adopt``: models in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DepthmapError
from ..store.names import TENSOR_FORMATS
from .output import size_text
from .session import FAILED, SOME_FAILED, Session, with_models, with_session

if TYPE_CHECKING:
    from ..cache import ModelCache

_EXPORTS = ("pt", "h5", "safetensors", "pkl")


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
@click.option("--input", "-i", "source", metavar="FILE", help="A .pt, .ckpt, .h5 or .safetensors checkpoint.")
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

    Its network is recognised by its tensors, whatever stands before all of
    their names ('module.', 'model.'). What else a file of a training holds is
    left out, and that is said. Nothing in the file is executed.
    """
    chosen = source or file
    if not chosen or (source and file):
        raise click.UsageError("Name one file: --input FILE.")
    cache = session.working_cache()
    session.say(f"Importing {chosen} ...")
    spec = cache.import_file(chosen, name, formats or TENSOR_FORMATS, replace=force)
    files = {format: str(path) for format, path in cache.shelf.cached(spec.slug).items()}
    prefix = cache.detail(spec.slug)["provenance"].get("prefix", "")
    if prefix:
        session.say(f"The names of its tensors begin with {prefix!r}, which was taken off.")
    session.say(f"{spec.name} is a {spec.network} network; use it with --model {spec.name}.")
    session.result(
        {"model": spec.name, "network": spec.network, "prefix": prefix, "files": files}, files.values()
    )


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
