"""What all commands share: the common options, and where their words go."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..settings import ANY
from . import output

if TYPE_CHECKING:
    from ..cache import ModelCache

Function = TypeVar("Function", bound=Callable[..., Any])
FAILED, WRONG_USE, SOME_FAILED, INTERRUPTED = 1, 2, 3, 130
"""Exit statuses besides 0."""
_VARIABLES = {
    "offline": ("DEPTHMAP_OFFLINE", "1"),
    "accept_licence": ("DEPTHMAP_ACCEPT", ANY),
    "allow_unverified": ("DEPTHMAP_ALLOW_UNVERIFIED", "1"),
}
"""Options that stand for a variable of the environment while a command runs, and its value."""


class Session:
    """The common options of this run. Results go to stdout, everything else to stderr."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.verbose = False
        self.cache_dir: str | None = None
        self.offline = False
        self.accept_licence = False
        self.allow_unverified = False
        self._before = {variable: os.environ.get(variable) for variable, _ in _VARIABLES.values()}
        self.allow_private = False
        self.print0 = False

    def end(self) -> None:
        """Set the variables that this run's options stand for to what they were before."""
        for name, (variable, _) in _VARIABLES.items():
            if getattr(self, name):
                os.environ.pop(variable, None)
                if (before := self._before[variable]) is not None:
                    os.environ[variable] = before

    def cache(self) -> ModelCache:
        """Return the cache, for a command that only lists."""
        from ..cache import ModelCache

        return ModelCache(self.cache_dir)

    def working_cache(self) -> ModelCache:
        """Return the cache, for a command that reads or changes models: what the package logs is shown."""
        from .messages import show_log

        show_log(self)
        return self.cache()

    def say(self, text: str) -> None:
        """Print a message, unless asked to be quiet."""
        if not self.quiet:
            text = output.safe(text, sys.stderr)
            print(output.wrapped(text, output.columns(sys.stderr)), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning; also when quiet."""
        print(output.labelled("warning", text), file=sys.stderr, flush=True)

    def complain(self, error: object) -> None:
        """Print an error; also when quiet."""
        print(output.labelled("error", str(error)), file=sys.stderr, flush=True)

    def trace(self, error: BaseException) -> None:
        """Print where an error was raised."""
        import traceback

        for part in traceback.format_exception(error):
            for line in part.splitlines():
                print(output.safe(line, sys.stderr), file=sys.stderr)

    def name(self, path: object) -> None:
        """Print the name of a file that was written, which ends with NUL if asked for."""
        print(output.safe(str(path), sys.stdout), end="\0" if self.print0 else "\n", flush=True)

    def line(self, text: str, width: int = 0) -> None:
        """Print a line of the result, broken where it exceeds a width."""
        print(output.wrapped(output.safe(text, sys.stdout), width), flush=True)

    def record(self, data: Any) -> None:
        """Print a line of JSON, one of many."""
        print(_as_json(data), flush=True)

    def result(self, data: Any, lines: Iterable[str] = ()) -> None:
        """Print the result: ``data`` with --json, else ``lines``."""
        if self.json:
            print(_as_json(data, indent=2), flush=True)
        else:
            for line in lines:
                print(output.safe(line, sys.stdout))
            sys.stdout.flush()


def _as_json(data: Any, indent: int | None = None) -> str:
    import json

    # The one control character that JSON lets stand.
    return json.dumps(data, indent=indent, default=str).replace("\x7f", "\\u007f")


def keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Note in the session an option that bears its name, wherever on the command line it stands."""
    session = ctx.ensure_object(Session)
    if value and parameter.name:
        setattr(session, parameter.name, value)
        if parameter.name in _VARIABLES:  # estimators, servers and workers read it there
            variable, text = _VARIABLES[parameter.name]
            os.environ[variable] = text
    return value


_COMMON = (
    click.option(
        "--json", is_flag=True, expose_value=False, callback=keep, help="Print one JSON document on stdout."
    ),
    click.option(
        "--cache-dir",
        metavar="DIR",
        expose_value=False,
        callback=keep,
        help=f"Where to keep models; you can give several places with '{os.pathsep}' between. "
        "Default: DEPTHMAP_CACHE_DIR, or depthmap/models in XDG_CACHE_HOME or ~/.cache.",
    ),
    click.option(
        "--offline",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Do not use the network, like DEPTHMAP_OFFLINE=1.",
    ),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Print only results and errors.",
    ),
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Print more, and show tracebacks.",
    ),
)


allowing_unverified = click.option(
    "--allow-unverified",
    is_flag=True,
    expose_value=False,
    callback=keep,
    help="Also download a model of which nobody states the SHA-256, like DEPTHMAP_ALLOW_UNVERIFIED=1.",
)
"""The option of commands that download."""


def common(function: Function) -> Function:
    """Give a command the common options."""
    for option in reversed(_COMMON):
        function = option(function)
    return function


accepting_licences = click.option(
    "--accept-licence",
    is_flag=True,
    expose_value=False,
    callback=keep,
    help="Accept the model's licence, if it asks for that before a download.",
)
"""Give a command that may download a model the option to accept its licence."""


def with_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the common options, and the session as its first argument."""
    return common(click.make_pass_decorator(Session, ensure=True)(function))


def complete_model(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the models whose name begins like this, for shell completion."""
    rows = (ctx.find_object(Session) or Session()).cache().models()
    return [row["name"] for row in rows if row["name"].lower().startswith(incomplete.lower())]


def with_models(
    *, required: bool = True, several: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--model M``, or M as an argument; it gets ``model`` (or None), or a tuple ``models``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def named(*args: Any, model: tuple[str, ...], names: tuple[str, ...], **options: Any) -> Any:
            chosen = tuple(dict.fromkeys([*model, *names]))
            if required and not chosen:
                raise click.UsageError("Name a model: --model MODEL. 'depthmap models list' shows them all.")
            if several:
                return function(*args, models=chosen, **options)
            if len(chosen) > 1:
                raise click.UsageError(f"Name one model, not {len(chosen)}: {', '.join(chosen)}.")
            return function(*args, model=chosen[0] if chosen else None, **options)

        argument = click.argument(
            "names", metavar="[MODEL]" + ("..." if several else ""), nargs=-1, shell_complete=complete_model
        )
        option = click.option(
            "--model",
            "-m",
            metavar="MODEL",
            multiple=True,
            shell_complete=complete_model,
            help="Name of the model, in upper or lower case" + ("; may be repeated." if several else "."),
        )
        return argument(option(named))

    return decorate
