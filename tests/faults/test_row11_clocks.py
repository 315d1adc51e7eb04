"""Clocks that jump and times that lie: no wrong weights, nothing removed that is whole, no needless download."""

from __future__ import annotations

import os
from itertools import product

import pytest

from support import FileServer, flip, sha256

from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, TWO, Check, Scenario

YEARS = 365 * 86_400
CLOCKS = {"ten years ago": -10 * YEARS, "now": 0, "in ten years": 10 * YEARS}
by_name = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("first", "second"), [pair for pair in product(CLOCKS, CLOCKS) if len(set(pair)) == 2]
)
def test_the_clock_jumps_between_operations(
    first: str, second: str, place: Place, ledger: Ledger, web: FileServer
) -> None:
    def at(clock: str, operation: str, **arguments: object) -> object:
        orders = place.orders("count", clock=CLOCKS[clock])
        return place.run(operation, mirror=web.url, orders=orders, **arguments).done()

    place.reset()
    at(first, "download", name="small")
    with ledger.injection(11, f"download {first}, load {second}"):
        assert place.fingerprints[str(at(second, "load", name="small"))] == "A"
    with ledger.injection(11, f"download {first}, again {second}"):
        at(second, "download", name="small")
        assert web.requests == ["/v1/small.pt"]
    with ledger.injection(11, f"download {first}, clean-up {second}"):
        result = at(second, "optimize")
        assert isinstance(result, dict)
        assert result["removed"] == []
        Check(place, by_name["download"]).finished()
    at(second, "import_file", source=str(place.b), name="mine")
    at(second, "pin", name="mine")
    at(first, "load", name="mine")
    with ledger.injection(11, f"used {first}, evicted {second}"):
        at(second, "evict", max_bytes=40_000_000)
        Check(place, by_name["evict"]).finished()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("clock", CLOCKS)
def test_the_clock_jumps_between_a_kill_and_what_follows(clock: str, place: Place, ledger: Ledger) -> None:
    place.reset("half")
    orders = place.orders("count", clock=CLOCKS[clock])
    with ledger.injection(11, f"a half download goes on {clock}"):
        scenario = by_name["resume"]
        scenario.run(place, orders=orders).done()
        Check(place, scenario).sound(load=True)
    place.reset("half")
    with ledger.injection(11, f"clean-up {clock} while a download is half done"):
        place.run("optimize", orders=orders).done()
        Check(place, scenario).again()


def test_eviction_order_with_marks_of_the_future(place: Place, ledger: Ledger) -> None:
    with ledger.injection(11, "last used in ten years"):
        place.reset("two")
        place.run("pin", name="small").done()
        os.utime(place.cache / ".used" / "mine", (4e9, 4e9))
        assert place.run("evict", max_bytes=0).done() == ["mine"]
        pinned = Scenario("pinned", "two", "evict", {}, TWO, {"small": TWO["small"]})
        Check(place, pinned).finished()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["midas_small.pt", "midas_small.h5", "midas_small.pkl"])
@pytest.mark.parametrize("time", [0, 1, 2_000_000_000, 4_000_000_000])
def test_files_with_impossible_times_are_whole(name: str, time: int, place: Place, ledger: Ledger) -> None:
    with ledger.injection(11, f"{name} is of second {time}"):
        place.reset("cached")
        path = place.cache / name
        copy = path.read_bytes()
        path.unlink()
        path.write_bytes(copy)
        os.utime(path, (time, time))
        assert place.fingerprints[place.run("load", mirror="", name="small").done()] == "A"
        place.run("optimize").done()
        Check(place, by_name["download"]).finished()


@pytest.mark.parametrize("way", ["in place", "another file"])
@pytest.mark.parametrize("format", ["pt", "h5"])
def test_restored_times_do_not_hide_changed_bytes(
    format: str, way: str, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(11, f"{format} changed {way}, its time restored"):
        place.reset()
        place.run("download", name="small", formats=[format]).done()  # no link to a template
        path = place.cache / f"midas_small.{format}"
        before, digest = path.stat(), sha256(path)
        if way == "another file":
            copy = path.with_suffix(".copy")
            copy.write_bytes(path.read_bytes())
            copy.replace(path)
        flip(path, 3 << 20)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert sha256(path) != digest
        outcome = place.run("load", mirror="", name="small")
        if outcome.end == "done":
            assert place.fingerprints.get(outcome.value) == "A", "wrong weights were loaded"
        else:
            assert outcome.error["ours"], outcome.told()
        place.run("repair", name="small")
        place.run("download", name="small", formats=[format]).done()
        assert place.fingerprints[place.run("load", mirror="", name="small").done()] == "A"
