"""As on Windows: what somebody has mapped is neither replaced nor removed, only renamed. All operations go on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from depthmap import formats

from .ledger import Ledger
from .operations import fingerprint
from .places import Place
from .scenarios import SCENARIOS, Check, Scenario
from .sweep import boundaries, counted, spread

CHANGING = [
    scenario
    for scenario in SCENARIOS
    if scenario.name in ("replacing import", "repair of pt", "repair of h5", "optimise", "delete", "pin")
]
each_scenario = pytest.mark.parametrize("scenario", CHANGING, ids=lambda scenario: scenario.name)


@contextmanager
def mapped(place: Place) -> Iterator[None]:
    """Have every file of the cache mapped, and see that it stays as it is."""
    held = [formats.load(path) for format in ("pt", "h5") for path in place.cache.glob(f"midas_*.{format}")]
    before = [fingerprint(tensors) for tensors in held]
    assert held
    yield
    assert [fingerprint(tensors) for tensors in held] == before
    held.clear()
    gc.collect()


def left_over(place: Place) -> list[str]:
    return sorted(path.name for path in (place.cache / ".partial").glob("midas_*"))


@each_scenario
def test_what_is_mapped_gets_another_name_that_is_removed_later(
    scenario: Scenario, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(8, f"{scenario.name} of mapped files that stay"):
        place.reset(scenario.state)
        with mapped(place):
            scenario.run(place, orders=place.orders("count", mapped_stay=True)).done()
            assert Check(place, scenario).contents() == scenario.after
            assert scenario.name == "pin" or left_over(place), "nothing had to stay, so nothing was tested"
        place.run("optimize").done()
        Check(place, scenario).finished()
        assert left_over(place) == []


@pytest.mark.slow
@each_scenario
def test_killed_while_mapped_files_stay(scenario: Scenario, place: Place, ledger: Ledger, full: bool) -> None:
    check = Check(place, scenario)
    points = boundaries(counted(place, scenario), True)
    for n in spread(points, 24) if full else points[-4:-3]:
        with ledger.injection(8, f"{scenario.name} of mapped files that stay, killed at {n}"):
            place.reset(scenario.state)
            with mapped(place):
                outcome = scenario.run(place, orders=place.orders("kill", n, mapped_stay=True))
                assert outcome.end in ("killed", "done"), outcome.told()
                scenario.run(
                    place, orders=place.orders("count", mapped_stay=True)
                )  # in place already, where done
                assert check.contents() == scenario.after
            place.run("optimize").done()
            check.finished()


def test_the_shim_keeps_what_is_mapped(place: Place, ledger: Ledger) -> None:
    place.reset("cached")
    path = place.cache / "midas_small.pt"
    with mapped(place):
        outcome = place.run("unlink", path=str(path), orders=place.orders("count", mapped_stay=True))
        assert outcome.end == "failed", outcome.told()
        assert path.exists()
