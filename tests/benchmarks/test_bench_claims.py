"""What is claimed, and what of it holds."""

from __future__ import annotations

import pytest
from benchmarks.claims import AT_LEAST, AT_MOST, CLAIMS, Claim, figures
from benchmarks.series import Series, alternate


def series(way: str, *values: float) -> Series:
    return Series("first", "M", way, "s", values)


def test_a_figure_is_the_ratio_of_medians_with_the_ratios_of_the_turns_around_it() -> None:
    ours, theirs = series("ours", 1, 2, 4), series("theirs", 10, 30, 20)
    claim = Claim("k", "text", "theirs", theirs.key, ours.key, AT_LEAST, 4)
    figure = claim.of({one.key: one for one in (ours, theirs)})
    assert figure
    assert (figure.value, figure.min, figure.max, figure.unit) == (10, 5, 15, "×")


@pytest.mark.parametrize(
    ("better", "goal", "met"),
    [
        (AT_LEAST, 2.0, True),
        (AT_LEAST, 2.1, False),
        (AT_MOST, 2.0, True),
        (AT_MOST, 1.9, False),
        (AT_LEAST, None, None),
    ],
)
def test_a_goal_is_met_or_missed(better: str, goal: float | None, met: bool | None) -> None:
    one = series("ours", 2)
    figure = Claim("k", "text", "", one.key, "", better, goal).of({one.key: one})
    assert figure
    assert figure.met is met


def test_what_was_not_measured_gives_no_figure() -> None:
    one = Series("first", "MiDaS_small", "depthmap", "s", (0.5,))
    assert [figure.key for figure in figures([one])] == ["first.MiDaS_small.auto"]
    assert figures([]) == []


def test_every_claim_has_a_key_of_its_own() -> None:
    assert len({claim.key for claim in CLAIMS}) == len(CLAIMS)


def test_the_goals_are_those_that_were_set() -> None:
    goals = {claim.key: (claim.better, claim.goal) for claim in CLAIMS if claim.goal is not None}
    assert goals == {
        "ready.DPT_Large.pt.hub": (AT_LEAST, 150),
        "ready.DPT_Large.h5.hub": (AT_LEAST, 150),
        "ready.DPT_Large.pt.transformers": (AT_LEAST, 8),
        "ready.DPT_Large.h5.transformers": (AT_LEAST, 8),
        "ready.DPT_Large.h5.pt": (AT_MOST, 1.2),
        "first.DPT_Large.auto.hub": (AT_LEAST, 4),
        "first.DPT_Large.auto.transformers": (AT_LEAST, 1.7),
        "first.MiDaS_small.auto.hub": (AT_LEAST, 5),
        "first.MiDaS_small.auto": (AT_MOST, 0.8),
        "first.MiDaS_small.command": (AT_MOST, 0.8),
        "first.Depthmap_Tiny.auto.hub": (AT_LEAST, 5),
        "first.Depthmap_Tiny.auto": (AT_MOST, 0.8),
        "first.Depthmap_Tiny.command": (AT_MOST, 0.8),
        "cold.DPT_Large.auto.bound": (AT_LEAST, 0.9),
        "cold.DPT_Large.auto.safetensors": (AT_LEAST, 1),
        "sharing.auto": (AT_MOST, 1.05),
        "sharing.torch": (AT_MOST, 1.05),
        "verify": (AT_LEAST, 0.9),
        "steady.MiDaS_small.many.hub": (AT_LEAST, 2),
        "steady.MiDaS.many.hub": (AT_LEAST, 1.4),
        "steady.DPT_Large.many.hub": (AT_LEAST, 1.15),
        "list": (AT_MOST, 0.1),
        "list.alone": (AT_MOST, 6),
        "serve": (AT_MOST, 1),
        "growth.load": (AT_MOST, 3),
        "growth.list": (AT_MOST, 1.5),
        "growth.list.1000": (AT_MOST, 0.3),
    }


def test_ways_take_turns() -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return len(order)

    values = alternate({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert values == {"a": (1, 3), "b": (2, 4)}
