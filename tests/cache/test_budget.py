"""DEPTHMAP_CACHE_MAX_SIZE: what makes room for a model, what never does, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cache.conftest import Variant
from depthmap import DepthEstimator
from depthmap.cache import ModelCache
from depthmap.errors import BudgetExceeded

NAMES = ("oldest", "middle", "newest")
HOLDER = """
import sys
import numpy as np
from depthmap import DepthEstimator

estimator = DepthEstimator(sys.argv[1])
before = estimator.predict(np.zeros((64, 64, 3), np.uint8))
print("loaded", flush=True)
sys.stdin.read()
after = estimator.predict(np.zeros((64, 64, 3), np.uint8))
assert np.array_equal(after, before, equal_nan=True)  # the numbers of these models are not sensible
"""


@pytest.fixture
def size(variant: Variant) -> int:
    """The bytes of one model, roughly: its ``.pkl`` and the headers come to less than a quarter of it."""
    return variant("small").stat().st_size


@pytest.fixture
def cache(published: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    """Three models of one format, used in the order of their names; Small is published, and not cached."""
    cache = ModelCache()
    for age, name in enumerate(NAMES):
        cache.import_file(variant(name), name, ["pt"])
        use(cache, name, 1000 + age)
    return cache


def use(cache: ModelCache, name: str, when: int) -> None:
    """Let a model have been used last so many seconds after the epoch."""
    cache.shelf.store.touch(name)
    os.utime(cache.cache_dir / ".used" / name, (when, when))


def limited(nbytes: float, monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    monkeypatch.setenv("DEPTHMAP_CACHE_MAX_SIZE", str(round(nbytes)))
    return ModelCache()


def cached(cache: ModelCache) -> list[str]:
    return [row["slug"] for row in cache.models("pt")]


def tree(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("midas_*") if path.is_file()}


@contextmanager
def held_elsewhere(name: str) -> Iterator[None]:
    """Let another process have a model loaded; when it is let go, the model must still be what it was."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "loaded\n"
    try:
        yield
    finally:
        holder.communicate(timeout=60)
    assert holder.returncode == 0, "the model went away under the process that used it"


def test_a_download_evicts_the_least_recently_used_and_no_more_than_it_must(
    cache: ModelCache, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = limited(3.25 * size, monkeypatch)
    assert cache.plan_download("small", ["pt"])["evicts"] == ["oldest"]
    cache.download("small", ["pt"])
    assert cached(cache) == ["small", "middle", "newest"]
    assert cache.usage()["total"] <= 3.25 * size


def test_an_import_makes_room_too(
    cache: ModelCache, variant: Variant, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = limited(2.25 * size, monkeypatch)
    cache.import_file(variant("another"), "another", ["pt"])
    assert cached(cache) == ["another", "newest"]


def test_a_load_makes_a_model_the_most_recently_used(
    cache: ModelCache, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    DepthEstimator("oldest", cache_dir=cache.cache_dir)
    cache = limited(3.25 * size, monkeypatch)
    cache.download("small", ["pt"])
    assert cached(cache) == ["small", "newest", "oldest"]


def test_a_download_spares_what_is_pinned_and_what_another_process_has_loaded(
    cache: ModelCache, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.pin("oldest")
    with held_elsewhere("middle"):
        use(cache, "middle", 1001)  # as if it had been loaded then
        cache = limited(3.25 * size, monkeypatch)
        assert cache.usage()["in_use"] == ["middle"]
        assert cache.usage()["pinned"] == ["oldest"]
        cache.download("small", ["pt"])
        assert cached(cache) == ["small", "middle", "oldest"]
    assert cache.usage()["in_use"] == []
    assert cache.evict(2 * size) == ["middle", "small"]


def test_what_cannot_be_made_to_fit_is_refused_before_a_byte_is_fetched_or_a_model_goes(
    cache: ModelCache, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.pin("oldest")
    cache.pin("middle")
    before = tree(cache.cache_dir)
    cache = limited(2.5 * size, monkeypatch)
    with pytest.raises(BudgetExceeded, match="MB") as caught:
        cache.download("small", ["pt"])
    assert "DEPTHMAP_CACHE_MAX_SIZE" in caught.value.remedy
    with pytest.raises(BudgetExceeded):
        cache.plan_download("small", ["pt"])
    assert tree(cache.cache_dir) == before


def test_what_a_download_leaves_is_within_the_budget_to_the_byte(
    published: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ``.pkl`` and the headers of the ``.h5`` count too."""
    cache = limited(2 * size, monkeypatch)
    with pytest.raises(BudgetExceeded):
        cache.download("small")
    assert cache.usage()["total"] == 0
    cache = limited(2.25 * size, monkeypatch)
    cache.download("small")
    assert 2 * size < cache.usage()["total"] <= 2.25 * size


def test_a_rehearsal_names_what_goes_where_two_models_share_a_file(
    cache: ModelCache, variant: Variant, size: int
) -> None:
    """The file of two names goes with the second one, not before."""
    cache.import_file(variant("oldest"), "twin", ["pt"])
    use(cache, "twin", 999)
    assert cache.evict(round(3.25 * size), dry_run=True) == []
    rehearsed = cache.evict(round(2.25 * size), dry_run=True)
    assert rehearsed == ["twin", "oldest"]
    assert cache.evict(round(2.25 * size)) == rehearsed


def test_a_download_evicts_both_names_of_a_file_where_that_makes_room(
    cache: ModelCache, variant: Variant, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.import_file(variant("oldest"), "twin", ["pt"])
    use(cache, "twin", 999)
    for name in ("middle", "newest"):
        cache.pin(name)
    cache = limited(3.25 * size, monkeypatch)
    assert cache.plan_download("small", ["pt"])["evicts"] == ["twin", "oldest"]
    cache.download("small", ["pt"])
    assert cached(cache) == ["small", "middle", "newest"]


def test_a_file_that_has_a_name_outside_the_cache_counts_as_long_as_it_is_in_it(
    cache: ModelCache, size: int, tmp_path: Path
) -> None:
    """As one that was adopted from torch.hub has."""
    os.link(cache.cache_dir / "midas_oldest.pt", tmp_path / "elsewhere.pt")
    assert cache.evict(round(2.25 * size), dry_run=True) == ["oldest"]
    assert cache.evict(round(2.25 * size)) == ["oldest"]
