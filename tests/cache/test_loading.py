"""DEPTHMAP_LOAD: whether a network's tensors lie in the mapped file or in memory of this process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cache.conftest import Variant
from depthmap import formats, loader
from depthmap.cache import ModelCache
from depthmap.errors import UsageError
from depthmap.formats.mapping import is_remote

NFS = "22 1 0:20 / / rw - ext4 /dev/sda rw\n40 22 0:35 / {} rw,relatime shared:1 - nfs4 host:/export rw\n"


@pytest.fixture
def cache(tiny_checkpoint: Path) -> ModelCache:
    """A model in single precision, as .pt and .h5: what is stored in half precision is copied anyway."""
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    return cache


def load(monkeypatch: pytest.MonkeyPatch, how: str) -> loader.LoadedModel:
    monkeypatch.setenv("DEPTHMAP_LOAD", how)
    return loader.load("mine", ModelCache())


def mapped(path: Path) -> list[tuple[int, int]]:
    """Return the addresses at which this process has a file mapped, as the system knows it."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [line[0].split("-") for line in lines if line[-1] == str(path)]
    return [(int(low, 16), int(high, 16)) for low, high in ranges]


def in_file(loaded: loader.LoadedModel) -> bool:
    """Tell whether every tensor lies in the mapping of the file; some that do and some that do not are wrong."""
    ranges = mapped(loaded.path)
    tensors = loaded.network.state_dict().values()
    inside = {any(low <= t.data_ptr() < high for low, high in ranges) for t in tensors}
    assert len(inside) == 1
    return inside == {True}


@pytest.mark.parametrize("format", ["pt", "h5"])
def test_read_leaves_no_mapping_of_the_file_and_map_does_and_the_tensors_are_the_same(
    cache: ModelCache, format: str, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if format == "h5":
        (cache.cache_dir / "midas_mine.pt").unlink()
    read = load(monkeypatch, "read")
    assert read.source == format
    assert mapped(read.path) == []
    assert not in_file(read)
    assert cache.usage()["in_use"] == []
    for how in ("map", "auto", "MAP"):
        loaded = load(monkeypatch, how)
        assert in_file(loaded), how
    assert cache.usage()["in_use"] == ["mine"]
    original = formats.load(tiny_checkpoint)
    for network in (read.network, loaded.network):
        assert all(torch.equal(tensor, original[name]) for name, tensor in network.state_dict().items())


def test_what_was_read_stays_when_the_file_is_overwritten_in_place(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a network file system may do to a file that others have open."""
    loaded = load(monkeypatch, "read")
    before = {name: tensor.clone() for name, tensor in loaded.network.state_dict().items()}
    with loaded.path.open("r+b") as file:
        file.truncate(0)
    assert all(torch.equal(before[name], t) for name, t in loaded.network.state_dict().items())


def test_auto_reads_what_lies_on_a_network_file_system(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = NFS.format(cache.cache_dir)
    monkeypatch.setattr(loader, "is_remote", lambda path: is_remote(path, table))
    assert not in_file(load(monkeypatch, "auto"))
    assert in_file(load(monkeypatch, "map"))
    table = NFS.format(cache.cache_dir.parent / "elsewhere")
    assert in_file(load(monkeypatch, "auto"))


def test_another_value_is_an_error_that_names_those_there_are(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"DEPTHMAP_LOAD is 'guess'.*auto, map, read"):
        load(monkeypatch, "guess")
