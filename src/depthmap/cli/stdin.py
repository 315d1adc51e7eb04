"""The picture that ``-`` stands for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ..errors import ImageError

STDIN = "-"
_EXAMPLE = "cat photo.jpg | depthmap predict -"
_LISTS = "For a list of names, use xargs: xargs -d '\\n' -a names.txt depthmap predict"
_LONGEST_NAME = 4096


def check_once(names: Sequence[object]) -> None:
    """Raise UsageError when stdin is named twice: there is one picture in it."""
    if names.count(STDIN) > 1:
        raise click.UsageError("stdin holds only one picture: give - once.")


def refuse(names: Sequence[object]) -> None:
    """Raise UsageError when stdin is named, for a command that takes none."""
    if STDIN in names:
        raise click.UsageError(
            f"This command reads no picture from stdin: use '{_EXAMPLE}'. {_LISTS.replace('predict', 'batch -o OUT')}"
        )


def read_picture() -> bytes:
    """Return the bytes of the picture in stdin; nobody is waited for at a terminal.

    Raises
    ------
    UsageError
        When stdin is a terminal or closed, or holds names.
    ImageError
        When nothing comes.
    """
    from ..images import MAX_BYTES, drain

    if sys.stdin is None or sys.stdin.closed:
        raise click.UsageError(f"stdin is closed: pipe a picture in ({_EXAMPLE}), or name a file.")
    if sys.stdin.isatty():
        raise click.UsageError(f"stdin is a terminal: pipe a picture in ({_EXAMPLE}), or name a file.")
    data = drain(sys.stdin.buffer, STDIN, MAX_BYTES)
    if not data:
        raise ImageError("Nothing came from stdin", STDIN, f"Pipe a picture in: {_EXAMPLE}")
    if _begins_with_a_name(data):
        raise click.UsageError(f"stdin holds names, not a picture. {_LISTS}")
    return data


def _begins_with_a_name(data: bytes) -> bool:
    line = data[:_LONGEST_NAME].splitlines()[0].strip() if data.strip() else b""
    return b"\0" not in line and (line.startswith((b"http://", b"https://")) or os.path.isfile(line))  # noqa: PTH113  # bytes, as names need not be text
