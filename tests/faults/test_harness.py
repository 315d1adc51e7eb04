"""The harness itself: the shim sees every writer, a child dies where it is told to, and what is lost is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from .ledger import BEGIN, END, Ledger
from .places import Event, Place
from .powerloss import DATA, NAMES, lose
from .scenarios import SCENARIOS
from .sweep import counted, writes

by_name = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("download", ".h5"),
        ("download", ".pkl"),
        ("export of h5 as pt", ".pt"),
        ("export to safetensors", ".safetensors"),
    ],
)
def test_the_shim_sees_every_writer(name: str, suffix: str, place: Place) -> None:
    seen = [event.operation for event in counted(place, by_name[name]) if suffix in event.path]
    assert {"create", "write", "fsync", "rename"} <= set(seen)
    assert suffix == ".pkl" or seen.count("write") > 100, "torch and HDF5 write tensor by tensor"


def test_a_child_dies_half_way_through_a_write(place: Place) -> None:
    scenario = by_name["export"]
    size = place.a.stat().st_size
    n = writes([event for event in counted(place, scenario) if event.path.startswith(str(place.out))])[0]
    place.reset(scenario.state)
    assert scenario.run(place, orders=place.orders("half", n)).end == "killed"
    (left,) = place.out.iterdir()
    assert left.name.startswith(".")
    assert 0 < left.stat().st_size < size


def test_a_child_that_lasts_too_long_hangs(place: Place) -> None:
    place.reset("cached")
    assert place.run("examine", seconds=0.001).end == "hung"


def _events(*rows: str) -> list[Event]:
    return [Event("\t".join(["1", *row.split(" ")])) for row in rows]


def test_power_takes_what_was_not_synced(tmp_path: Path) -> None:
    synced, unsynced, tail = (tmp_path / name for name in ("synced", "unsynced", "tail"))
    for path in (synced, unsynced, tail):
        path.write_bytes(b"x" * 8)
    lose(
        _events(
            f"create {synced}   0 0", f"write {synced}   0 8", f"fsync {synced}   0 0",
            f"create {unsynced}   0 0", f"write {unsynced}   0 8",
            f"create {tail}   0 0", f"write {tail}   0 4", f"fsync {tail}   0 0", f"write {tail}   4 4",
        ),
        DATA,
    )  # fmt: skip
    assert synced.read_bytes() == b"x" * 8
    assert unsynced.read_bytes() == b""
    assert tail.read_bytes() == b"xxxx\0\0\0\0"


@pytest.mark.parametrize("synced", [True, False])
def test_power_takes_names_whose_directory_was_not_synced(synced: bool, tmp_path: Path) -> None:
    old, new, kept = (tmp_path / name for name in ("old", "new", "kept"))
    new.write_text("new")
    kept.write_text("before")
    rename = f"rename {old} {new} {kept} 0 0"
    lose(_events(rename, *([f"fsync {tmp_path}   0 0"] if synced else [])), NAMES)
    assert new.read_text() == ("new" if synced else "before")
    assert old.exists() != synced


def test_what_is_lost_is_counted_and_shown(tmp_path: Path) -> None:
    book = Ledger()
    with book.injection(1, "harmless"):
        pass
    with book.injection(1, "harmful"):
        raise AssertionError("gone")
    with book.injection(13, "harmful too"):
        pytest.fail("gone")
    assert book.lost == [
        "row 1: harmful: AssertionError: gone",
        "row 13: harmful too: Failed: gone",
    ]
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{BEGIN}\nearlier\n{END}\n\nend\n")
    book.show_in(page)
    assert "earlier" not in page.read_text()
    assert "| 1 | killed at a write, fsync or rename; power lost | 2 | 1 | 1 |" in page.read_text()
    assert page.read_text().endswith(f"| **all** | 3 | 1 | 2 |\n{END}\n\nend\n")
