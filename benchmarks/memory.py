"""The memory of other processes, from ``/proc`` (Linux)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def private(pid: int) -> int:
    """Return the bytes that a process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(_bytes(line) for line in lines if line.startswith("Private_"))


def anonymous(pid: int) -> int:
    """Return the bytes in memory that a process has besides those of files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(_bytes(line) for line in lines if line.startswith("RssAnon:"))


def pss(pid: int, file: Path) -> int:
    """Return a process's share of a file's pages in memory: those that n processes have mapped count as 1/n."""
    return sum(_bytes(line) for line in _of_mappings(pid, file.resolve()) if line.startswith("Pss:"))


def _of_mappings(pid: int, file: Path) -> Iterator[str]:
    """Yield what ``smaps`` says of the mappings of a file."""
    within = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = line.split(maxsplit=5)
        if not head[0].endswith(":"):  # the line of a mapping begins with its addresses
            within = len(head) == 6 and head[5] == str(file)
        elif within:
            yield line


def _bytes(line: str) -> int:
    return int(line.split()[1]) * 1024
