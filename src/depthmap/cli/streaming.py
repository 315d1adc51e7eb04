"""The options of ``depthmap batch`` for pictures without end, and such a run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..containers import is_container
from ..fetching import is_remote
from ..outputs import DEFAULT_OUTPUTS, Options
from .estimating import Choice, announce, closing, document
from .output import count
from .session import FAILED, SOME_FAILED, Session

if TYPE_CHECKING:
    from ..batch import Result
    from .measuring import Measures

_MANY = 1000
"""Pictures that are expected where nobody has counted them."""


def _shard(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int]:
    try:
        number, of = map(int, (value or "1/1").split("/"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not i/n, such as 3/8", ctx, parameter) from None
    if not 1 <= number <= of:
        raise click.BadParameter(f"{value!r}: i goes from 1 to n", ctx, parameter)
    return number, of


_OPTIONS = (
    click.option(
        "--stream",
        is_flag=True,
        help="List nothing beforehand: for millions of pictures. Implied by the eight options that follow.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Skip what the manifest in OUT says is done; each streamed run does, unless you give --overwrite.",
    ),
    click.option(
        "--from-file",
        "lists",
        metavar="LIST",
        multiple=True,
        help="Read paths and URLs from a file, one a line or NUL between them; - is stdin. May be repeated.",
    ),
    click.option(
        "--shard", metavar="I/N", callback=_shard, help="Do only the I-th of N parts, for N machines."
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        metavar="N",
        help="Run N processes, which share one copy of the model.",
    ),
    click.option(
        "--ray",
        metavar="[ADDRESS]",
        is_flag=False,
        flag_value="",
        help="Run on the machines of a Ray cluster: the one at ADDRESS, else the environment's, else this machine.",
    ),
    click.option(
        "--num-gpus",
        type=click.FloatRange(0, 64),
        metavar="N",
        default=0,
        help="With --ray: run on the cluster's GPUs, so many for each actor; 0.5 lets two share one.",
    ),
    click.option(
        "--column", metavar="NAME", help="Column of Parquet files that has pictures, paths or URLs."
    ),
    click.option(
        "--manifest",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Where to keep the manifest, if OUT is a URL or read by others.",
    ),
    click.option(
        "--jsonl", is_flag=True, help="Print a line of JSON for each picture as it ends, instead of names."
    ),
    click.option("--dry-run", is_flag=True, help="Only print which files would be written."),
)


@dataclass(frozen=True)
class Flow:
    """How pictures come, and what is said of each."""

    stream: bool
    resume: bool
    lists: tuple[str, ...]
    shard: tuple[int, int]
    workers: int | None
    ray: str | None
    num_gpus: float
    column: str | None
    manifest: Path | None
    jsonl: bool
    dry_run: bool

    def streams(self, names: Sequence[str], out: str) -> bool:
        """Tell whether nothing may be listed beforehand."""
        asked = (
            self.stream
            or self.resume
            or self.lists
            or self.shard != (1, 1)
            or self.workers
            or self.ray is not None
            or self.num_gpus
        )
        return bool(asked or self.column or self.manifest or is_remote(out)) or any(
            is_remote(name) or is_container(name) for name in names
        )


def streaming(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets a `Flow`."""

    @functools.wraps(function)
    def flowing(*args: Any, **options: Any) -> Any:
        flow = Flow(**{name: options.pop(name) for name in Flow.__dataclass_fields__})
        return function(*args, flow=flow, **options)

    decorated: Callable[..., Any] = flowing
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def run_streamed(
    session: Session,
    names: Sequence[str],
    out: str,
    flow: Flow,
    choice: Choice,
    measures: Measures,
    formats: tuple[str, ...],
    options: Options,
    **more: Any,
) -> int:
    """Estimate the depth of pictures without end, and return the exit status."""
    from ..batch import Order, callers, open_sources, planned, stream
    from .progress import in_pictures

    recursive = more.pop("recursive")
    order = Order(
        out,
        formats or DEFAULT_OUTPUTS,
        options,
        shard=flow.shard,
        manifest=flow.manifest,
        workers=flow.workers or 1,
        ray=flow.ray,
        num_gpus=flow.num_gpus,
        allow_private=session.allow_private,
        begin=measures.begin,
        finish=measures.finish,
        settings=measures.facts(),
        **more,
    )
    order.check()
    if flow.workers and flow.ray is not None:
        raise click.UsageError("Give --workers for this machine or --ray for a cluster, not both.")
    if flow.resume and order.manifest_file is None:
        raise click.UsageError(
            f"{out} is no folder on this machine: say where the manifest is with --manifest FILE."
        )
    folder = None if is_remote(out) else Path(out)
    sources = open_sources(names, flow.lists, recursive=recursive, out=folder, column=flow.column or "")
    if flow.dry_run:
        return show_plan(session, planned(sources, order))
    estimator = choice.make(session, _MANY, callers())
    with in_pictures(session) as report:
        ended = 0

        def notify(result: Result) -> None:
            nonlocal ended
            ended += 1
            tell(session, flow, result)
            report(result.job.short_name, ended, 0)

        tally = stream(sources, estimator, order, notify)
    status = closing(session, choice, tally, tally.ended)
    if session.json:
        session.result(document(choice, tally, out=out))
    return status


def tell(session: Session, flow: Flow, result: Result) -> None:
    """Print what came of a picture: its files, or with --jsonl a line of JSON."""
    if flow.jsonl:
        if result.error:
            session.complain(result.error)
        session.record(result.as_dict())
    else:
        announce(session, result)


def show_plan(session: Session, jobs: Iterator[Any]) -> int:
    """Print which files would be written, and return the exit status."""
    pictures = failed = 0
    for job in jobs:
        if error := getattr(getattr(job, "result", None), "error", None):
            session.complain(error)
            failed += 1
            continue
        pictures += 1
        for target in job.targets:
            session.name(target)
    session.say(f"{count(pictures, 'picture')}; nothing was done (--dry-run).")
    return 0 if not failed else SOME_FAILED if pictures else FAILED
