"""What is known of a model is read once, and again as soon as the file may be another."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from depthmap.catalog import CATALOG
from depthmap.errors import ModelFileCorrupted
from depthmap.store import Manifest, Store, last_read

SPEC = CATALOG["midas_small"]
SLUG = SPEC.slug


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The manifests that were read from the disk, in turn."""
    done: list[Path] = []
    original = Manifest.load

    def load(path: Path) -> Manifest:
        done.append(path)
        return original(path)

    monkeypatch.setattr(Manifest, "load", load)
    return done


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "cache")
    made.write_manifest(SLUG, Manifest(SPEC))
    return made


@pytest.fixture
def settled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose manifest was written long ago, as time goes in tests."""
    monkeypatch.setattr(last_read, "_SETTLED", 0.05)
    time.sleep(0.1)
    return store


def test_a_manifest_that_stays_as_it_is_is_read_once(settled: Store, reads: list[Path]) -> None:
    assert settled.manifest(SLUG) is settled.manifest(SLUG) is not None
    assert reads == [settled.path(SLUG, "pkl")]


def test_one_that_was_written_just_now_is_read_each_time(store: Store, reads: list[Path]) -> None:
    assert store.manifest(SLUG) == store.manifest(SLUG)
    assert len(reads) == 2


def test_one_that_another_process_has_replaced_is_read_anew(settled: Store) -> None:
    assert settled.manifest(SLUG) == Manifest(SPEC)
    Store(settled.root).write_manifest(SLUG, Manifest(SPEC, pinned=True))
    known = settled.manifest(SLUG)
    assert known
    assert known.pinned


def test_one_that_was_changed_in_place_with_its_time_set_back_is_read_anew(settled: Store) -> None:
    assert settled.manifest(SLUG)
    path = settled.path(SLUG, "pkl")
    times = path.stat()
    path.write_bytes(bytes(times.st_size))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ModelFileCorrupted):
        settled.manifest(SLUG)


def test_one_that_was_removed_is_forgotten(settled: Store) -> None:
    assert settled.manifest(SLUG)
    settled.path(SLUG, "pkl").unlink()
    assert settled.manifest(SLUG) is None


def test_models_are_not_taken_for_each_other(settled: Store) -> None:
    other = CATALOG["dpt_large"]
    settled.write_manifest(other.slug, Manifest(other))
    time.sleep(0.1)
    for _ in range(2):
        for spec in (SPEC, other):
            known = settled.manifest(spec.slug)
            assert known
            assert known.spec == spec
