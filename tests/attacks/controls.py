"""What does lose something: each of these must be seen, or the attacks prove nothing."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import h5py

from .opcodes import call, uni, whole
from .pickles import a_key_nested_without_end


def _runs_code(root: Path) -> None:
    pickle.loads(whole(call("builtins.open", uni(str(root / "code-was-run")), uni("w"))))


def _takes_memory(root: Path) -> None:
    bytearray(4 << 30)


def _takes_memory_by_a_memo(root: Path) -> None:
    pickle.loads(whole(b"}r\xff\xff\xff\x7f"))


def _never_ends(root: Path) -> None:
    time.sleep(600)


def _waits_for_a_fifo(root: Path) -> None:
    os.mkfifo(root / "fifo")
    h5py.File(root / "fifo")


def _dies(root: Path) -> None:
    pickle.loads(whole(a_key_nested_without_end("")))


def _fills_the_disk(root: Path) -> None:
    with (root / "file").open("wb") as file:
        for _ in range(64):
            file.write(bytes(16 << 20))


def _raises_what_is_not_ours(root: Path) -> None:
    raise ValueError("x")


CONTROLS: dict[str, Callable[[Path], None]] = {
    "runs code": _runs_code, "takes memory": _takes_memory, "takes memory by a memo": _takes_memory_by_a_memo,
    "never ends": _never_ends, "waits for a FIFO": _waits_for_a_fifo, "dies": _dies,
    "fills the disk": _fills_the_disk, "raises what is not ours": _raises_what_is_not_ours,
}  # fmt: skip
ENDLESS = ("never ends", "waits for a FIFO")
