"""Runs over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import history

MACHINE = {"cpu": "X", "cores": 2, "memory_gb": 16, "system": "Linux 6.1 x86_64"}


def result(day: int, ratio: float, seconds: float = 1.0, **machine: Any) -> dict[str, Any]:
    return {
        "date": f"2026-11-{day:02}T10:00:00+00:00",
        "commit": f"c{day}+",
        "machine": MACHINE | machine,
        "figures": [
            {"key": "first", "value": ratio, "better": "≥"},
            {"key": "list", "value": seconds, "better": "≤"},
        ],
    }


def compared(folder: Path, *results: dict[str, Any]) -> int:
    for one in results:
        history.add(one, folder)
    return history.main(["--folder", str(folder)])


@pytest.mark.parametrize(
    ("ratio", "seconds", "status"),
    [(10, 1.0, 0), (8.1, 1.0, 0), (7.9, 1.0, 1), (20, 0.1, 0), (10, 1.2, 0), (10, 1.3, 1)],
)
def test_a_figure_that_became_worse_by_more_than_a_fifth_is_a_regression(
    ratio: float, seconds: float, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(tmp_path, result(1, 10), result(2, ratio, seconds)) == status
    assert ("WORSE" in capsys.readouterr().out) is bool(status)


def test_only_runs_of_the_same_kind_of_machine_are_compared(tmp_path: Path) -> None:
    assert compared(tmp_path, result(1, 10), result(2, 100, cores=64), result(3, 9)) == 0
    assert compared(tmp_path, result(4, 1, cores=64)) == 1


def test_another_kernel_is_the_same_kind_of_machine(tmp_path: Path) -> None:
    assert compared(tmp_path, result(1, 10), result(2, 1, system="Linux 6.2 x86_64")) == 1


def test_a_first_run_is_compared_with_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path) == 0
    assert compared(tmp_path, result(1, 10)) == 0


def test_a_figure_that_is_new_is_compared_with_nothing(tmp_path: Path) -> None:
    later = result(2, 10)
    later["figures"].append({"key": "new", "value": 1, "better": "≥"})
    assert compared(tmp_path, result(1, 10), later) == 0


def test_a_run_is_one_small_file_named_after_its_time(tmp_path: Path) -> None:
    path = history.add(result(1, 10), tmp_path)
    assert path.name == "2026-11-01T100000-c1.json"
    assert json.loads(path.read_text())["figures"]["first"] == {"value": 10, "better": "≥"}
