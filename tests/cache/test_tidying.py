"""`optimize`: the rehearsal says what would be done and does nothing; the real run does precisely that."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cache.conftest import Variant
from depthmap.cache import ModelCache
from support import flip, rot, sha256

MONTH = 30 * 86_400
DID = ("removed", "repaired", "shared", "evicted")


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Return inode, time and digest of every file below a directory, ours or not."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns, sha256(path))
        for path in files
    }


def age(path: Path) -> Path:
    old = time.time() - MONTH
    os.utime(path, (old, old))
    return path


@pytest.fixture
def cache(published: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    """One of everything: a damaged file, one that nothing can mend, an orphan, a stale part, one that was set aside."""
    cache = ModelCache()
    cache.download("small")
    cache.import_file(variant("mine"), "mine", ["pt"])
    root = cache.cache_dir
    shutil.copy(root / "midas_mine.pkl", root / "midas_orphan.pkl")
    with rot(root / "midas_small.h5"):
        flip(root / "midas_small.h5", 3 << 20)
    with rot(root / "midas_mine.pt"):
        flip(root / "midas_mine.pt", 2 << 20)
    for name in (
        ".partial/midas_old.pt.part",
        ".partial/midas_old.pt.part.journal",
        ".damaged/midas_old.pt.17",
    ):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
        age(path)
    (root / ".partial" / "midas_fresh.pt.part").write_bytes(bytes(1000))
    (root / ".damaged" / "midas_fresh.pt.17").write_bytes(bytes(1000))
    (root / "notes.txt").write_text("mine")
    monkeypatch.delenv("DEPTHMAP_MIRRORS")  # which might have what is damaged
    return ModelCache()


def named(cache: ModelCache, tally: dict[str, Any], verb: str) -> list[str]:
    return sorted(str(Path(path).relative_to(cache.cache_dir)) for path in tally[verb])


def test_the_rehearsal_changes_no_byte_and_the_real_run_does_what_it_said(cache: ModelCache) -> None:
    root = cache.cache_dir
    before = snapshot(root)
    rehearsed = cache.optimize(dry_run=True)
    assert snapshot(root) == before
    assert named(cache, rehearsed, "repaired") == ["midas_small.h5"]
    removed = [
        ".damaged/midas_old.pt.17",
        ".partial/midas_old.pt.part",
        ".partial/midas_old.pt.part.journal",
        "midas_mine.pkl",
        "midas_mine.pt",
        "midas_orphan.pkl",
    ]
    assert named(cache, rehearsed, "removed") == removed
    done = cache.optimize()
    freed = "space_freed_mb"
    assert done[freed] == pytest.approx(
        rehearsed[freed], abs=0.01
    )  # what describes a model becomes shorter first
    assert {**done, freed: 0} == {**rehearsed, freed: 0}
    after = snapshot(root)
    assert sorted(set(before) - set(after)) == removed
    assert [name for name in set(after) - set(before) if not name.startswith(".locks")] == []
    changed = {name for name in set(before) & set(after) if before[name][2] != after[name][2]}
    assert changed == {"midas_small.h5", "midas_small.pkl"}
    assert all(entry["ok"] for entry in cache.verify())
    again = cache.optimize()
    assert [again[verb] for verb in (*DID, "errors")] == [[], [], [], [], []]


def test_a_rehearsal_does_not_even_note_that_a_file_whose_time_changed_is_whole(
    published: Path, tmp_path: Path
) -> None:
    cache = ModelCache()
    cache.download("small", ["pt"])
    age(cache.cache_dir / "midas_small.pt")
    before = snapshot(cache.cache_dir)
    assert cache.optimize(dry_run=True)["removed"] == []
    assert snapshot(cache.cache_dir) == before
    assert not (tmp_path / "home").exists()
    cache.optimize()
    assert cache.shelf.store.is_stamped("small", "pt")


def test_a_rehearsal_leaves_what_a_killed_writer_left_and_both_runs_count_it(published: Path) -> None:
    cache = ModelCache()
    cache.download("small", ["pt"])
    forsaken = cache.cache_dir / ".partial" / f"midas_small.h5.{os.getpid() + 1}-0123abcd"
    forsaken.write_bytes(bytes(1_000_000))
    rehearsed = cache.optimize(dry_run=True)
    assert forsaken.exists()
    assert rehearsed["removed"] == [str(forsaken)]
    assert rehearsed["space_freed_mb"] == 1.0
    assert cache.optimize() == rehearsed
    assert not forsaken.exists()


def test_a_rehearsal_makes_nothing_in_a_cache_that_has_no_folders_of_ours(
    published: Path, variant: Variant
) -> None:
    cache = ModelCache()
    cache.cache_dir.mkdir(parents=True)
    shutil.copy(published, cache.cache_dir / "midas_small.pt")
    before = snapshot(cache.cache_dir)
    cache.optimize(dry_run=True)
    assert snapshot(cache.cache_dir) == before
    assert [path.name for path in cache.cache_dir.iterdir()] == ["midas_small.pt"]


def test_what_is_over_the_budget_is_evicted_and_the_rehearsal_names_it(
    published: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ModelCache()
    for when, name in enumerate(("old", "new")):
        cache.import_file(variant(name), name, ["pt"])
        cache.shelf.store.touch(name)
        os.utime(cache.cache_dir / ".used" / name, (1000 + when, 1000 + when))
    monkeypatch.setenv("DEPTHMAP_CACHE_MAX_SIZE", str(round(1.5 * variant("old").stat().st_size)))
    cache = ModelCache()
    before = snapshot(cache.cache_dir)
    rehearsed = cache.optimize(dry_run=True)
    assert rehearsed["evicted"] == ["old"]
    assert snapshot(cache.cache_dir) == before
    assert cache.optimize()["evicted"] == ["old"]
    assert not cache.is_cached("old")
    assert cache.is_cached("new")
