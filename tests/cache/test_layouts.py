"""Where the tensors lie in a verified file is recorded, so that a load need not look into the file for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from depthmap import formats, loader
from depthmap.cache import ModelCache
from depthmap.formats import hdf5, pt
from support import python

MODULES = {"pt": pt, "h5": hdf5}


@pytest.fixture(params=["pt", "h5"])
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cache(tiny_checkpoint: Path, format: str) -> ModelCache:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine", [format])
    return cache


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats of the files that were looked into."""
    seen: list[str] = []
    for name, module in MODULES.items():

        def scan(path: Path, name: str = name, scan: object = module.scan) -> formats.Layout:
            seen.append(name)
            return scan(path)  # type: ignore[operator]  # it is the module's

        monkeypatch.setattr(module, "scan", scan)
    return seen


def require_right(loaded: loader.LoadedModel, original: Path) -> None:
    state = loaded.network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in torch.load(original).items())


def record(cache: ModelCache, format: str, **changes: object) -> None:
    """Change what is recorded of the file."""
    store = cache.shelf.store
    with store.lock("mine"):
        manifest = store.manifest("mine")
        assert manifest
        changed = manifest.files[format]._replace(**changes)  # type: ignore[arg-type]  # checked by the test
        store.write_manifest("mine", manifest.with_file(format, changed))


def test_a_recorded_file_is_not_looked_into(
    cache: ModelCache, format: str, scans: list[str], tiny_checkpoint: Path
) -> None:
    require_right(loader.load("mine", ModelCache()), tiny_checkpoint)
    assert scans == []


def test_loading_an_h5_does_without_hdf5(tiny_checkpoint: Path) -> None:
    ModelCache().import_file(tiny_checkpoint, "mine", ["h5"])
    code = """
import sys
from depthmap import ModelCache, load
assert load("mine", ModelCache()).source == "h5"
print("h5py" in sys.modules)
"""
    done = python(code)
    assert done.stdout.strip() == "False", done.stderr


def test_one_that_was_copied_is_hashed_and_keeps_its_layout(
    cache: ModelCache, format: str, scans: list[str], tiny_checkpoint: Path
) -> None:
    path = cache.cache_dir / f"midas_mine.{format}"
    os.utime(path, (1, 1))
    require_right(loader.load("mine", ModelCache()), tiny_checkpoint)
    assert cache.shelf.store.is_stamped("mine", format)
    assert scans == []


def test_one_that_was_put_into_the_cache_is_looked_into_once(
    cache: ModelCache, format: str, scans: list[str], tiny_checkpoint: Path
) -> None:
    with cache.shelf.store.lock("mine"):
        cache.shelf.store.forget("mine", format)
    loader.load("mine", ModelCache())
    scans.clear()
    require_right(loader.load("mine", ModelCache()), tiny_checkpoint)
    assert scans == []


def lie(dtype: str = '"float32"', shape: str = "[4]", offset: str = "0", strides: str = "null") -> str:
    """Return a layout of one tensor, as text."""
    return f'{{"a": [{dtype}, {shape}, {offset}, {strides}]}}'


LAYOUTS = {
    "nothing": "",
    "no JSON": "no JSON",
    "a list": "[]",
    "null": "null",
    "a number for a tensor": '{"a": 1}',
    "nesting without end": "[" * 100_000,
    "an offset outside the file": lie(offset=str(2**40)),
    "a negative offset": lie(offset="-400"),
    "an offset of 2**63": lie(offset=str(2**63)),
    "an offset that is no number": lie(offset="NaN"),
    "an offset of text": lie(offset='"4096"'),
    "a shape of exabytes": lie(shape=f"[{2**39}, {2**39}]"),
    "a negative shape": lie(shape="[-1, -100]"),
    "a shape of text": lie(shape='"100"'),
    "a shape within a shape": lie(shape="[[100]]"),
    "strides outside the file": lie(strides=f"[{2**39}]"),
    "strides of another rank": lie(strides="[1, 1]"),
    "a type that is none": lie(dtype='"object"'),
    "a type that is a list": lie(dtype='["float32"]'),
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_that_cannot_be_the_file_s_is_not_followed(
    cache: ModelCache, format: str, text: str, scans: list[str], tiny_checkpoint: Path
) -> None:
    record(cache, format, tensors=text)
    require_right(loader.load("mine", ModelCache()), tiny_checkpoint)
    assert scans == [format]


def test_the_layout_of_another_file_is_not_laid_over_the_one_in_place(
    cache: ModelCache, format: str, scans: list[str], tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer has written the .pkl, and not yet renamed the file, just when the one in place was found whole."""
    known = cache.shelf.store.record("mine", format)
    assert known
    exchanged = known.tensors.replace('"scratch.', '"')
    assert exchanged != known.tensors
    theirs = known._replace(
        digest=known.digest._replace(sha256="0" * 64), stamp=known.stamp._replace(inode=1), tensors=exchanged
    )
    whole = loader.whole

    def meanwhile(*args: Any, **options: Any) -> Path | None:
        path = whole(*args, **options)
        record(cache, format, **theirs._asdict())
        return path

    monkeypatch.setattr(loader, "whole", meanwhile)
    require_right(loader.load("mine", ModelCache()), tiny_checkpoint)
    assert scans == [format]


def test_a_pkl_with_one_flipped_bit_in_the_layout_is_not_believed(
    cache: ModelCache, format: str, tiny_checkpoint: Path
) -> None:
    path = cache.cache_dir / "midas_mine.pkl"
    raw = bytearray(path.read_bytes())
    digits = raw.index(b"float32") + len(b'float32",[')
    raw[digits] ^= 1
    path.write_bytes(raw)
    require_right(loader.load("mine", ModelCache()), tiny_checkpoint)
