"""How far it is: a few plain lines, or one line of a terminal."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.terminals import on_terminal
from depthmap.cli import progress
from depthmap.cli.session import Session
from faults.servers import HostileServer, slow

LINE = re.compile(r"Downloading toy\.pt: (\d+) % of [\d.]+ MB(, [\d.]+ \wB/s(, [\d.]+ (s|min) left)?)?")


@pytest.fixture
def server(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    """The mirror as an HTTP server that takes about a second for the file."""
    started = HostileServer(mirror, slow(mirror.stat().st_size), name="toy.pt")
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", started.url)
    yield started
    started.stop()


@pytest.mark.usefixtures("no_engines")
def test_without_a_terminal_lines_have_rate_and_time_left_and_are_few(
    run: Run, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LARGE", 1)
    done = run("models", "download", "Toy", "--format", "pt")
    assert done.status == 0
    found = [LINE.fullmatch(line) for line in done.err.splitlines() if "Downloading" in line]
    assert 3 <= len(found) <= 5, done.err
    assert all(found), done.err
    shares = [int(match[1]) for match in found if match]
    assert shares == sorted(set(shares))
    assert sum("left" in match[0] for match in found if match) >= 2
    assert "\r" not in done.err


@pytest.mark.usefixtures("no_engines")
def test_quiet_and_small_downloads_say_nothing(
    run: Run, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.heal()
    assert "%" not in run("models", "download", "Toy", "--format", "pt").err
    assert run("models", "clear", "Toy").status == 0
    monkeypatch.setattr(progress, "_LARGE", 1)
    assert run("models", "download", "Toy", "--format", "pt", "-q").err == ""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return the lines that reports give, each made at a time of its own."""

    def get(*reports: tuple[float, str, int, int]) -> list[str]:
        said: list[str] = []
        session = Session()
        monkeypatch.setattr(session, "say", said.append)
        with progress.in_bytes(session) as report:
            for now, what, done, total in reports:
                monkeypatch.setattr(time, "monotonic", partial(float, now))
                report(what, done, total)
        return said

    return get


def test_the_rate_is_that_of_this_run_and_the_time_left_follows_from_it(
    lines: Callable[..., list[str]],
) -> None:
    total = 1_000_000_000
    said = lines((0, "X", 600_000_000, total), (10, "X", 800_000_000, total), (20, "X", total, total))
    assert said == [
        "X: 60 % of 1 GB",
        "X: 80 % of 1 GB, 20 MB/s, 10 s left",
        "X: 100 % of 1 GB, 20 MB/s",
    ]


def test_a_slow_download_is_heard_of_once_a_minute_and_a_fast_one_four_times(
    lines: Callable[..., list[str]],
) -> None:
    total = 2_000_000_000
    slow_one = lines(*((t / 10, "X", t * 1000, total) for t in range(6001)))
    assert len(slow_one) == 11  # ten minutes
    fast_one = lines(*((t / 100, "X", t * total // 1000, total) for t in range(1001)))
    assert len(fast_one) == 5
    small_and_lasting = lines(*((float(t), "X", t * 1000, 1_000_000) for t in range(61)))
    assert len(small_and_lasting) == 1
    assert small_and_lasting[0].startswith("X: 0 % of 1 MB, 1 kB/s, ")


def test_seconds_that_are_counted_down_are_one_thing(lines: Callable[..., list[str]]) -> None:
    total = 2_000_000_000
    wait = [(float(t), f"Waiting {20 - t} s before the next try", 0, total) for t in range(20)]
    assert len(lines(*wait)) == 1


def test_on_a_terminal_of_80_columns_a_download_is_one_line_that_fits(server: HostileServer) -> None:
    columns = 80
    status, seen = on_terminal(
        ["models", "download", "Toy", "--format", "pt"], columns, stdout=subprocess.DEVNULL
    )
    assert status == 0
    assert not re.search(r"\x1b\[\d*A", seen), "the cursor went up: it was more than one line"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    frames = [frame for frame in re.split(r"[\r\n]+", plain) if frame.strip()]
    assert frames.pop().startswith("Compiling Toy")
    assert len(frames) > 3
    assert [frame for frame in frames if len(frame) > columns or not frame.startswith("Downl")] == []
    assert any(re.search(r"MB/s", frame) for frame in frames)
    assert len([line for line in plain.split("\n") if line.strip()]) == 2
