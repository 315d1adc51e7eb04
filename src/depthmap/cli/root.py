"""The group of all commands, and what becomes of their errors."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from ..errors import DepthmapError, UnknownModel, UsageError
from .lazy import LazyGroup
from .session import FAILED, INTERRUPTED, WRONG_USE, Session, common

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


@click.group(
    cls=LazyGroup,
    table={
        "predict": ("predict:predict", "Estimate the depth of pictures."),
        "batch": ("batch:batch", "Estimate the depth of all pictures in directories."),
        "video": ("video:video", "Estimate the depth of a film, without flicker."),
        "inspect": ("inspecting:inspect", "Say what the numbers in a depth file mean."),
        "serve": ("serve:serve", "Serve the model cache over HTTP."),
        "models": ("models:models", "List, download, check and remove models."),
        "setup": ("setup:setup", "Download models and check that they load."),
        "doctor": ("doctor:doctor", "Check that everything works."),
    },
)
@click.version_option(__version__, prog_name="depthmap")
@common
def cli() -> None:
    """Depth from one picture with the MiDaS models.

    \b
    depthmap predict photo.jpg                    depth maps of a picture
    depthmap models download --model DPT_Large    the most accurate of MiDaS v3.0
    depthmap batch photos -o depth                many pictures
    depthmap video film.mp4 -o depth.mp4          a film

    A small model ships in the package, so it works offline from the first
    minute.
    """


def run(args: Sequence[str] | None, command: str, prog: str) -> int:
    """Run a command line and return the exit status; `depthmap.cli.main` describes it."""
    arguments = list(sys.argv[1:] if args is None else args)
    session = Session()
    if hasattr(sys.stdout, "reconfigure"):  # names of files need not be valid text
        sys.stdout.reconfigure(
            errors="surrogateescape" if sys.stdout.encoding.lower() == "utf-8" else "replace"
        )
    try:
        root = (cli.get_command(click.Context(cli), command) if command else None) or cli
        status = root.main(arguments, prog_name=prog, standalone_mode=False, obj=session, **_HELP)
        sys.stdout.flush()
    except SystemExit as stop:  # shell completion, and click on a broken pipe
        return stop.code if isinstance(stop.code, int) else FAILED
    except (Exception, KeyboardInterrupt) as error:
        return _failure(error, session, arguments)
    finally:
        session.end()
    return status if isinstance(status, int) else 0


def _failure(error: BaseException, session: Session, arguments: Sequence[str]) -> int:
    """Say what went wrong, once, and return the exit status."""
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        _silence_stdout()
        return FAILED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)
        return WRONG_USE
    if session.verbose:
        session.trace(error)
    status, described = _described(error)
    session.json = session.json or "--json" in arguments
    try:
        session.complain(described)
        if session.json:
            session.result(described.as_dict())
    except BrokenPipeError:
        _silence_stdout()
    return status


def _described(error: BaseException) -> tuple[int, DepthmapError]:
    """Return the exit status and the error in our words."""
    if isinstance(error, DepthmapError):
        return WRONG_USE if isinstance(error, (UsageError, UnknownModel)) else FAILED, error
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED, DepthmapError("Interrupted")
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "depthmap"
        return WRONG_USE, UsageError(error.format_message().rstrip("."), "", f"See '{path} --help'.")
    if isinstance(error, click.ClickException):
        return FAILED, DepthmapError(error.format_message().rstrip("."))
    if isinstance(error, MemoryError):
        return FAILED, DepthmapError("There is not enough memory", "", "Use a smaller model or picture.")
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        return FAILED, DepthmapError(what, error.filename or "", "Run it again with -v to see the traceback.")
    what = f"Unexpected {type(error).__name__}: {error}"
    return FAILED, DepthmapError(
        what, "", "This is a bug in depthmap: run it again with -v and report what it prints."
    )


def _silence_stdout() -> None:
    """Let nothing be flushed into a closed pipe at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
