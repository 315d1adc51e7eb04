"""The script for a GPU: what it gives without one, what it calls wrong, and what it puts on the page."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.gpu import page
from benchmarks.gpu.__main__ import LIMITS, Run, options, right

from benchmarks import machine

PAGE = machine.ROOT / "docs" / "performance.md"
EMBEDDED = "Depthmap_Tiny"
RESULT: dict[str, Any] = {
    "date": "2026-11-30T12:00:00+00:00",
    "commit": "0123456789ab",
    "models": [EMBEDDED],
    "quick": False,
    "card": {"name": "A card", "memory_gb": 8, "driver": "1.2", "cuda": "13.0", "cudnn": 9},
    "machine": {"cores": 4, "cpu": "A processor"},
    "versions": {"torch": "2.13.0"},
    "parts": {
        "outputs": [
            {"model": EMBEDDED, "precision": "float16", "error": 0.001, "tolerance": 0.02, "holds": True}
        ],
        "upload": [
            {
                "model": EMBEDDED,
                "precision": "float16",
                "bytes": 10_000_000,
                "equal": True,
                "upload": {"median": 0.002},
                "to": {"median": 0.005},
            }
        ],
        "steady": [
            {"model": EMBEDDED, "precision": "float16", "predict": 80, "predict_batch": 90, "network": 400}
        ],
        "first": [{"model": EMBEDDED, "seconds": {"median": 2.5}}],
        "batches": [
            {"model": EMBEDDED, "batch": 1, "network": 400, "predict_batch": 80, "allocated": 10**8},
            {"model": EMBEDDED, "batch": 32, "out_of_memory": "CUDA out of memory."},
        ],
    },
    "failed": [],
    "skipped": [{"part": "batches", "model": "MiDaS"}],
}


def gpu(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *map(str, words)]
    return subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_without_a_gpu_every_part_is_made_on_the_cpu(tmp_path: Path) -> None:
    done = gpu("--device", "cpu", "--quick", "--models", EMBEDDED, "--out", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert json.loads((tmp_path / "out.json").read_text()) == result
    assert (result["failed"], result["skipped"], result["right"]) == ([], [], True)
    parts = result["parts"]
    assert [row["error"] for row in parts["outputs"]] == [0]
    assert [(row["precision"], row["equal"]) for row in parts["upload"]] == [
        ("float16", True),
        ("float32", True),
    ]
    assert parts["upload"][1]["bytes"] > parts["upload"][0]["bytes"]
    assert all(row[way] > 0 for row in parts["steady"] for way in ("predict", "predict_batch", "network"))
    assert parts["first"][0]["seconds"]["median"] > 0
    assert [row["batch"] for row in parts["batches"]] == [1, 2]


def test_a_device_that_is_not_there_is_recorded_and_nothing_else_is_tried(tmp_path: Path) -> None:
    done = gpu("--device", "nonsense", "--out", tmp_path / "out.json")
    assert done.returncode == 1
    result = json.loads((tmp_path / "out.json").read_text())
    assert [one["part"] for one in result["failed"]] == ["card"]
    assert "nonsense" in result["failed"][0]["error"]
    assert not any(result["parts"].values())


def test_what_there_was_no_time_for_is_named_and_outputs_that_were_not_compared_are_not_right() -> None:
    done = gpu("--device", "cpu", "--models", EMBEDDED, "--seconds", 0)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["failed"] == []
    assert {"part": "checkpoint", "model": EMBEDDED} in result["skipped"]


def test_a_part_that_fails_is_recorded_and_the_next_is_made(tmp_path: Path) -> None:
    run = Run(options(["--device", "cpu", "--quick"]), tmp_path)
    assert run.part("outputs", "MiDaS_small", 60) == []  # it has no checkpoint
    assert [(one["part"], one["model"]) for one in run.result["failed"]] == [("outputs", "MiDaS_small")]
    assert "catalogue" in run.result["failed"][0]["error"]
    assert run.part("checkpoint", EMBEDDED, 60)[0]["model"] == EMBEDDED


def test_a_part_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    run = Run(options(["--device", "cpu"]), tmp_path)
    assert run.part("card", "", 0.01) == []
    assert "stopped" in run.result["failed"][0]["error"]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [("outputs", "holds", False), ("outputs", "model", "MiDaS"), ("upload", "equal", False)],
)
def test_a_wrong_output_or_tensor_is_told(part: str, key: str, value: object) -> None:
    result = copy.deepcopy(RESULT)
    assert right(result)
    result["parts"][part][0][key] = value
    assert not right(result)


def test_figures_from_elsewhere_are_put_on_the_page(tmp_path: Path) -> None:
    shutil.copy(PAGE, tmp_path / "page.md")
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    done = gpu("--read", tmp_path / "result.json", "--page", tmp_path / "page.md")
    assert done.returncode == 0, done.stderr
    shown = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.text(RESULT) in shown
    assert "**A card**, 8 GiB, driver 1.2" in shown
    assert "| Depthmap_Tiny | float16 | 10 MB | 2 ms | 5 ms | 2.50 × | yes |" in shown
    assert "| Depthmap_Tiny | 32 | – | – | – | – | memory ran out |" in shown
    assert "- batches MiDaS: no time was left" in shown


def test_the_page_takes_figures_of_whole_runs_on_a_gpu_only() -> None:
    assert gpu("--device", "cpu", "--page", PAGE).returncode == 2
    assert gpu("--quick", "--page", PAGE).returncode == 2
    with pytest.raises(SystemExit, match="whole run on a GPU"):
        page.text({**RESULT, "card": {}})


def test_the_parts_of_a_run_are_those_of_the_page() -> None:
    assert list(RESULT["parts"]) == list(LIMITS)
