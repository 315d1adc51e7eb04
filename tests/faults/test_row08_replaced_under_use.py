"""One process predicts while another deletes, evicts, repairs and replaces its model: nothing changes for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from depthmap import formats
from depthmap.cache import ModelCache
from depthmap.errors import DepthmapError
from support import flip

from .ledger import Ledger

# Predicts again and again with one network, and loads a fresh one whenever there is one to load. Says the digest of
# each output; "none" where no model was there to be loaded at that moment.
PREDICTS = """
import hashlib, sys
import torch
from depthmap import loader
from depthmap.cache import ModelCache
from depthmap.errors import DepthmapError

torch.set_num_threads(1)
picture = torch.linspace(0, 1, 3 * 64 * 64).view(1, 3, 64, 64)

def output(network):
    with torch.inference_mode():
        return hashlib.sha256(network(picture).numpy().tobytes()).hexdigest()[:16]

kept = loader.load("mine", ModelCache()).network
print(output(kept), flush=True)
for line in sys.stdin:
    try:
        fresh = output(loader.load("mine", ModelCache()).network)
    except DepthmapError as error:
        fresh = "none"
        print(repr(error), file=sys.stderr)
    print(output(kept), fresh, flush=True)
"""


def checkpoint_of_other_numbers(source: Path, target: Path) -> Path:
    import torch

    torch.save({name: tensor + 1 for name, tensor in formats.load(source).items()}, target)
    return target


@pytest.fixture
def cache(tiny_checkpoint: Path) -> ModelCache:
    found = ModelCache()
    found.import_file(tiny_checkpoint, "mine")
    return found


Change = Callable[[ModelCache, Path, Path], object]


def _delete(cache: ModelCache, a: Path, b: Path) -> None:
    cache.delete("mine")


def _evict(cache: ModelCache, a: Path, b: Path) -> None:
    cache.evict(0)  # what was replaced since it was loaded is no longer this file, which may go


def _repair(cache: ModelCache, a: Path, b: Path) -> None:
    copy = cache.cache_dir / "midas_mine.h5"
    fresh = copy.with_suffix(".copy")
    shutil.copyfile(copy, fresh)
    flip(fresh, 700_000)  # of a new inode: what is mapped stays as it is, as after bit-rot on the disk
    os.replace(fresh, copy)
    assert {entry["action"] for entry in cache.repair("mine")} <= {"whole", "mended", "rewritten"}


def _replace(cache: ModelCache, a: Path, b: Path) -> None:
    cache.import_file(b, "mine", replace=True)


def _put_back(cache: ModelCache, a: Path, b: Path) -> None:
    cache.import_file(a, "mine", replace=True)


CHANGES: list[Change] = [_replace, _put_back, _repair, _evict, _put_back, _delete, _put_back]


@pytest.mark.slow
def test_what_is_loaded_stays_as_it_was_through_a_hundred_changes(
    cache: ModelCache, tiny_checkpoint: Path, tmp_path: Path, ledger: Ledger, full: bool
) -> None:
    other = checkpoint_of_other_numbers(tiny_checkpoint, tmp_path / "b.pt")
    process = subprocess.Popen(
        [sys.executable, "-c", PREDICTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    with process:
        first = process.stdout.readline().strip()
        seen = {first, "none"}
        assert cache.evict(0) == [], "a model in use was evicted"
        for number in range(105 if full else 14):
            change = CHANGES[number % len(CHANGES)]
            with ledger.injection(8, f"{number}: {change.__name__}"):
                change(cache, tiny_checkpoint, other)
                process.stdin.write("\n")
                process.stdin.flush()
                kept, fresh = process.stdout.readline().split()
                assert kept == first, "the output changed"
                if change is _replace:
                    seen.add(fresh)
                    assert fresh not in (first, "none")
                if change in (_repair, _put_back):
                    assert fresh == first
                if change in (_evict, _delete):
                    assert fresh == "none"
                assert fresh in seen
                assert len(seen) <= 3, f"outputs of neither checkpoint: {seen}"
        process.stdin.close()
        with ledger.injection(8, "the process ended well"):
            assert process.wait(60) == 0


@pytest.mark.slow
def test_loads_during_changes_give_one_model_or_the_other(
    cache: ModelCache, tiny_checkpoint: Path, tmp_path: Path, ledger: Ledger, full: bool
) -> None:
    """No pause between the change and the load: the loads fall anywhere in the changes."""
    other = checkpoint_of_other_numbers(tiny_checkpoint, tmp_path / "b.pt")
    loads = 100 if full else 15
    code = PREDICTS.replace("in sys.stdin", f"in range({loads})")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process:
        first = process.stdout.readline().strip()
        number = 0
        while process.poll() is None:
            change = (_replace, _put_back, _repair)[number % 3]
            number += 1
            with ledger.injection(8, f"unpaused {number}: {change.__name__}"):
                change(cache, tiny_checkpoint, other)
        lines = [line.split() for line in process.stdout.read().splitlines()]
        with ledger.injection(8, f"{len(lines)} loads during {number} changes"):
            assert process.wait(60) == 0
            assert {kept for kept, _ in lines} == {first}
            assert len({fresh for _, fresh in lines} | {first}) <= 2, {fresh for _, fresh in lines}


def test_a_model_in_use_is_not_evicted_and_goes_when_it_is_let_go(cache: ModelCache, ledger: Ledger) -> None:
    from depthmap import loader

    with ledger.injection(8, "evict while loaded here"):
        network = loader.load("mine", ModelCache()).network
        assert cache.evict(0) == []
        assert cache.usage()["in_use"] == ["mine"]
        del network
        assert cache.evict(0) == ["mine"]


def test_a_model_that_another_process_deletes_can_be_used_on(cache: ModelCache, ledger: Ledger) -> None:
    import torch

    from depthmap import loader

    with ledger.injection(8, "clear while loaded here"):
        network = loader.load("mine", ModelCache()).network
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        done = subprocess.run(
            [sys.executable, "-m", "depthmap", "models", "clear", "--confirm"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
        with pytest.raises(DepthmapError):
            loader.load("mine", ModelCache())
