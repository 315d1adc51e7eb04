"""How far it is: a bar where stderr is a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import output
from .session import Session

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is (0: unknown)."""
_LARGE = 100_000_000  # smaller files are done before a line about them is read, unless they last
_LASTING = 2.0  # seconds
_STEP = 25  # per cent between two plain lines
_PAUSE = 60.0  # seconds between two plain lines of what is slower than that


@contextmanager
def in_bytes(session: Session) -> Iterator[Report]:
    """Show the progress of transfers, conversions and checks."""
    with _bar(_byte_columns, keep=True) if _has_terminal(session) else _lines(session) as report:
        yield report


@contextmanager
def in_pictures(session: Session) -> Iterator[Report]:
    """Show the progress of a batch; without a terminal its results are progress enough."""
    if not _has_terminal(session):
        yield lambda what, done, total: None
        return
    with _bar(_picture_columns, keep=False) as report:
        yield report


@contextmanager
def in_frames(session: Session) -> Iterator[Report]:
    """Show the progress of a film, whose frames are many: a bar, or some lines with the time left."""
    shown = _bar(_picture_columns, keep=False) if _has_terminal(session) else _lines(session, _frames)
    with shown as report:
        yield report


def _has_terminal(session: Session) -> bool:
    return not session.quiet and bool(output.columns(sys.stderr)) and os.environ.get("TERM") != "dumb"


def _byte_columns() -> list[ProgressColumn]:
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    what = TextColumn("{task.description}", markup=False)
    return [what, BarColumn(10), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True)]


def _picture_columns() -> list[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return [
        BarColumn(20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", markup=False),
    ]


@contextmanager
def _bar(columns: Callable[[], list[ProgressColumn]], *, keep: bool) -> Iterator[Report]:
    """Show a bar, with ``keep`` a new one for each thing that is done."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Column

    # A piped stdout is data: rich may only take it over where it is the same terminal.
    console = Console(stderr=True, highlight=False, markup=False)
    shown = columns()
    for column in shown:
        column._table_column = Column(no_wrap=True, overflow="ellipsis")
    progress = Progress(*shown, console=console, redirect_stdout=bool(output.columns(sys.stdout)))
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
        what = output.printable(what)
        progress.start()  # only now: there can be one bar at a time
        key = _topic(what) if keep else ""
        if key not in tasks:
            # What was there before, of a download that goes on, is no part of the rate.
            tasks[key] = progress.add_task(what, total=total or None, completed=done)
        progress.update(tasks[key], description=what, completed=done, total=total or None)

    try:
        yield report
    finally:
        progress.stop()


def _topic(what: str) -> str:
    """Return what is being done, without the seconds that it still takes."""
    return re.sub(r" \d+ s\b", "", what)


class _Pace:
    """How far one thing is, how fast it goes, and when another line about it is due."""

    def __init__(self, done: int, amount: Callable[[float], str]) -> None:
        self._amount = amount
        self._began = self._said = time.monotonic()
        self._first = done  # what was there before, of a download that goes on, is no part of the rate
        self._step = -1

    def is_due(self, done: int, total: int) -> bool:
        now = time.monotonic()
        if 0 < total < _LARGE and now - self._began < _LASTING:
            return False
        step = done * 100 // total // _STEP if total else 0
        if step <= self._step and now - self._said < _PAUSE:
            return False
        self._step, self._said = step, now
        return True

    def text(self, done: int, total: int) -> str:
        if not total:
            return " ..."
        parts = [f": {done * 100 // total} % of {self._amount(total)}"]
        fresh, seconds = done - self._first, time.monotonic() - self._began
        if fresh > 0 and seconds > 0:
            rate = fresh / seconds
            parts.append(f"{self._amount(rate)}/s")
            if done < total:
                parts.append(f"{output.seconds_text((total - done) / rate)} left")
        return ", ".join(parts)


def _frames(number: float) -> str:
    return f"{number:.3g} frames" if number < 100 else f"{number:.0f} frames"


@contextmanager
def _lines(session: Session, amount: Callable[[float], str] = output.size_text) -> Iterator[Report]:
    """Print a line now and then; ``amount`` says how much a number is."""
    paces: dict[str, _Pace] = {}

    def report(what: str, done: int, total: int) -> None:
        pace = paces.setdefault(_topic(what), _Pace(done, amount))
        if pace.is_due(done, total):
            session.say(what + pace.text(done, total))

    yield report
