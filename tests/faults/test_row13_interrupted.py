"""Imports and exports cut short: nothing that looks whole is left behind."""

from __future__ import annotations

import pytest

from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, Scenario
from .test_row01_kill import lose_power, sweep

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.parametrize(
        "scenario",
        [scenario for scenario in SCENARIOS if scenario.row == 13],
        ids=lambda scenario: scenario.name,
    ),
]


def test_an_interrupted_transfer_leaves_nothing_that_looks_whole(
    scenario: Scenario, place: Place, ledger: Ledger, full: bool
) -> None:
    sweep(place, scenario, ledger, full)


def test_a_transfer_at_which_the_power_failed(
    scenario: Scenario, place: Place, ledger: Ledger, full: bool
) -> None:
    lose_power(place, scenario, ledger, full)
