"""How long a body may be, by the address that it is sent to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from starlette.exceptions import HTTPException

Limit: TypeAlias = int | Callable[[], int]
"""Bytes, or what tells them when a request comes."""


class TooLong(HTTPException):
    """The body, or a part of it, is longer than it may be: 413."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"Send at most {shown(limit)}.")


def shown(nbytes: int) -> str:
    """Return bytes as a person reads them."""
    mebibytes, rest = divmod(nbytes, 1 << 20)
    return f"{nbytes} bytes" if rest else f"{mebibytes} MiB"


class Limits:
    """The limits by the beginning of the path; of those that fit, the longest beginning counts. "/" has to be there."""

    def __init__(self, table: Mapping[str, Limit]) -> None:
        self._table = dict(table)

    def of(self, path: str) -> int:
        """Return how many bytes a body may have that is sent there."""
        beginning = max((begin for begin in self._table if path.startswith(begin)), key=len, default="/")
        limit = self._table[beginning]
        return limit() if callable(limit) else limit
