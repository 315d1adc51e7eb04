"""No space: found beforehand, in mid-file, in the metadata. The error says so; when space is back, all is well."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .forking import Outcome
from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, Check, Scenario
from .sweep import boundaries, counted, spread

pytestmark = pytest.mark.timeout(1800)
FREEING = ("optimise", "evict", "delete", "delete an imported")
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
by_name = {scenario.name: scenario for scenario in SCENARIOS}
NOT_MENDED = replace(by_name["optimise"], after={"small": {"pt": "A"}})
"""Where there is no room to mend the damaged .h5 beside the whole .pt, it goes."""


def test_what_alone_has_the_tensors_stays_until_there_is_room_to_mend_it(
    place: Place, ledger: Ledger
) -> None:
    place.reset("damaged pt")
    damaged = place.cache / "midas_small.pt"
    (place.cache / "midas_small.h5").unlink()
    with ledger.injection(2, "optimise on a full disk, the damaged file alone"):
        done = place.run("optimize", orders=place.orders("fail", 1)).done()
        assert "disk is full" in done["errors"][0]
        assert damaged.exists()
        assert place.run("optimize").done()["repaired"] == [str(damaged)]


def said_so(outcome: Outcome) -> None:
    """The disk was full, and the user is told."""
    assert outcome.end == "failed", outcome.told()
    assert outcome.error["class"] == "InsufficientDiskSpace", outcome.told()
    assert outcome.error["where"], "the error names no file"
    assert outcome.error["remedy"], "the error names no remedy"


@each_scenario
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
@pytest.mark.sampled(10)
def test_the_disk_fills_at_a_call_and_is_emptied_again(
    scenario: Scenario, error: int, place: Place, ledger: Ledger, full: bool
) -> None:
    happened = counted(place, scenario)
    check = Check(place, scenario)
    last = happened[-1].number if happened else 0
    points = [n for n in boundaries(happened, True) if n <= last]
    for n in spread(points, 24 if error == errno.ENOSPC else 6) if full else points[-2:-1]:
        with ledger.injection(2, f"{scenario.name}, {errno.errorcode[error]} from {n}"):
            place.reset(scenario.state)
            at_once = n % 2 == 0
            outcome = scenario.run(place, orders=place.orders("fail", n, error=error), again=at_once)
            if outcome.end == "done":  # what failed was not needed
                errors = isinstance(outcome.value, dict) and outcome.value["errors"]
                (
                    Check(place, NOT_MENDED)
                    if errors and not (place.cache / "midas_small.h5").exists()
                    else check
                ).finished()
                continue
            said_so(outcome)
            if at_once:
                assert outcome.again
                assert outcome.again.end == "done" or outcome.again.error["class"] in scenario.settled, (
                    f"again in the same process: {outcome.again.told()}"
                )
                check.finished()
            else:
                check.sound(load=True)
                check.again()


@pytest.mark.parametrize("name", FREEING)
def test_a_full_disk_can_be_emptied(name: str, place: Place, ledger: Ledger) -> None:
    scenario = by_name[name]
    scenario = NOT_MENDED if name == "optimise" else scenario
    place.reset(scenario.state)
    with ledger.injection(2, f"{name} on a full disk"):
        scenario.run(place, orders=place.orders("fail", 1)).done()
        Check(place, scenario).finished()


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "name", [scenario.name for scenario in SCENARIOS if scenario.name not in (*FREEING, "resume")]
)
def test_a_limit_of_file_sizes(name: str, place: Place, ledger: Ledger, full: bool) -> None:
    scenario = by_name[name]
    sizes = [1, 500, 2_000, 50_000, 1 << 20, 8 << 20, place.a.stat().st_size - 1]
    for size in sizes if full else sizes[-2:-1]:
        with ledger.injection(2, f"{name}, files of {size} bytes at most"):
            place.reset(scenario.state)
            outcome = scenario.run(place, largest_file=size, again=True)
            if outcome.end == "done":
                Check(place, scenario).finished()
                continue
            said_so(outcome)
            assert outcome.again
            outcome.again.done()
            Check(place, scenario).finished()


@pytest.fixture
def disk(place: Place) -> Iterator[Callable[[str], None]]:
    """Mount a small disk on ``run``, or give it another size."""
    place.clear()
    mounted = False

    def mount(options: str) -> None:
        nonlocal mounted
        remount = "remount," if mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{remount}{options}", "none", str(place.run_root)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        mounted = True

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(place.run_root)], check=True)


def _download_on(disk: Callable[[str], None], place: Place, small: str, large: str) -> Outcome:
    """Download on a disk that is too small, then on one that is not; return how the first went."""
    disk(large)
    for path in (place.cache, place.out):
        _remove(path)
    place.out.mkdir()
    disk(small)
    outcome = place.run("download", name="small")
    check = Check(place, by_name["download"])
    check.sound()
    disk(large)
    check.again()
    return outcome


def _remove(path: Path) -> None:
    subprocess.run(["rm", "-rf", str(path)], check=True)


def test_too_small_a_disk_is_found_beforehand(
    disk: Callable[[str], None], place: Place, ledger: Ledger, full: bool
) -> None:
    need = 2 * place.a.stat().st_size
    for size in (1 << 20, need // 2, need - (1 << 18)) if full else (need - (1 << 18),):
        with ledger.injection(2, f"download to a disk of {size} bytes"):
            outcome = _download_on(disk, place, f"size={size}", "size=64m")
            said_so(outcome)
            assert "needed" in outcome.error["message"]


def test_a_disk_that_fills_at_the_very_end(
    disk: Callable[[str], None], place: Place, ledger: Ledger, full: bool
) -> None:
    need = 2 * place.a.stat().st_size
    for more in range(1 << 14, 1 << 19, 1 << 15) if full else (1 << 14,):
        with ledger.injection(2, f"download to a disk with {more} bytes more than the tensors need"):
            outcome = _download_on(disk, place, f"size={need + more}", "size=64m")
            if outcome.end != "done":
                said_so(outcome)


def test_a_disk_without_room_for_more_files(
    disk: Callable[[str], None], place: Place, ledger: Ledger, full: bool
) -> None:
    for files in range(3, 14) if full else (6,):
        with ledger.injection(2, f"download to a disk of {files} files"):
            outcome = _download_on(disk, place, f"size=64m,nr_inodes={files}", "size=64m,nr_inodes=1000")
            if outcome.end != "done":
                said_so(outcome)
