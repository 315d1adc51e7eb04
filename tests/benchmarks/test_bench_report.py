"""Pages from JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report

FIGURE: dict[str, Any] = {
    "key": "first.MiDaS_small.auto.hub",
    "text": "first depth",
    "beside": "torch.hub's way",
    "value": 8.76,
    "min": 8.0,
    "max": 9.25,
    "unit": "×",
    "better": "≥",
    "goal": 5,
    "met": True,
}
SERIES: dict[str, Any] = {
    "clock": "first",
    "model": "MiDaS_small",
    "way": "depthmap",
    "unit": "s",
    "median": 0.5,
    "min": 0.25,
    "max": 1.5,
    "values": [0.25, 0.5, 1.5],
}
RESULT: dict[str, Any] = {
    "date": "2026-11-25T23:00:00+00:00",
    "commit": "abc",
    "machine": {"cpu": "X", "cores": 2, "memory_gb": 16, "system": "Linux 6", "load": 0.1, "disk_mb_s": 1200},
    "versions": {"depthmap": {"python": "3.11"}, "peers": {"torch": "2.13"}},
    "rounds": [5, 3],
    "figures": [FIGURE, {**FIGURE, "text": "missed", "met": False}, {**FIGURE, "goal": None, "met": None}],
    "series": [
        SERIES,
        {**SERIES, "way": "torch.hub's way"},
        {**SERIES, "clock": "imports", "model": "", "way": "torch.hub's way"},
        {**SERIES, "clock": "imports", "model": "", "way": "transformers"},
        {**SERIES, "clock": "verify", "way": "sha256"},
    ],
    "left_out": ["timm"],
}


def between(page: Path, name: str) -> str:
    content = page.read_text(encoding="utf-8")
    return content.split(f"<!-- {name}:begin -->\n")[1].split(f"<!-- {name}:end -->")[0]


def test_the_pages_are_what_the_committed_results_give() -> None:
    result = json.loads(report.RESULT.read_text(encoding="utf-8"))
    for page, parts in report.PARTS.items():
        for name, part in parts.items():
            assert between(page, name) == f"\n{part(result)}\n", f"{page}: run python -m benchmarks.report"


def test_the_table_of_figures_says_what_is_met() -> None:
    lines = report.figures(RESULT).splitlines()
    assert lines[2] == "| first depth | torch.hub's way | 8.76 × (8–9.25) | ≥ 5 × | met |"
    assert lines[3].endswith("| ≥ 5 × | **missed** |")
    assert lines[4].endswith("| – |  |")


def test_a_clock_is_shown_with_its_spread_and_imports_with_the_ways_of_a_model() -> None:
    assert report.clocks(RESULT).splitlines() == [
        "**MiDaS_small**",
        "",
        "| way | imports | first depth |",
        "| --- | --- | --- |",
        "| depthmap |  | 500 ms (250 ms–1.5 s) |",
        "| torch.hub's way | 500 ms (250 ms–1.5 s) | 500 ms (250 ms–1.5 s) |",
    ]


def test_what_is_no_clock_is_in_a_table_of_its_own() -> None:
    lines = report.others(RESULT).splitlines()
    assert lines[2:] == ["| verify | MiDaS_small | sha256 | 500 ms (250 ms–1.5 s) |"]


def test_the_circumstances_say_machine_versions_and_what_was_left_out() -> None:
    text = report.circumstances(RESULT)
    for words in (
        "X, 2 cores, 16 GB",
        "1,200 MB/s",
        "python 3.11",
        "torch 2.13",
        "5 turns",
        "left out: timm",
    ):
        assert words in text


def test_the_readme_has_ours_and_the_ratios_beside_it() -> None:
    lines = report.highlights(RESULT).splitlines()
    assert "| MiDaS_small, fresh process to first depth | 500 ms | torch.hub's way 8.76 × |" in lines


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0542, "s", "54.2 ms"),
        (1.0, "s", "1 s"),
        (1.376e9, "B", "1,376 MB"),
        (1.049, "%", "105 %"),
        (157.4, "×", "157 ×"),
    ],
)
def test_an_amount_has_three_digits_and_a_unit(value: float, unit: str, text: str) -> None:
    assert report.amount(value, unit) == text
