"""`models download --dry-run`: what would be fetched, and nothing done for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Run
from depthmap.cli.output import size_text

# An audit hook sees every socket and every file that Python opens to write or makes, whoever asks for it.
AUDITED = """
import os, sys
def hook(event, args):
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event.startswith("socket.") or event in ("os.mkdir", "os.rename", "os.remove") or writes:
        sys.stderr.write(f"AUDIT {event} {args}\\n")
sys.dont_write_bytecode = True
sys.addaudithook(hook)
from depthmap.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_plan_names_the_sources_the_sizes_and_the_room(run: Run, mirror: Path, cache_dir: Path) -> None:
    size = mirror.stat().st_size
    done = run("models", "download", "Toy", "--dry-run", "--json")
    assert done.status == 0
    (plan,) = done.document["models"]
    assert done.document["dry_run"]
    assert plan["sources"] == [f"{mirror.parent.as_uri()}/v0/toy.pt", mirror.as_uri()]
    assert (plan["download_bytes"], plan["write_bytes"], plan["resumed_bytes"]) == (size, 2 * size, 0)
    assert (plan["missing"], plan["cached"], plan["fits"]) == (["pt", "h5"], [], True)
    assert plan["free_bytes"] == pytest.approx(shutil.disk_usage(cache_dir.parent).free, rel=0.05)
    plain = run("models", "download", "Toy", "--dry-run")
    assert plain.out.splitlines() == plan["sources"]
    assert f"Toy: {size_text(size)} to download; {size_text(2 * size)} to write, " in plain.err
    assert plain.err.rstrip().endswith("free.")
    assert not cache_dir.exists()


@pytest.mark.usefixtures("no_engines")
def test_a_plan_follows_what_is_there(run: Run, mirror: Path, cache_dir: Path) -> None:
    assert run("models", "download", "Toy", "--format", "pt").status == 0
    before = {path: path.stat().st_mtime_ns for path in cache_dir.rglob("*")}
    (plan,) = run("models", "download", "Toy", "--dry-run", "--json").document["models"]
    assert (plan["cached"], plan["missing"], plan["sources"]) == (["pt"], ["h5"], [])
    assert (plan["download_bytes"], plan["write_bytes"]) == (0, mirror.stat().st_size)
    assert {path: path.stat().st_mtime_ns for path in cache_dir.rglob("*")} == before


def test_a_plan_counts_what_an_interrupted_download_left(run: Run, mirror: Path, cache_dir: Path) -> None:
    part = cache_dir / ".partial" / "midas_toy.pt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(4 << 20))
    done = run("models", "download", "Toy", "--dry-run", "--json", "--format", "pt")
    (plan,) = done.document["models"]
    assert plan["resumed_bytes"] == 4 << 20
    assert plan["download_bytes"] == plan["write_bytes"] == mirror.stat().st_size - (4 << 20)


def test_a_disk_that_is_too_small_is_a_failure(
    run: Run, mirror: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    from depthmap.cache import fetch

    monkeypatch.setattr(fetch, "free_space", lambda directory: 1_000_000)
    done = run("models", "download", "Toy", "--dry-run")
    assert done.status == 1
    assert "Insufficient disk space" in done.err
    assert not cache_dir.exists()


def test_a_plan_opens_no_socket_and_writes_nothing_even_where_it_could(
    mirror: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", "http://127.0.0.1:9/")
    command = [sys.executable, "-c", AUDITED, "models", "download", "Toy", "DPT_Large", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "AUDIT" not in done.stderr, done.stderr
    assert "http://127.0.0.1:9/v0/toy.pt" in done.stdout
    assert not cache_dir.exists()


def test_a_plan_offline_of_what_only_the_network_has_is_an_error(run: Run, cache_dir: Path) -> None:
    done = run("models", "download", "DPT_Large", "--dry-run")
    assert done.status == 1
    assert "DEPTHMAP_OFFLINE" in done.err
    assert not cache_dir.exists()
