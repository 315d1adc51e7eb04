"""How results, messages and errors look. Nothing here decides anything."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO

WIDTH = 80
"""Columns of a terminal that does not say how many it has, and of tables anywhere."""
_NAME = 22  # a longer first cell stands on its own line, whole, so that it can be copied
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[33m"}
# What commands a terminal, or turns around what it shows: C0, DEL, C1, bidirectional overrides; and what is no text.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def size_text(nbytes: float) -> str:
    """Return a size in three digits, in powers of 1000."""
    for unit, name in _UNITS:
        if nbytes >= unit * 0.9995:
            return f"{nbytes / unit:.3g} {name}" if nbytes < unit * 999.5 else f"{nbytes / unit:.0f} {name}"
    return f"{nbytes:.0f} B"


def seconds_text(seconds: float) -> str:
    """Return a duration, short."""
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def count(number: int, noun: str) -> str:
    """Return the number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def columns(stream: IO[str]) -> int:
    """Return how wide the terminal behind a stream is, 0 when there is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDTH if stream.isatty() else 0
    except (OSError, ValueError, AttributeError):
        return 0


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether somebody may be looking."""
    try:
        return stream.isatty()
    except (ValueError, AttributeError):  # it is closed, or there is none
        return False


def printable(text: str) -> str:
    """Return a text in which nothing commands a terminal: control characters become ``\\n``, ``\\x1b``, ``\\u202e``."""
    return _CONTROLS.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python writes a byte of a name that is no UTF-8
        code -= 0xDC00
    return _ESCAPES.get(match[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def safe(text: str, stream: IO[str]) -> str:
    """Return a text as it may go to a stream: `printable` on a terminal, as it is elsewhere.

    File names, URLs, model names and errors hold what strangers wrote. All that is printed comes through here.
    """
    return printable(text) if is_terminal(stream) else text


def wrapped(text: str, width: int) -> str:
    """Break a text at spaces; without a width it stays one line, which is easier to search."""
    if not width or len(text) <= width:
        return text
    import textwrap

    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def labelled(label: str, text: str) -> str:
    """Return ``label: text`` as stderr shows it: wrapped, and in colour where it is a terminal."""
    width = columns(sys.stderr)
    line = wrapped(f"{label}: {safe(text, sys.stderr)}", width)
    if not width or os.environ.get("NO_COLOR"):
        return line
    return f"{_COLOURS[label]}{label}:\x1b[0m{line[len(label) + 1 :]}"


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = (), longest: int = _NAME
) -> list[str]:
    """Lay out cells in columns; the last is cut where the line would exceed the width.

    ``right`` numbers the columns that are aligned at their right. A first cell of more than ``longest`` characters
    stands on a line of its own. A row of one cell is a heading.
    """
    lines = [list(header), *[list(row) for row in rows]]
    full = [line for line in lines if len(line) > 1]
    heads = [min(max(len(line[0]) for line in full), longest)]
    widths = heads + [max(len(line[n]) for line in full) for n in range(1, len(header))]
    out = []
    for line in lines:
        if len(line) == 1:
            out.append(_cut(line[0]))
            continue
        if len(line[0]) > widths[0]:
            out.append(line[0])
            line[0] = ""
        cells = [
            c.rjust(w) if n in set(right) else c.ljust(w)
            for n, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        out.append(_cut("  ".join(cells).rstrip()))
    return out


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 3].rstrip() + "..."
