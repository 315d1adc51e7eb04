"""What `predict`, `batch` and `video` share: the options of the model and the outputs, timing, and the report."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from ..catalog import SIZES
from ..colours import COLOUR_MAPS, DEFAULT_MAP
from ..engines import ENGINES, TORCH
from ..outputs import DEFAULT_OUTPUTS, OUTPUTS, Options, split_names
from ..ranges import EYES, EYES_LIMITS, RATIO
from .output import count, seconds_text
from .session import (
    FAILED,
    INTERRUPTED,
    SOME_FAILED,
    Function,
    Session,
    accepting_licences,
    allowing_unverified,
    complete_model,
    keep,
)

if TYPE_CHECKING:
    from ..batch import Result, Summary, Tally
    from ..estimator import DepthEstimator


def outputs_help(abouts: Mapping[str, str]) -> str:
    """Return the end of a command's help: what -f takes, and a line about each."""
    return "\b\nOutputs:\n" + "\n".join(f"  {name:<12}  {about}" for name, about in abouts.items())


OUTPUTS_HELP = outputs_help({name: output.about for name, output in OUTPUTS.items()})
"""The end of the help of commands that write files of pictures."""


def outputs_option(known: Sequence[str], default: str) -> Callable[[Function], Function]:
    """Return the option that takes names of outputs, which may be separated by commas, as a tuple ``formats``."""

    def parse(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        names = split_names(values)
        if unknown := [name for name in names if name not in known]:
            hint = f"{unknown[0]!r} is none of {', '.join(known)}; -o names the file or directory to write to"
            raise click.BadParameter(hint, ctx, parameter)
        return names

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete.lower())]

    return click.option(
        "--output",
        "--format",
        "-f",
        "formats",
        callback=parse,
        shell_complete=complete,
        multiple=True,
        metavar="NAME",
        help=f"What to write, one of the outputs below; may be repeated. Default: {default}.",
    )


colouring = click.option(
    "--colours",
    type=click.Choice(tuple(COLOUR_MAPS)),
    default=DEFAULT_MAP,
    show_default=True,
    help="Colour map of the colour outputs.",
)
"""The option of commands that write colours of depth."""
printing0 = click.option(
    "--print0",
    "-0",
    is_flag=True,
    expose_value=False,
    callback=keep,
    help="End each printed file name with NUL, for xargs -0.",
)
"""The option of commands that print the names of files."""
_MODEL = (
    click.option(
        "--model",
        "-m",
        metavar="MODEL",
        shell_complete=complete_model,
        help="Default: DEPTHMAP_MODEL, or the most accurate cached model, or the embedded one.",
    ),
    click.option(
        "--device", metavar="DEVICE", help="cpu, cuda, cuda:1 or mps. Default: a GPU if there is one."
    ),
    click.option(
        "--engine",
        type=click.Choice(("auto", TORCH, *ENGINES)),
        default="auto",
        help="What runs the network. Default: whatever finishes soonest.",
    ),
    click.option(
        "--size",
        type=click.IntRange(*SIZES),
        metavar="N",
        help="Longer side that the network sees, in pixels. Smaller is faster, larger shows more detail.",
    ),
    click.option("--no-cache", is_flag=True, help="Do not read or write the model cache."),
    allowing_unverified,
    click.option("--verify", is_flag=True, help="Check every byte of the model file before using it."),
    accepting_licences,
)
_OUTPUTS = (
    outputs_option(tuple(OUTPUTS), " and ".join(DEFAULT_OUTPUTS)),
    colouring,
    click.option(
        "--ratio",
        type=click.FloatRange(min=1, min_open=True),
        default=RATIO,
        show_default=True,
        metavar="R",
        help="Without metres, 3D outputs put the farthest R times as far away as the nearest.",
    ),
    click.option(
        "--eyes",
        type=click.FloatRange(*EYES_LIMITS),
        default=EYES,
        show_default=True,
        metavar="PERCENT",
        help="Depth of stereo and anaglyph: largest shift between the views, in % of the width.",
    ),
)
_PICTURES = (
    click.option(
        "--allow-private",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Also fetch URLs on private and local addresses.",
    ),
    printing0,
)


def choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the model; it gets a `Choice`."""

    @functools.wraps(function)
    def chosen(
        *args: Any,
        model: str | None,
        device: str | None,
        engine: str,
        size: int | None,
        no_cache: bool,
        verify: bool,
        **others: Any,
    ) -> Any:
        return function(*args, choice=Choice(model, device, engine, size, not no_cache, verify), **others)

    return _with(_MODEL, chosen)


def estimating(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the model and the outputs; it gets a `Choice` and `Options`."""

    @functools.wraps(function)
    def looking(*args: Any, colours: str, ratio: float, eyes: float, **others: Any) -> Any:
        return function(*args, options=Options(colours, ratio, eyes), **others)

    return _with(_OUTPUTS, choosing(_with(_PICTURES, looking)))


