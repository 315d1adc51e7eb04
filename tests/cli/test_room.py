"""What the commands say of room on the disk: shared files, what is evicted, what is pinned or in use."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from cli.conftest import Run
from depthmap import DepthEstimator
from depthmap.cache import ModelCache
from depthmap.cli.output import size_text
from support import arrays_of, save_checkpoint

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@pytest.fixture
def shared(run: Run, tiny_checkpoint: Path) -> int:
    """Two names of one checkpoint, the first used longer ago; the bytes of the checkpoint."""
    for when, name in enumerate(("first", "second")):
        assert run("models", "import", tiny_checkpoint, "-n", name, "--format", "pt").status == 0
        mark = ModelCache().cache_dir / ".used" / name
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        os.utime(mark, (1000 + when, 1000 + when))
    return tiny_checkpoint.stat().st_size


def on_disk() -> int:
    """Return the bytes of the models' files, each file once."""
    files = [path.stat() for path in ModelCache().cache_dir.glob("midas_*")]
    return sum({(s.st_dev, s.st_ino): s.st_size for s in files}.values())


def test_info_says_with_whom_a_file_is_shared(run: Run, shared: int) -> None:
    assert "  pt shared  with second" in run("models", "info", "first").out.splitlines()
    assert run("models", "info", "second", "--json").document["models"]["second"]["shared_with"] == {
        "pt": ["first"]
    }
    run("models", "clear", "second")
    assert "shared" not in run("models", "info", "first").out


def test_du_adds_up_to_what_is_on_the_disk(run: Run, shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ModelCache().cache_dir
    for name in (".partial/midas_other.pt.part", ".damaged/midas_other.pt.1"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(bytes(3_000_000))
    run("models", "pin", "first")
    monkeypatch.setenv("DEPTHMAP_CACHE_MAX_SIZE", "40MB")
    held = DepthEstimator("second")
    usage = run("models", "du", "--json").document
    assert usage["total"] == on_disk() + 6_000_000
    assert usage["shared"] == shared
    lines = [line.split(maxsplit=2) for line in run("models", "du").out.splitlines()]
    shown = {what: float(number) * UNITS[unit] for number, unit, what in lines}
    assert set(shown) == {
        "first (pinned, in use)", "second (in use)", "partial files", "damaged files", "under two names",
        "in all", "free", "allowed",
    }  # fmt: skip
    parts = [size for what, size in shown.items() if what not in ("in all", "free", "allowed")]
    assert sum(parts) == pytest.approx(shown["in all"], rel=0.01)
    assert shown["allowed"] == 40e6
    assert shown["free"] == pytest.approx(shutil.disk_usage(root).free, rel=0.05)
    del held


def test_evict_to_a_size_counts_a_shared_file_once(run: Run, shared: int) -> None:
    assert shared < 20e6 < 2 * shared
    for flags in (["--dry-run"], []):
        done = run("models", "evict", "--max-size", "20MB", *flags)
        assert (done.status, done.out) == (0, "")
        assert "warning" not in done.err
        assert f"{size_text(on_disk())} left" in done.err
    assert run("models", "evict", "--max-size", "20MB", "--json").document["bytes_left"] == on_disk()


def test_evicting_one_of_two_names_frees_nothing_of_the_file_and_that_is_said(run: Run, shared: int) -> None:
    run("models", "pin", "second")
    rehearsed = run("models", "evict", "--max-size", "1MB", "--dry-run", "--json").document
    assert (rehearsed["evicted"], rehearsed["dry_run"]) == (["first"], True)
    assert rehearsed["bytes_left"] >= shared
    assert run("models", "list", "--format", "pt", "--json").document["models"][0]["slug"] == "first"
    done = run("models", "evict", "--max-size", "1MB")
    assert done.out == "first\n"
    assert f"{size_text(on_disk())} left" in done.err
    assert re.search(r"warning: .*more than 1 MB.*pinned or in use", done.err)
    assert on_disk() == pytest.approx(rehearsed["bytes_left"])
    assert run("models", "verify").status == 0


def test_evict_frees_twenty_megabytes_in_the_order_of_use(
    run: Run, shared: int, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    other = {name: values + values.dtype.type(1) for name, values in arrays_of(tiny_checkpoint).items()}
    save_checkpoint(other, tmp_path / "other.pt")
    run("models", "import", tmp_path / "other.pt", "-n", "third", "--format", "pt")
    rehearsed = run("models", "evict", "--max-size", "20MB", "--dry-run")
    assert rehearsed.out.split() == ["first", "second"]
    assert "2 models would be evicted" in rehearsed.err
    assert len(run("models", "list", "--format", "pt", "--json").document["models"]) == 3
    done = run("models", "evict", "--max-size", "20MB")
    assert done.out == rehearsed.out
    assert "2 models evicted" in done.err
    assert on_disk() <= 20e6


@pytest.mark.usefixtures("no_engines")
def test_a_download_that_does_not_fit_the_budget_is_an_error_that_says_what_to_do(
    run: Run, mirror: Path, shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("models", "pin", "first")
    monkeypatch.setenv("DEPTHMAP_CACHE_MAX_SIZE", "30MB")
    done = run("models", "download", "Toy", "--format", "pt", "--json")
    assert done.status == 1
    assert done.document["error"] == "BudgetExceeded"
    assert "DEPTHMAP_CACHE_MAX_SIZE" in done.document["remedy"]
    run("models", "unpin", "first")
    assert run("models", "download", "Toy", "--format", "pt").status == 0
    assert on_disk() <= 30e6
