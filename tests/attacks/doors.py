"""The ways by which a file comes in. Each ends with tensors that lie within the file, or with one of our errors."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from depthmap import ModelCache, formats, loader
from depthmap import embedded as package
from depthmap.catalog import EMBEDDED
from depthmap.errors import DepthmapError
from depthmap.formats import metadata
from depthmap.store import FileRecord, Manifest, Stamp, digest_file

from .table import Attack

T = TypeVar("T")
EMBEDDED_FILE = Path(package.__file__).parent / EMBEDDED.embedded
TRACE = "code-was-run"
LARGEST_FILE = 256 << 20
"""Bytes that a case may write to one file."""
_STRANGERS = ("notes.txt", "midas_hostile.onnx", "midas_Hostile.txt", "midas_.pt", "hostile.pt")
"""Files in the cache that are not ours, and must stay whatever happens."""


@dataclass
class Site:
    """Where one attack goes through one door: everything is below ``root``."""

    root: Path
    attack: Attack

    @property
    def trace(self) -> Path:
        """The file that is there when code was run."""
        return self.root / TRACE

    def made(self, path: Path) -> Path:
        """Make the hostile file and return its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (hard, hard)
        )  # sparse files are larger than what may be written
        self.attack.make(path, self.trace)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, hard))
        return path

    def cache(self) -> ModelCache:
        """Return a cache with strangers in it, and with no way to the network."""
        os.environ.update(DEPTHMAP_OFFLINE="1", HOME=str(self.root), TORCH_HOME=str(self.root / "torch"))
        directory = self.root / "cache"
        (directory / "midas_folder.pt").mkdir(parents=True)
        (directory / "midas_folder.pt" / "kept").touch()
        for name in _STRANGERS:
            (directory / name).write_text("kept")
        return ModelCache(directory)

    def placed(self) -> Path:
        """Make the hostile file in the cache and return its path."""
        return self.made(self.root / "cache" / f"midas_hostile{self.attack.suffix}")

    def publish(self, path: Path, **more: Any) -> None:
        """Write a catalogue that publishes a file as the model "Hostile"."""
        entry = {**EMBEDDED.to_dict(), "name": "Hostile", "embedded": "", "path": "hostile.pt", **more}
        size = path.stat().st_size if path.is_file() else 1000
        digest = digest_file(path).sha256 if path.is_file() else "0" * 64
        catalog = self.root / "catalog.json"
        catalog.write_text(json.dumps({"models": [{**entry, "bytes": size, "sha256": digest}]}))
        os.environ["DEPTHMAP_CATALOG"] = str(catalog)


def attempt(action: Callable[..., T], *arguments: Any, **named: Any) -> T | None:
    """Return what an action gives, or None when it ends with one of our errors, which must be readable."""
    try:
        return action(*arguments, **named)
    except DepthmapError as error:
        text = str(error)
        assert len(text) < 4000, f"a message of {len(text)} characters"
        assert "\x1b" not in text, "a message that writes to the terminal"
        return None


def _require_inside(tensors: Any, path: Path) -> None:
    """Read every element, and check that all of them together are no more than the file could hold."""
    total = sum(tensor.contiguous().numel() * tensor.element_size() for tensor in (tensors or {}).values())
    assert total <= max(16 * path.stat().st_size, 64 << 20) if tensors else True, f"{total} bytes of tensors"
    for tensor in (tensors or {}).values():
        tensor.sum()


def _require_usable(cache: ModelCache) -> None:
    """Check that the cache still does all it should, and that strangers stayed."""
    for action in (cache.models, cache.info, cache.stats, cache.verify):
        action()
    cache.optimize(dry_run=True)
    cache.is_cached("hostile")
    attempt(cache.detail, "hostile")
    cache.evict(0, dry_run=True)
    cache.optimize()
    attempt(cache.repair, "hostile")
    attempt(cache.delete, "hostile")
    for name in _STRANGERS:
        assert (cache.cache_dir / name).read_text() == "kept", f"{name} was touched"
    assert (cache.cache_dir / "midas_folder.pt" / "kept").is_file(), "a folder was touched"


