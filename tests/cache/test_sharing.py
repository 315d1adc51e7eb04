"""One checkpoint under two names is one file on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from cache.conftest import Variant
from depthmap import formats
from depthmap.cache import ModelCache
from depthmap.settings import Settings


def shared_in(directory: Path, variant: Variant) -> ModelCache:
    """Return a cache with two names of one checkpoint, and a third model that has nothing to do with them."""
    cache = ModelCache(settings=Settings(directory))
    for name, checkpoint in {"first": "one", "second": "one", "other": "other"}.items():
        cache.import_file(variant(checkpoint), name, ["pt"])
    return cache


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, variant: Variant) -> ModelCache:
    """What no test changes."""
    return shared_in(tmp_path_factory.mktemp("kept"), variant)


@pytest.fixture
def cache(tmp_path: Path, variant: Variant) -> ModelCache:
    return shared_in(tmp_path / "cache", variant)


def status(cache: ModelCache, name: str, format: str) -> os.stat_result:
    return os.stat(cache.cache_dir / f"midas_{name}.{format}")


def test_the_pt_is_stored_once_and_both_names_are_whole(kept: ModelCache) -> None:
    first, second, other = (status(kept, name, "pt") for name in ("first", "second", "other"))
    assert first.st_ino == second.st_ino != other.st_ino
    assert first.st_nlink == 2
    assert all(entry["ok"] for entry in kept.verify())
    assert all(kept.shelf.store.is_stamped(name, "pt") for name in ("first", "second"))


def test_the_detail_names_those_that_share(kept: ModelCache) -> None:
    assert kept.detail("first")["shared_with"]["pt"] == ["second"]
    assert kept.detail("second")["shared_with"]["pt"] == ["first"]
    assert kept.detail("other")["shared_with"] == {}


def test_usage_counts_a_shared_file_once(kept: ModelCache) -> None:
    usage = kept.usage()
    files = {(s.st_dev, s.st_ino): s.st_size for s in map(os.stat, kept.cache_dir.glob("midas_*"))}
    assert usage["total"] == sum(files.values())
    assert sum(map(sum, (sizes.values() for sizes in usage["models"].values()))) == (
        usage["total"] + usage["shared"]
    )
    assert usage["shared"] >= status(kept, "first", "pt").st_size


@pytest.mark.parametrize("gone", ["first", "second"])
def test_deleting_one_name_leaves_the_other_whole(cache: ModelCache, gone: str, variant: Variant) -> None:
    left = {"first": "second", "second": "first"}[gone]
    cache.delete(gone)
    assert not cache.is_cached(gone)
    assert all(entry["ok"] for entry in cache.verify(left))
    tensors, original = formats.load(cache.shelf.cached(left)["pt"]), formats.load(variant("one"))
    assert all(torch.equal(tensors[name], original[name]) for name in original)
    assert cache.usage()["shared"] == 0


def test_replacing_one_name_leaves_the_other_as_it_was(cache: ModelCache, variant: Variant) -> None:
    before = (cache.cache_dir / "midas_second.pt").read_bytes()
    cache.import_file(variant("third"), "first", replace=True)
    assert (cache.cache_dir / "midas_second.pt").read_bytes() == before
    assert cache.detail("second")["shared_with"].get("pt") is None


def test_optimize_makes_one_file_of_two_that_were_copied(cache: ModelCache) -> None:
    path = cache.cache_dir / "midas_second.pt"
    copy = path.read_bytes()
    path.unlink()
    path.write_bytes(copy)
    assert all(entry["ok"] for entry in cache.verify())
    rehearsed, done = cache.optimize(dry_run=True), cache.optimize()
    assert rehearsed["shared"] == done["shared"] == [str(path)]
    assert rehearsed["space_freed_mb"] == done["space_freed_mb"] == pytest.approx(len(copy) / 1e6, abs=0.001)
    assert status(cache, "first", "pt").st_ino == status(cache, "second", "pt").st_ino
    assert cache.optimize()["shared"] == []
