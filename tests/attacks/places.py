"""What is named like a model and is no model, or no file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from .table import H5_DOORS, PLACE_DOORS, PT_DOORS, Maker, add

_PAGE = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not found.</body></html>\n"


def _page(path: Path, trace: Path) -> None:
    path.write_bytes(_PAGE * 100)


def _nothing(path: Path, trace: Path) -> None:
    path.write_bytes(b"")


def _one_byte(path: Path, trace: Path) -> None:
    path.write_bytes(b"P")


def _zeros(path: Path, trace: Path) -> None:
    path.write_bytes(bytes(100_000))


def _terabyte(path: Path, trace: Path) -> None:
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(1 << 32)


def _directory(path: Path, trace: Path) -> None:
    path.mkdir()
    (path / "data.pkl").write_bytes(b"kept")


def _fifo(path: Path, trace: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path, trace: Path) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path, trace: Path) -> None:
    path.symlink_to("/dev/tty")


def _circle(path: Path, trace: Path) -> None:
    path.with_suffix(".a").symlink_to(path)
    path.symlink_to(path.with_suffix(".a"))


def _itself(path: Path, trace: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path, trace: Path) -> None:
    path.symlink_to(path.with_suffix(".gone"))


def _process(path: Path, trace: Path) -> None:
    path.symlink_to("/proc/self/mem")


def _socket(path: Path, trace: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the names of sockets may be no longer than 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


_FILES: dict[str, Maker] = {
    "a page of HTML": _page, "nothing": _nothing, "one byte": _one_byte, "zeros": _zeros,
}  # fmt: skip
_PLACES: dict[str, Maker] = {
    "a directory": _directory, "a FIFO": _fifo, "a link to what never ends": _endless,
    "a link to a terminal": _terminal, "links in a circle": _circle, "a link to itself": _itself,
    "a link to nothing": _dangling, "a link to a process' memory": _process, "a socket": _socket,
}  # fmt: skip

for _suffix, _doors in ((".pt", PT_DOORS), (".h5", H5_DOORS)):
    for _name, _make in _FILES.items():
        _all = (*_doors, "adopted") if _suffix == ".pt" else _doors
        add(f"{_name} named {_suffix}", "No model at all.", _suffix, _make, _all)
    add(f"four empty gigabytes named {_suffix}", "A sparse file.", _suffix, _terabyte, ("load", "import"))
    for _name, _make in _PLACES.items():
        doors = tuple(door for door in PLACE_DOORS if door in _doors)
        add(
            f"{_name} named {_suffix}",
            "No file at all: to open or read it may never end.",
            _suffix,
            _make,
            doors,
        )
for _name, _make in {**_FILES, **_PLACES, "four empty gigabytes": _terabyte}.items():
    add(
        f"{_name} named .pkl",
        "In the place of a model's description.",
        ".pkl",
        _make,
        ("metadata", "manifest"),
    )
