"""What is measured by: processes, the page cache, memory. Real ones."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.bench import Bench
from benchmarks.processes import Failed, Process, until_end, until_line
from benchmarks.series import Series

from benchmarks import __main__ as run
from benchmarks import environment, machine, material, memory, page_cache, ways

HOLD = "import mmap, sys; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)"
HOLD += "; sum(m[::4096]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def large() -> Iterator[Path]:
    """A file of 8 MiB on the disk that has the sources: temporary folders may be in memory, and are never cold."""
    with tempfile.TemporaryDirectory(dir=machine.ROOT, prefix=".bench-") as folder:
        path = Path(folder) / "large"
        path.write_bytes(os.urandom(8 << 20))
        yield path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    own = environment.own()
    made = material.ready(folder, material.EMBEDDED, own)
    return Bench(folder, own, {material.EMBEDDED: made}, material.photo(folder), 1, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="the page cache is looked into on Linux only")
def test_a_dropped_file_is_cold_and_a_read_one_warm(large: Path) -> None:
    page_cache.warm([large])
    assert page_cache.cached(large) == 1
    page_cache.drop([large])
    assert page_cache.cached(large) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the page cache is looked into on Linux only")
def test_a_file_that_stays_in_memory_does_not_count_as_cold(large: Path) -> None:
    with large.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        sum(mapping[:: mmap.PAGESIZE])
        with pytest.raises(RuntimeError, match="stay in the page cache"):
            page_cache.drop([large])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked into on Linux only")
def test_processes_that_map_a_file_share_it(large: Path) -> None:
    command = (sys.executable, "-c", HOLD, str(large))
    with Process(command, os.environ) as one, Process(command, os.environ) as other:
        assert {one.line(), other.line()} == {"held"}
        shares = [memory.pss(process.pid, large) for process in (one, other)]
        assert sum(shares) == large.stat().st_size
        assert max(shares) == min(shares)
        assert 0 < memory.private(one.pid) < large.stat().st_size * 4
        assert memory.pss(one.pid, large.with_name("other")) == 0


def test_a_process_that_fails_says_why_and_is_gone() -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such thing')")
    for start in (until_line, until_end):
        with pytest.raises(Failed, match="no such thing"):
            start(command, os.environ)


def test_a_process_is_gone_after_its_context() -> None:
    with Process((sys.executable, "-c", "print('on', flush=True); input()"), os.environ) as process:
        process.line()
    assert process.process.returncode is not None


@pytest.mark.parametrize("name", [ways.PT, ways.OURS, ways.TORCH, ways.HUB])
def test_a_way_can_be_gone_step_by_step(name: str, bench: Bench) -> None:
    way = bench.ways[name]
    with bench.going([(way, material.EMBEDDED)]) as (process,):
        steps = ("load",) if name == ways.PT else ("load", "keep", "depth", "prepare", "run")
        assert all(process.step(step) > 0 for step in steps)


@pytest.mark.parametrize("name", [ways.OURS, ways.HUB])
def test_a_fresh_process_goes_to_the_first_depth(name: str, bench: Bench) -> None:
    command = bench.command(bench.ways[name], material.EMBEDDED, "depth")
    with Process(command, bench.environment(bench.ways[name], material.EMBEDDED)) as process:
        assert process.line() == "(400, 400)"


def test_the_ways_whose_packages_are_missing_are_left_out(bench: Bench) -> None:
    bare = Bench(bench.folder, environment.Environment("python", {}), bench.material, bench.photo, 1, 1)
    assert ways.HUB in bare.ways
    assert not {ways.META, ways.FAST, ways.TRANSFORMERS} & set(bare.ways)


def test_one_command_measures_and_writes_json(tmp_path: Path) -> None:
    words = ("--quick", "--no-peers", "--model", material.EMBEDDED, "--only", "list", "list-growth")
    target = tmp_path / "result.json"
    command = (sys.executable, "-m", "benchmarks", *words, "--folder", str(tmp_path), "--json", str(target))
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=True)
    result = json.loads(target.read_text())
    assert {row["key"] for row in result["figures"]} == {
        "list",
        "list.alone",
        "growth.list",
        "growth.list.1000",
    }
    assert "`depthmap models list --json`" in done.stdout
    assert result["machine"]["cores"] >= 1


def test_a_measure_that_fails_is_said_to_be_left_out_and_the_others_are_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Series("first", "M", "depthmap", "s", (1.0,))

    def broken(_: Bench) -> list[Series]:
        raise Failed("no such thing")

    monkeypatch.setattr(run, "MEASURES", {"broken": broken, "whole": lambda _: [one]})
    assert run.measured(bench, None) == ([one], ["broken, which failed: no such thing"])


def test_pages_are_written_by_whole_runs_only() -> None:
    command = (sys.executable, "-m", "benchmarks", "--pages", "--quick")
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "whole run" in done.stderr
