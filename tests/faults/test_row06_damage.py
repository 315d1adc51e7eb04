"""Bits that flip, files that are zeroed or cut: the right numbers come out, and no more is fetched than was damaged."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from depthmap import loader
from depthmap.cache import ModelCache
from depthmap.errors import ModelFileCorrupted
from support import flip, rot, sha256, write_catalog

from .ledger import Ledger
from .servers import Fault, HostileServer

LEAF = 1 << 20
Damage = Callable[[Path, random.Random], None]


def flip_some(count: int) -> Damage:
    def damage(path: Path, chance: random.Random) -> None:
        for position in chance.sample(range(path.stat().st_size), min(count, path.stat().st_size)):
            flip(path, position)

    return damage


def zero_all(path: Path, chance: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def zero_a_page(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(chance.randrange(max(1, path.stat().st_size - 4096)) // 4096 * 4096)
        file.write(b"\xff" * 4096)


def cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def empty(path: Path, chance: random.Random) -> None:
    os.truncate(path, 0)


def lengthen(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(bytes(chance.randrange(1, 5000)))


DAMAGES: dict[str, Damage] = {
    "one bit": flip_some(1),
    "ten bits": flip_some(10),
    "a page": zero_a_page,
    "all zero": zero_all,
    "cut": cut,
    "empty": empty,
    "longer": lengthen,
}


class Stage:
    """A server with the published file, a whole cache to copy, and the right numbers."""

    def __init__(self, root: Path, checkpoint: Path, server: HostileServer) -> None:
        self.root, self.checkpoint, self.server = root, checkpoint, server
        self.template = root / "template"
        catalog = write_catalog(root / "catalog.json", Small=checkpoint)
        text = catalog.read_text().replace(
            '"name": "Small"',
            '"name": "Small", "network": "depthmap_tiny", "input_size": 256, "resize": "upper_bound", '
            '"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "path": "tiny.pt"',
        )
        catalog.write_text(text)
        os.environ |= {
            "DEPTHMAP_CATALOG": str(catalog),
            "DEPTHMAP_MIRRORS": server.url,
            "DEPTHMAP_OFFLINE": "0",
            "DEPTHMAP_RETRIES": "0",
        }
        ModelCache(self.template).download("small")
        self.right = self.numbers(self.template)

    def numbers(self, cache: Path) -> dict[str, torch.Tensor]:
        state = loader.load("small", ModelCache(cache)).network.state_dict()
        return {name: tensor.clone() for name, tensor in state.items()}

    def cache(self) -> Path:
        """A fresh copy of the whole cache, stamps and all that was recorded."""
        target = self.root / "cache"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.template, target)
        ModelCache(target).verify()  # the copies are new inodes: stamped anew
        self.server.heal()
        return target

    def fetched(self) -> int:
        return sum(request.sent for request in self.server.requests if request.status in (200, 206))

    def is_right(self, cache: Path) -> None:
        numbers = self.numbers(cache)
        assert all(torch.equal(numbers[name], tensor) for name, tensor in self.right.items())


@pytest.fixture
def stage(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for variable in ("DEPTHMAP_CATALOG", "DEPTHMAP_MIRRORS", "DEPTHMAP_OFFLINE", "DEPTHMAP_RETRIES"):
        monkeypatch.setenv(variable, "")  # so that they are put back
    shutil.copyfile(tiny_checkpoint, tmp_path / "tiny.pt")
    server = HostileServer(tmp_path / "tiny.pt", name="tiny.pt")
    yield Stage(tmp_path, tmp_path / "tiny.pt", server)
    server.stop()


def seeds(full: bool, few: int, many: int) -> range:
    return range(many if full else few)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("format", ["pt", "h5"])
def test_one_damaged_file_is_noticed_and_mended_from_its_sibling(
    kind: str, format: str, stage: Stage, ledger: Ledger, full: bool
) -> None:
    for seed in seeds(full, 1, 4):
        with ledger.injection(6, f"{kind} of .{format}, {seed}"):
            cache = stage.cache()
            DAMAGES[kind](cache / f"midas_small.{format}", random.Random(seed))
            stage.is_right(cache)
            ModelCache(cache).repair("small")
            assert all(entry["ok"] for entry in ModelCache(cache).verify())
            assert set(ModelCache(cache).shelf.cached("small")) == {"pt", "h5", "pkl"}
            assert sha256(cache / "midas_small.pt") == sha256(stage.checkpoint)
            assert stage.fetched() <= LEAF + 4096 or kind in ("all zero", "empty", "cut", "ten bits")
            assert stage.fetched() <= stage.checkpoint.stat().st_size


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", DAMAGES)
def test_with_both_files_damaged_the_source_gives_what_neither_has(
    kind: str, stage: Stage, ledger: Ledger, full: bool
) -> None:
    for seed in seeds(full, 1, 4):
        with ledger.injection(6, f"{kind} of both, {seed}"):
            cache = stage.cache()
            for number, format in enumerate(("pt", "h5")):
                DAMAGES[kind](cache / f"midas_small.{format}", random.Random(seed * 2 + number))
            stage.is_right(cache)
            assert all(entry["ok"] for entry in ModelCache(cache).verify())
            if kind in ("one bit", "longer"):
                assert stage.fetched() <= LEAF
            assert stage.fetched() <= stage.checkpoint.stat().st_size


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_pkl_costs_nothing(kind: str, stage: Stage, ledger: Ledger, full: bool) -> None:
    for seed in seeds(full, 3, 40):
        with ledger.injection(6, f"{kind} of .pkl, {seed}"):
            cache = stage.cache()
            DAMAGES[kind](cache / "midas_small.pkl", random.Random(seed))
            stage.is_right(cache)
            assert not list((cache / ".damaged").glob("*")), "a whole file was set aside"
            assert stage.fetched() == 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_partial_file_or_journal_costs_what_was_damaged(
    kind: str, stage: Stage, ledger: Ledger, full: bool
) -> None:
    for seed in seeds(full, 1, 4):
        for suffix in ("", ".journal"):
            with ledger.injection(6, f"{kind} of .part{suffix}, {seed}"):
                cache = stage.root / "cache"
                shutil.rmtree(cache, ignore_errors=True)
                interrupt(cache, stage)
                part = cache / ".partial" / f"midas_small.pt.part{suffix}"
                DAMAGES[kind](part, random.Random(seed))
                stage.is_right(cache)
                assert sha256(cache / "midas_small.pt") == sha256(stage.checkpoint)
                assert ModelCache(cache).shelf.store.partial() == []


def interrupt(cache: Path, stage: Stage) -> None:
    """Download about half of the file, and stop."""
    half = stage.checkpoint.stat().st_size // 2

    class Enough(Exception):
        pass

    def progress(what: str, done: int, total: int) -> None:
        if done >= half:
            raise Enough

    stage.server.heal(Fault(rate=1 << 16, slow_after=half + LEAF))
    with pytest.raises(Enough):
        ModelCache(cache).download("small", ["pt"], progress)
    stage.server.heal()


def test_bit_rot_under_an_unchanged_stamp_is_found_by_verify_and_mended_by_one_leaf(
    stage: Stage, ledger: Ledger, full: bool
) -> None:
    for seed in seeds(full, 2, 10):
        with ledger.injection(6, f"bit-rot, {seed}"):
            cache = stage.cache()
            path = cache / "midas_small.pt"
            (cache / "midas_small.h5").unlink()
            with rot(path):
                flip(path, random.Random(seed).randrange(path.stat().st_size))
            assert [entry["ok"] for entry in ModelCache(cache).verify() if entry["format"] == "pt"] == [False]
            repaired = ModelCache(cache).repair("small")
            assert [entry["action"] for entry in repaired] == ["fetched"]
            assert stage.fetched() <= LEAF
            assert sha256(path) == sha256(stage.checkpoint)


def test_without_a_source_a_damaged_model_is_an_error_that_says_what_to_do(
    stage: Stage, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.injection(6, "both damaged, offline"):
        cache = stage.cache()
        monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
        for format in ("pt", "h5"):
            flip(cache / f"midas_small.{format}", 5 * LEAF)
        with pytest.raises(ModelFileCorrupted) as caught:
            loader.load("small", ModelCache(cache))
        assert "depthmap models download" in caught.value.remedy
        monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
        stage.is_right(cache)
        assert stage.fetched() <= LEAF, "what was set aside is mended, not fetched anew"