def _with(options: Sequence[Callable[..., Any]], function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


@dataclass
class Choice:
    """Which model is to run, and how; then how long it took to have it."""

    model: str | None
    device: str | None
    engine: str
    size: int | None
    use_cache: bool
    verify: bool
    seconds: dict[str, float] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)

    def make(self, session: Session, pictures: int, callers: int = 1) -> DepthEstimator:
        """Make the estimator for so many pictures and threads, and say which model it is and why."""
        from .messages import show_log
        from .progress import in_bytes

        show_log(session)
        start = time.perf_counter()
        from ..estimator import DepthEstimator

        imported = time.perf_counter()
        with _verifying(self.verify), in_bytes(session) as report:
            estimator = DepthEstimator(
                self.model,
                self.device,
                cache_dir=session.cache_dir,
                use_cache=self.use_cache,
                engine=self.engine,
                pictures=pictures,
                progress=report,
                size=self.size,
                callers=callers,
            )
        self.seconds = {"import": imported - start, "load": time.perf_counter() - imported}
        self.used = {
            "model": estimator.spec.name,
            "source": estimator.source,
            "reason": estimator.reason,
            "device": str(estimator.device),
            "engine": estimator.engine,
            "size": estimator.size,
        }
        session.say(
            f"Model: {estimator.spec.name}, {_SOURCES[estimator.source]}, "
            f"by {estimator.engine} on {estimator.device} ({estimator.reason})"
            + (f", at {estimator.size} pixels" if estimator.size else "")
        )
        return estimator


_SOURCES = {"pt": "from .pt", "h5": "from .h5", "embedded": "embedded", "download": "downloaded"}


@contextmanager
def _verifying(always: bool) -> Iterator[None]:
    """Set DEPTHMAP_VERIFY while the model is loaded."""
    before = os.environ.get("DEPTHMAP_VERIFY")
    if always:
        os.environ["DEPTHMAP_VERIFY"] = "always"
    try:
        yield
    finally:
        if always:
            os.environ.pop("DEPTHMAP_VERIFY")
            if before is not None:
                os.environ["DEPTHMAP_VERIFY"] = before


def times(choice: Choice, summary: Summary | Tally) -> dict[str, float]:
    """Return the seconds of each step, rounded."""
    steps = {**choice.seconds, **{step: summary.seconds(step) for step in ("read", "predict", "write")}}
    return {step: round(value, 4) for step, value in steps.items()}


def times_text(seconds: dict[str, float]) -> str:
    """Return the steps in a line."""
    return ", ".join(f"{step} {seconds_text(value)}" for step, value in seconds.items())


def document(choice: Choice, summary: Summary | Tally, **more: Any) -> dict[str, Any]:
    """Return everything as builtins, for JSON; of a `Tally` only the counts."""
    counts = {status: summary.count(status) for status in ("done", "skipped", "failed")}
    stopped = type(summary.stopped).__name__ if summary.stopped else None
    return {
        **choice.used,
        **more,
        **counts,
        "stopped": stopped,
        "seconds": times(choice, summary),
        **_results(summary),
    }


def _results(summary: Summary | Tally) -> dict[str, Any]:
    results = getattr(summary, "results", None)
    return {} if results is None else {"results": [result.as_dict() for result in results]}


def announce(session: Session, result: Result) -> None:
    """Print the files of a picture on stdout as soon as they are whole, its error on stderr."""
    if result.error:
        session.complain(result.error)
    elif result.status == "done" and not session.json:
        for path in result.job.paths:
            session.name(path)


def closing(session: Session, choice: Choice, summary: Summary | Tally, total: int) -> int:
    """Say what came of it, and return the exit status."""
    done, skipped, failed = (summary.count(status) for status in ("done", "skipped", "failed"))
    parts = [f"{count(done, 'picture')} done"]
    parts += [f"{skipped} skipped, as their files are there (--overwrite makes them anew)"] if skipped else []
    parts += [f"{failed} failed"] if failed else []
    left = total - summary.ended
    parts += [f"{left} not begun"] if left else []
    if total > 1:
        session.say(", ".join(parts) + ".")
    if done:
        session.say("Time: " + times_text(times(choice, summary)))
    if isinstance(summary.stopped, KeyboardInterrupt):
        session.say("Interrupted. What is done is kept; the same command goes on from here.")
        return INTERRUPTED
    if summary.stopped:
        session.complain(summary.stopped)
        return FAILED
    return 0 if not failed else SOME_FAILED if failed < total else FAILED
