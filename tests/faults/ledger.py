"""The count of injections: by row of the table of faults, and how many of them lost something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FAULTS = {
    1: "killed at a write, fsync or rename; power lost",
    2: "disk full: beforehand, in mid-file, in the metadata",
    3: "truncated answers, wrong lengths, HTML pages, redirect loops",
    4: "ranges ignored, refused or changed under way",
    5: "stalled sockets, refusals, unknown names, wrong bytes",
    6: "bit flips, zeroed and truncated files",
    7: "many processes and threads at once; the lock's holder killed",
    8: "files replaced or removed while others have them mapped",
    9: "read-only caches, foreign owners, odd umasks, files where directories belong, dangling links",
    10: "no links or shared extents, other devices, long paths, names that differ by case",
    11: "clock jumps, restored file times",
    12: "malicious pickles, archives and HDF5 files",
    13: "interrupted exports and imports",
    14: "metadata of other versions, empty folders, unknown files",
    15: "no network, everything cached",
    16: "web: lying uploads, bombs, paths, foreign hosts and pages, slow and vanishing clients, crowds",
}
"""The rows of the table."""
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


@dataclass
class Row:
    """One fault: how often it was injected, and what was lost."""

    injections: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """What was injected in a session; ``lost`` has all that was lost, in the order of time."""

    rows: dict[int, Row] = field(default_factory=lambda: {number: Row() for number in FAULTS})
    lost: list[str] = field(default_factory=list)

    @contextmanager
    def injection(self, row: int, what: str) -> Iterator[None]:
        """Count one injection of the fault of that row; what fails inside is lost, and fails the test at its end."""
        try:
            yield
        except pytest.skip.Exception:
            raise
        except (Exception, pytest.fail.Exception) as error:
            said = f"{what}: {type(error).__name__}: {error}"
            self.rows[row].lost.append(said)
            self.lost.append(f"row {row}: {said}")
        self.rows[row].injections += 1

    def table(self) -> str:
        """Return the Markdown table."""
        lines = ["| row | fault | injections | survived | lost |", "|---:|---|---:|---:|---:|"]
        for number, row in self.rows.items():
            lines.append(_line(str(number), FAULTS[number], row.injections, len(row.lost)))
        injections = sum(row.injections for row in self.rows.values())
        return "\n".join([*lines, _line("", "**all**", injections, len(self.lost))]) + "\n"

    def write(self, path: Path) -> None:
        """Write the ledger as JSON."""
        rows = [
            {"row": number, "fault": FAULTS[number], "injections": row.injections, "lost": row.lost}
            for number, row in self.rows.items()
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")

    def show_in(self, page: Path) -> None:
        """Put the table between the two markers of a page."""
        text = page.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        page.write_text(f"{before}{BEGIN}\n{self.table()}{END}{after}", encoding="utf-8")


def _line(number: str, fault: str, injections: int, lost: int) -> str:
    return f"| {number} | {fault} | {injections} | {injections - lost} | {lost} |"
