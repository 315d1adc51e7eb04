"""Byte ranges as HTTP writes them (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import NamedTuple

# No file has more digits; Python would spend seconds on a number of a million.
_CONTENT_RANGE = re.compile(
    r"bytes[ \t]+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE | re.ASCII
)
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')


class ContentRange(NamedTuple):
    """What a reply says that it holds: bytes ``first`` to ``last`` of ``total`` (None: unknown).

    In a refusal (416, ``bytes */N``) ``first`` and ``last`` are None.
    """

    first: int | None
    last: int | None
    total: int | None


def parse_content_range(text: str) -> ContentRange | None:
    """Return what a Content-Range header says, or None when it says nothing that makes sense."""
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if not match:
        return None
    first, last = (int(match[1]), int(match[2])) if match[1] else (None, None)
    total = None if match[3] == "*" else int(match[3])
    if first is None or last is None:
        return ContentRange(None, None, total) if total is not None else None
    if first > last or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


def range_header(start: int, end: int | None) -> str:
    """Return the value of a Range header for the bytes from ``start`` to before ``end`` (None: to the end)."""
    return f"bytes={start}-{'' if end is None else end - 1}"


def strong_etag(text: str) -> str:
    """Return an ETag under which bytes are the same bytes, or "" when it is weak, malformed or none."""
    return text if _STRONG_ETAG.fullmatch(text) else ""
