"""``depthmap models download``, ``import``, ``export``, ``adopt``: models in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DepthmapError
from ..store.names import TENSOR_FORMATS
from .output import size_text
from .session import (
    FAILED,
    SOME_FAILED,
    Session,
    accepting_licences,
    allowing_unverified,
    complete_model,
    with_models,
    with_session,
)

if TYPE_CHECKING:
    from ..cache import ModelCache

_EXPORTS = ("pt", "h5", "safetensors", "pkl")


@click.command()
@click.option(
    "--format",
    "formats",
    type=click.Choice(TENSOR_FORMATS),
    multiple=True,
    help="Keep only this format; by default both.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only show what would be downloaded, how much, and whether there is room."
)
@accepting_licences
@allowing_unverified
@with_models(several=True)
@with_session
def download(session: Session, models: tuple[str, ...], formats: tuple[str, ...], dry_run: bool) -> int:
    """Download models into the cache.

    It skips files that you already have, and goes on with a download that was
    interrupted. DEPTHMAP_MIRRORS names other servers. If an engine is
    installed, it then compiles the models: see 'depthmap models compile'. Some
    models may not be used for everything: see 'depthmap models info MODEL'.
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
    from ..cache.consent import is_due

    plans = [cache.plan_download(name, formats) for name in models if not cache.spec(name).embedded]
    for plan in plans:
        session.say(
            f"{plan['model']}: {_amount(plan)} to download"
            + (f", {size_text(plan['resumed_bytes'])} already here" if plan["resumed_bytes"] else "")
            + f"; {size_text(plan['write_bytes'])} to write, {size_text(plan['free_bytes'])} free."
            + (f" To make room, it would evict {', '.join(plan['evicts'])}." if plan["evicts"] else "")
        )
        if is_due(cache.shelf, cache.spec(plan["model"])) and plan["sources"]:
            session.say(f"{plan['model']}: its licence is to be accepted first, with --accept-licence.")
    session.result({"models": plans, "dry_run": True}, [url for plan in plans for url in plan["sources"]])
    needed = sum(plan["write_bytes"] for plan in plans)
    if plans and needed > plans[0]["free_bytes"]:
        session.complain(
            f"Insufficient disk space: {size_text(needed)} are needed. Free some space, or set DEPTHMAP_CACHE_DIR."
        )
        return FAILED
    return 0


def _amount(plan: dict[str, Any]) -> str:
    """Return how much a download is; its source tells, where nothing is known beforehand."""
    unknown = plan["sources"] and not plan["download_bytes"] + plan["resumed_bytes"]
    return "an unknown amount" if unknown else size_text(plan["download_bytes"])


@click.command("import")
@click.option("--input", "-i", "source", metavar="FILE", help="A .pt, .ckpt, .h5 or .safetensors checkpoint.")
@click.option("--name", "-n", required=True, metavar="NAME", help="Name to give the model.")
@click.option(
    "--format", "formats", type=click.Choice(TENSOR_FORMATS), multiple=True, help="Keep only this format."
)
@click.option(
    "--as",
    "like",
    default="",
    metavar="MODEL",
    shell_complete=complete_model,
    help="Of which model's kind it is, if several have its tensors.",
)
@click.option("--network", default="", metavar="NETWORK", help="The same, by the network's name.")
@click.option("--force", is_flag=True, help="Replace a model that has this name.")
@click.argument("file", metavar="[FILE]", required=False)
@with_session
def import_model(
    session: Session,
    source: str | None,
    name: str,
    formats: tuple[str, ...],
    like: str,
    network: str,
    force: bool,
    file: str | None,
) -> None:
    """Add a checkpoint of your own to the cache.

    It recognises the network by its tensors, and removes a prefix that all of
    their names share ('module.', 'model.'). It leaves out what else a training
    stores in the file, and tells you so. It never runs code from the file.

    The models of Depth Anything V2, its metric ones and V1 have the same
    tensors. --as says which of them yours is like; without it, a published
    file is known by its digest, and another is taken for V2's relative one.
    """
    chosen = source or file
    if not chosen or (source and file):
        raise click.UsageError("Name one file: --input FILE.")
    if like and network:
        raise click.UsageError("Give --as or --network, not both.")
    cache = session.working_cache()
    session.say(f"Importing {chosen} ...")
    spec = cache.import_file(
        chosen, name, formats or TENSOR_FORMATS, replace=force, network=network, like=like
    )
    files = {format: str(path) for format, path in cache.shelf.cached(spec.slug).items()}
    prefix = cache.detail(spec.slug)["provenance"].get("prefix", "")
    if prefix:
        session.say(f"Its tensor names began with {prefix!r}; depthmap removed that.")
    session.say(f"{spec.name} is a {spec.network} network; use it with --model {spec.name}.")
    session.result(
        {"model": spec.name, "network": spec.network, "prefix": prefix, "files": files}, files.values()
    )


@click.command()
@click.option(
    "--output",
    "-o",
    "target",
    required=True,
    metavar="FILE",
    help="The file to write; an existing one is replaced.",
)
@click.option("--format", type=click.Choice(_EXPORTS), help="By default the file name's ending decides.")
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
@click.option("--dry-run", is_flag=True, help="Only show what would be reused.")
@with_models(required=False, several=True)
@with_session
def adopt(session: Session, models: tuple[str, ...], dry_run: bool) -> int:
    """Reuse models that torch.hub or Hugging Face's tools have downloaded.

    It links a checkpoint of torch.hub if the disk can, or else copies it. It
    converts a model of Hugging Face's cache. Name a model to look only for it.
    """
    from ..cache.adopt import adopt as take
    from ..cache.adopt import is_adoptable

    cache = session.working_cache()
    known = [spec.name for spec in cache.shelf.catalog.values() if is_adoptable(spec)]
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
            session.say(f"{name}: already in the cache.")
        for name in by_status["missing"]:
            session.say(f"{name}: found neither in torch.hub's cache nor in Hugging Face's.")
    session.result({**by_status, "adopted": taken, "dry_run": dry_run}, taken)
    return FAILED if models and by_status["missing"] else 0
