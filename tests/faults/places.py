"""Where faults are injected: a mirror, a catalogue, caches in known states, and the directory that is broken."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from depthmap.formats import safetensors
from depthmap.formats.arrays import map_arrays
from depthmap.store import Manifest
from support import flip, sha256

from .forking import ForkServer, Outcome
from .shim import Orders

_COPIED = (".partial", ".locks", ".used")
"""What is written or touched in place; all else is replaced by rename, so that its template can share it."""


class Place:
    """A directory with a model "Small" that a file:// mirror serves, and another checkpoint, B.

    "Foreign" is the same network as Small's, as somebody else publishes it: it has to be converted.

    `reset` brings ``run`` into a known state: ``run/cache`` and an empty ``run/out``. What the shim watches is ``run``.
    """

    def __init__(self, root: Path, forks: ForkServer, checkpoint: Path) -> None:
        self.root, self.forks = root, forks
        self.run_root, self.kept, self.log = root / "run", root / "kept", root / "log"
        self.hub = root / "torch"
        self.cache, self.out = self.run_root / "cache", self.run_root / "out"
        self.mirror, self.catalog, self.templates = root / "mirror", root / "catalog.json", root / "templates"
        self.a, self.b = self.mirror / "v1" / "small.pt", root / "b.pt"
        self.foreign = self.mirror / "v1" / "foreign.safetensors"
        self.a.parent.mkdir(parents=True)
        self.templates.mkdir()
        shutil.copyfile(checkpoint, self.a)
        _write_other(checkpoint, self.b)
        write_foreign(checkpoint, self.foreign)
        self._write_catalog()
        self.fingerprints = {
            self.run("tensors_of", path=str(path)).done(): name
            for name, path in (("A", self.a), ("B", self.b))
        }
        self._sealed: dict[Path, str] = {}
        self.counted: dict[str, list[Event]] = {}

    def _write_catalog(self) -> None:
        entry: dict[str, Any] = {
            "name": "Small",
            "network": "depthmap_tiny",
            "path": "v1/small.pt",
            "hub_names": ["small-0.pt"],
            "bytes": self.a.stat().st_size,
            "sha256": sha256(self.a),
            "input_size": 256,
            "resize": "upper_bound",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        }
        foreign = {
            "name": "Foreign",
            "path": "v1/foreign.safetensors",
            "hub_names": [],
            "bytes": self.foreign.stat().st_size,
            "sha256": sha256(self.foreign),
        }
        self.catalog.write_text(json.dumps({"models": [entry, {**entry, **foreign}]}))

    def environment(self, mirror: str | None = None, catalog: Path | None = None) -> dict[str, str]:
        """Return the settings of a child; ``mirror`` is an HTTP server that is to be asked, or "": nobody is.

        With another ``catalog``, the servers are asked that it names.
        """
        if catalog:
            asking = {"DEPTHMAP_CATALOG": str(catalog), "DEPTHMAP_MIRRORS": "", "DEPTHMAP_OFFLINE": "0"}
            return self.environment() | asking
        return {
            "HOME": str(self.root / "home"),
            "TORCH_HOME": str(self.hub),
            "DEPTHMAP_CACHE_DIR": str(self.cache),
            "DEPTHMAP_CATALOG": str(self.catalog),
            "DEPTHMAP_MIRRORS": self.mirror.as_uri() if mirror is None else mirror,
            "DEPTHMAP_OFFLINE": "0" if mirror else "1",
            "DEPTHMAP_TIMEOUT": "10",
        }

    def run(
        self,
        operation: str,
        *,
        mirror: str | None = None,
        cache: Path | None = None,
        catalog: Path | None = None,
        **arguments: Any,
    ) -> Outcome:
        """Run an operation in a child; see `ForkServer.run`. ``cache`` is another cache directory."""
        environment = self.environment(mirror, catalog)
        if cache:
            environment["DEPTHMAP_CACHE_DIR"] = str(cache)
        return self.forks.run(operation, environment, **arguments)

    def orders(self, mode: str, n: int = 0, *, backup: bool = False, **more: Any) -> Orders:
        """Return orders for the shim that concern ``run``."""
        self.log.unlink(missing_ok=True)
        return Orders(
            str(self.run_root), mode, n, log=str(self.log), backup=str(self.kept) if backup else "", **more
        )

    # -- states -------------------------------------------------------------------------------------------

    def reset(self, state: str = "empty") -> None:
        """Bring ``run`` into one of `STATES`. Files are hard links to the template's, so that their stamps hold."""
        template = self.templates / state
        if not template.exists():
            self._make(state, template)
        self.clear()
        _clone(template, self.run_root)

    def clear(self) -> None:
        """Empty ``run``."""
        for path in (self.run_root, self.kept):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()

    def _make(self, state: str, template: Path) -> None:
        base, make = STATES[state]
        if base:
            self.reset(base)
        else:
            self.clear()
            self.out.mkdir()
        make(self)
        shutil.move(self.run_root, template)
        for path in template.rglob("*"):
            if path.is_file() and not set(path.relative_to(template).parts) & set(_COPIED):
                self._sealed[path] = sha256(path)

    def altered(self) -> list[str]:
        """Return the template's files that somebody wrote to in place: readers would have seen them change."""
        return [str(path) for path, digest in self._sealed.items() if sha256(path) != digest]