def load(site: Site) -> None:
    """`formats.scan` and `formats.load`, by what the file begins with and by its name."""
    path = site.made(site.root / f"file{site.attack.suffix}")
    with suppress(FileNotFoundError):  # what is not there is for the callers to find
        attempt(formats.scan, path)
        _require_inside(attempt(formats.load, path), path)
        name = site.attack.suffix.lstrip(".")
        _require_inside(attempt(formats.get(name).load, path), path)


def import_(site: Site) -> None:
    """`ModelCache.import_file`."""
    path, cache = site.made(site.root / f"file{site.attack.suffix}"), site.cache()
    attempt(cache.import_file, path, "hostile")
    attempt(loader.load, "hostile", cache)
    assert os.path.lexists(path), "the file that was imported is gone"
    _require_usable(cache)


def cached(site: Site) -> None:
    """Somebody put it into the cache."""
    cache = site.cache()
    site.placed()
    attempt(cache.spec, "hostile")
    attempt(cache.export, "hostile", site.root / "out.safetensors")
    attempt(loader.load, "hostile", cache)
    _require_usable(cache)


def vouched(site: Site) -> None:
    """Somebody put it into the cache, and a record that vouches for it."""
    cache = site.cache()
    path = site.placed()
    record = FileRecord(digest_file(path), Stamp.of(path))
    manifest = Manifest(EMBEDDED.renamed("hostile"), {"how": "imported"}, {site.attack.suffix[1:]: record})
    (cache.cache_dir / "midas_hostile.pkl").write_bytes(manifest.dumps())
    attempt(loader.load, "hostile", cache)
    attempt(cache.export, "hostile", site.root / "out.safetensors")
    _require_usable(cache)


def published(site: Site) -> None:
    """It is in the cache, and the catalogue's digest is its own."""
    cache = site.cache()
    site.publish(site.placed())
    cache = ModelCache(cache.cache_dir)
    attempt(loader.load, "Hostile", cache)
    attempt(cache.export, "Hostile", site.root / "out.safetensors")
    attempt(cache.download, "Hostile")
    _require_usable(cache)


def adopted(site: Site) -> None:
    """torch.hub has it, under the published digest."""
    path = site.made(site.root / "torch" / "hub" / "checkpoints" / "hostile.pt")
    site.publish(path, hub_names=["hostile.pt"])
    cache = site.cache()  # after the catalogue, which it reads
    attempt(cache.adopt, "Hostile")
    attempt(loader.load, "Hostile", cache)
    assert os.path.lexists(path), "torch.hub's file is gone"
    _require_usable(cache)


def metadata_(site: Site) -> None:
    """`metadata.load`, and `Manifest.load` outside of any cache."""
    path = site.made(site.root / "file.pkl")
    with suppress(FileNotFoundError):  # as above
        attempt(metadata.load, path)
        attempt(Manifest.load, path)
        attempt(formats.load, path)


def manifest(site: Site) -> None:
    """It describes a model in the cache, whose tensors are whole."""
    cache = site.cache()
    model = cache.cache_dir / "midas_hostile.pt"
    shutil.copyfile(EMBEDDED_FILE, model)
    site.placed()
    attempt(cache.spec, "hostile")
    attempt(loader.load, "hostile", cache)
    attempt(cache.pin, "hostile")
    attempt(cache.export, "hostile", site.root / "out.pkl")
    cache.optimize(dry_run=True)
    where = [model, *(cache.cache_dir / ".damaged").glob("*")]
    whole = digest_file(EMBEDDED_FILE)
    assert any(path.is_file() and digest_file(path) == whole for path in where), "a whole model is gone"
    _require_usable(cache)


DOORS: dict[str, Callable[[Site], None]] = {
    "load": load, "import": import_, "cached": cached, "vouched": vouched, "published": published,
    "adopted": adopted, "metadata": metadata_, "manifest": manifest,
}  # fmt: skip
