"""Names in a file or on stdin, a line each, or with NUL between them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import ImageError, UsageError

STDIN = "-"
_BLOCK = 1 << 16
_LONGEST = 1 << 16
"""No path and hardly a URL is longer: what has no end by then is no list."""


def names_in(file: str) -> Iterator[str]:
    """Yield the names in a list, as they come; - is stdin.

    Where there is a NUL in what comes first, names end with it (``find -print0``), else with a line.

    Raises
    ------
    ImageError
        When the list cannot be read, or is none.
    UsageError
        When stdin is a terminal or closed.
    """
    if file == STDIN:
        if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
            raise UsageError(
                "stdin has no list", STDIN, "Pipe one in: find photos -print0 | depthmap batch ..."
            )
        yield from _names(sys.stdin.buffer, file)
        return
    try:
        with Path(file).open("rb") as stream:
            yield from _names(stream, file)
    except OSError as error:
        what = f"The list cannot be read: {error.strerror}"
        raise ImageError(what, file, "Check the path.") from error


def _names(stream: Any, file: str) -> Iterator[str]:
    separator, rest = b"", b""
    while block := stream.read1(_BLOCK):
        rest += block
        separator = separator or _separator(rest)
        if separator:
            *names, rest = rest.split(separator)
            yield from _texts(names, separator)
        if len(rest) > _LONGEST:
            raise ImageError(
                "This is no list of names", file, "Give a text file with a path or URL in each line."
            )
    yield from _texts([rest], separator)


def _separator(begun: bytes) -> bytes:
    return b"\0" if b"\0" in begun else b"\n" if b"\n" in begun else b""


def _texts(names: list[bytes], separator: bytes) -> Iterator[str]:
    for name in names:
        text = os.fsdecode(name if separator == b"\0" else name.rstrip(b"\r"))
        if text.strip():
            yield text