def _write_other(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint of the same network with other numbers."""
    import torch

    torch.save({name: tensor + 1 for name, tensor in torch.load(checkpoint).items()}, path)


def write_foreign(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint as others do who call the network ``model`` in a module of theirs."""
    tensors = {f"model.{name}": array for name, array in map_arrays(checkpoint).items()}
    safetensors.save(tensors, path)


def _clone(source: Path, target: Path) -> None:
    def copy(old: str, new: str) -> None:
        parts = Path(old).relative_to(source).parts
        (shutil.copy2 if set(parts) & set(_COPIED) else os.link)(old, new)

    shutil.copytree(source, target, copy_function=copy, dirs_exist_ok=True)


def _downloaded(*formats: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.run("download", name="small", formats=list(formats) or None).done()

    return make


def _half_downloaded(place: Place) -> None:
    place.run("download", name="small", orders=place.orders("count")).done()
    writes = [
        event.number for event in events(place.log) if event.operation == "write" and ".pt." in event.path
    ]
    place.clear()
    place.out.mkdir()
    middle = writes[: place.a.stat().st_size >> 20]  # those of the download, a MiB each
    outcome = place.run("download", name="small", orders=place.orders("kill", middle[len(middle) // 2]))
    assert outcome.end == "killed", outcome.told()


def _flipped(format: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        path = place.cache / f"midas_small.{format}"
        copy = path.read_bytes()
        path.unlink()  # it is a link to the template's
        path.write_bytes(copy)
        flip(path, 700_000)

    return make


def _imported(which: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        source = {"A": place.a, "B": place.b}[which]
        place.run("import_file", source=str(source), name="mine").done()
        place.run("load", name="mine").done()
        if (place.cache / "midas_small.pt").exists():  # the other one is the older, and goes first
            place.run("load", name="small").done()
            for age, slug in enumerate(("small", "mine")):
                os.utime(place.cache / ".used" / slug, (1000 + age, 1000 + age))

    return make


def _littered(place: Place) -> None:
    _flipped("h5")(place)
    root = place.cache
    shutil.copyfile(root / "midas_small.pt", root / "MIDAS_SMALL.PT")
    known = Manifest.load(root / "midas_small.pkl")
    (root / "midas_orphan.pkl").write_bytes(replace(known, spec=known.spec.renamed("orphan")).dumps())
    (root / ".partial" / "midas_small.pt.99-ab").write_bytes(b"half")
    (root / "notes.txt").write_text("mine")


STATES: Mapping[str, tuple[str, Callable[[Place], None]]] = {
    "empty": ("", lambda place: None),
    "cached": ("", _downloaded()),
    "pt only": ("", _downloaded("pt")),
    "h5 only": ("", _downloaded("h5")),
    "half": ("", _half_downloaded),
    "imported": ("", _imported("A")),
    "two": ("cached", _imported("B")),
    "damaged pt": ("cached", _flipped("pt")),
    "damaged h5": ("cached", _flipped("h5")),
    "littered": ("cached", _littered),
}
"""{state: (the state it is made from, how)}."""


class Event:
    """One line of the shim's log."""

    def __init__(self, line: str) -> None:
        number, self.operation, self.path, self.other, self.kept, offset, length = line.split("\t")
        self.number, self.offset, self.length = int(number), int(offset), int(length)


def events(log: Path) -> list[Event]:
    """Read the shim's log."""
    with log.open(encoding="utf-8", errors="surrogateescape") as file:
        return [Event(line) for line in file]
