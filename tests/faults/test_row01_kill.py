"""Killed at every boundary, and the power lost there: nothing is lost, and the operation run again succeeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthmap.store import Manifest
from hub import Hub
from support import FileServer

from .ledger import Ledger
from .places import Place, events
from .powerloss import DATA, NAMES, lose
from .scenarios import SCENARIOS, Check, Scenario
from .sweep import boundaries, counted, spread, writes

pytestmark = pytest.mark.timeout(1800)
LONG = ("compile",)
"""Scenarios that take half a minute."""
each_scenario = pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(scenario, id=scenario.name, marks=pytest.mark.slow if scenario.name in LONG else ())
        for scenario in SCENARIOS
        if scenario.row == 1
    ],
)


def kill(place: Place, scenario: Scenario, mode: str, n: int, **how: object) -> None:
    """Run an operation that dies at boundary n (or ends, where it has fewer)."""
    place.reset(scenario.state)
    outcome = scenario.run(place, orders=place.orders(mode, n, backup=True), **how)
    assert outcome.end in ("killed", "done"), outcome.told()


def sweep(place: Place, scenario: Scenario, ledger: Ledger, full: bool) -> None:
    """Kill an operation before, and half-way through, its calls; each time the invariant holds."""
    happened = counted(place, scenario)
    check = Check(place, scenario)
    halves = spread(writes(happened), 15) if full else writes(happened)[-1:]
    for mode, n in [("kill", n) for n in boundaries(happened, full)] + [("half", n) for n in halves]:
        with ledger.injection(scenario.row, f"{scenario.name}, {mode} at {n}"):
            kill(place, scenario, mode, n)
            check.sound(load=n % 2 == 1)
            check.again()
    assert not place.altered(), "files that others may have mapped were written in place"


def lose_power(place: Place, scenario: Scenario, ledger: Ledger, full: bool) -> None:
    """Let the power fail at an operation's boundaries; each time the invariant holds."""
    happened = counted(place, scenario)
    check = Check(place, scenario)
    points = boundaries(happened, True)
    for n in spread(points, 20) if full else points[-3:-2]:
        for loss in (DATA, NAMES) if full else (NAMES,):
            with ledger.injection(scenario.row, f"{scenario.name}, power lost at {n} ({loss})"):
                kill(place, scenario, "kill", n)
                lose(events(place.log), loss)
                check.sound(load=n % 2 == 0)
                check.again()


@pytest.mark.sampled(5)
@each_scenario
def test_killed_before_or_half_way_through_a_call(
    scenario: Scenario, place: Place, ledger: Ledger, full: bool
) -> None:
    sweep(place, scenario, ledger, full)


@each_scenario
def test_power_lost_at_a_call(scenario: Scenario, place: Place, ledger: Ledger, full: bool) -> None:
    lose_power(place, scenario, ledger, full)


def test_killed_while_a_server_gives_the_file(
    place: Place, ledger: Ledger, full: bool, web: FileServer
) -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == "download")
    check = Check(place, scenario)
    points = boundaries(counted(place, scenario), True)
    for n in spread(points, 30 if full else 2):
        with ledger.injection(1, f"download over HTTP, kill at {n}"):
            kill(place, scenario, "kill", n, mirror=web.url)
            had = check.contents().get("small", {})
            asked = len(web.requests)
            check.again(mirror=web.url)
            assert not had or len(web.requests) == asked, "what was whole was fetched again"


@pytest.mark.slow
def test_killed_while_a_hub_states_and_gives_a_file_of_another_form(
    place: Place, ledger: Ledger, full: bool, tmp_path: Path
) -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == "download")
    check = Check(place, scenario)
    hub = Hub(tmp_path, place.foreign, place.foreign.name)
    catalog = hub.write_catalog(tmp_path / "catalog.json")
    try:
        place.reset(scenario.state)
        scenario.run(place, orders=place.orders("count"), catalog=catalog).done()
        points = boundaries(events(place.log), True)
        for n in spread(points, 30) if full else [points[2], points[len(points) // 2], points[-9]]:
            with ledger.injection(1, f"download from a hub, kill at {n}"):
                kill(place, scenario, "kill", n, catalog=catalog)
                check.sound(load=n % 2 == 1)
                whole = check.contents().get("small", {}).keys() == scenario.after["small"].keys()
                asked = len(hub.requests)
                check.again(catalog=catalog)
                assert not whole or len(hub.requests) == asked, "what was whole was asked for again"
                manifest = Manifest.load(place.cache / "midas_small.pkl")
                assert manifest.provenance["sha256"] == hub.sha256
                assert manifest.provenance["digest"] == "stated by the source"
    finally:
        hub.stop()
