"""Imports and exports cut short: nothing that looks whole is left behind."""

from __future__ import annotations

import os

import pytest

from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, Scenario
from .sweep import counted
from .test_row01_kill import lose_power, sweep

pytestmark = pytest.mark.timeout(1800)
each_scenario = pytest.mark.parametrize(
    "scenario", [scenario for scenario in SCENARIOS if scenario.row == 13], ids=lambda scenario: scenario.name
)


@pytest.mark.sampled(3)
@each_scenario
def test_an_interrupted_transfer_leaves_nothing_that_looks_whole(
    scenario: Scenario, place: Place, ledger: Ledger, full: bool
) -> None:
    sweep(place, scenario, ledger, full)


@each_scenario
def test_a_transfer_at_which_the_power_failed(
    scenario: Scenario, place: Place, ledger: Ledger, full: bool
) -> None:
    lose_power(place, scenario, ledger, full)


def test_the_next_export_removes_what_a_killed_one_left_and_nothing_else(
    place: Place, ledger: Ledger
) -> None:
    export = next(scenario for scenario in SCENARIOS if scenario.name == "export")
    last = counted(place, export)[-1].number
    with ledger.injection(13, "export killed before its rename"):
        place.reset(export.state)
        assert export.run(place, orders=place.orders("kill", last - 1)).end == "killed"
        (left,) = place.out.iterdir()
        others = [place.out / name for name in (".x.pt.notes", ".y.pt.123-0123abcd", f"{left.name[:-1]}")]
        young = left.with_name(".x.pt.1-0123abcd")  # of a writer that may live
        for path in (*others, young):
            path.touch()
        for path in (left, *others):
            os.utime(path, (1000, 1000))
        export.run(place).done()
        assert not left.exists()
        assert all(path.exists() for path in (*others, young))
