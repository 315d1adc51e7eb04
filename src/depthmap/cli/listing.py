"""Tables of models, with a heading for each family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from ..catalog import GROUPS
from .output import size_text, table

_LONGEST = 36
"""Characters of the longest name that leave room for the rest of a line."""
_LICENCE = 12
"""Characters of the longest licence that do."""


def by_group(
    header: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], right: Iterable[int] = ()
) -> list[str]:
    """Return a table of rows that are given with their family's name; see `output.table`."""
    cells: list[Sequence[str]] = []
    for group, members in groupby(rows, key=lambda row: row[0]):
        cells.append(("",))
        cells.append((f"{group or 'Yours'}: {GROUPS.get(group, 'imported, or of your catalogue')}",))
        cells += [row for _, row in members]
    return table(header, cells, right, _LONGEST)


def marked(name: str, mark: str) -> str:
    """Return a model's name as a table has it."""
    return f"{name} ({mark})" if mark else name


def rough_size(nbytes: float, parameters: int) -> str:
    """Return the size of a file, which may be known roughly: four bytes a parameter."""
    return size_text(nbytes) if nbytes else f"~{size_text(round(parameters * 4, -6))}" if parameters else ""


def licence_text(row: Mapping[str, Any]) -> str:
    """Return the licence that counts of a row of `ModelCache.models`."""
    name = row["terms"] or str(row["licence"]).partition(";")[0]
    return name if len(name) <= _LICENCE else f"{name[: _LICENCE - 3]}..."
