"""``depthmap models compile``, and what download and setup do of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import DepthmapError
from .output import table
from .session import FAILED, SOME_FAILED, Session, with_models, with_session

if TYPE_CHECKING:
    from ..cache import ModelCache


@click.command("compile")
@with_models(required=False, several=True)
@with_session
def compile_models(session: Session, models: tuple[str, ...]) -> int:
    """Prepare models for the engines, and compare these.

    It compiles the models you name, or all cached ones. The result lies beside
    a model's files, uses their tensors, and is removed with them. It compares
    each installed engine (onnxruntime, openvino) with torch, or, if torch is
    not installed, with onnxruntime at its plainest. It fails if the maps differ
    by more than a thousandth.
    """
    cache = session.working_cache()
    names = models or tuple(row["name"] for row in cache.models() if row["status"] == "cached")
    made: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for name in names:
        if cache.spec(name).embedded:
            session.say(f"{name} ships with depthmap, already compiled.")
            continue
        session.say(f"Compiling {name} ...")
        try:
            made.append(cache.compile(name))
        except DepthmapError as error:
            if len(names) == 1:
                raise
            session.complain(error)
            failed.append({"model": name, **error.as_dict()})
    rows = [(m["model"], engine, f"{error:.1e}") for m in made for engine, error in m["errors"].items()]
    lines = table(("MODEL", "ENGINE", "ERROR"), rows, right=[2]) if rows else []
    session.result({"models": made, "failed": failed}, lines)
    return 0 if not failed else SOME_FAILED if made else FAILED


def compile_quietly(session: Session, cache: ModelCache, name: str) -> None:
    """Compile a model that has just been fetched, where an engine is installed and that is not done yet.

    A failure is a warning: the model runs all the same.
    """
    from ..cache.compiling import is_compiled
    from ..engines import installed

    if not installed() or is_compiled(cache.shelf, cache.spec(name)):
        return
    session.say(f"Compiling {name} for {', '.join(engine.name for engine in installed())} ...")
    try:
        cache.compile(name)
    except DepthmapError as error:
        session.warn(f"{name} could not be compiled. It runs all the same, but may be slower. {error}")
