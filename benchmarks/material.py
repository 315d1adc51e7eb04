"""The files that are measured: stand-ins of the published checkpoints, in all the forms in which they are loaded.

    python -m benchmarks.material FOLDER MODEL

makes those of a model. What is there, and was made by the same versions, is used again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depthmap.catalog import CATALOG

from . import machine
from .environment import Environment

EMBEDDED = "Depthmap_Tiny"
LARGE = "DPT_Large"
_PHOTO = machine.ROOT / "examples" / "china.jpg"
_SIDE = 400
_COPIES = 6
"""Of a checkpoint that are on the disk when a model's files are made."""


@dataclass(frozen=True)
class Material:
    """The files of one model: a folder of its own, with catalogue and cache."""

    folder: Path
    model: str

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def h5_cache(self) -> Path:
        """A cache that has the ``.h5`` only."""
        return self.folder / "h5"

    @property
    def pt_cache(self) -> Path:
        """A cache that has the ``.pt`` only."""
        return self.folder / "pt"

    @property
    def safetensors(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def transformers(self) -> Path:
        """A folder as `save_pretrained` makes it."""
        return self.folder / "transformers"

    @property
    def network(self) -> str:
        return CATALOG[self.model.lower()].network

    @property
    def side(self) -> int:
        """Height and width of the network's input for a square picture."""
        return CATALOG[self.model.lower()].input_size

    @property
    def published(self) -> Path:
        """The checkpoint; in the cache it is byte for byte as published."""
        return self.cached("pt") if self.model != EMBEDDED else embedded_weights()

    @property
    def weights(self) -> tuple[Path, ...]:
        """All large files that are there."""
        found = (self.published, self.cached("h5"), self.safetensors, self.transformers / "model.safetensors")
        return tuple(path for path in found if path.exists())

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment in order to find the cache."""
        return {"DEPTHMAP_CACHE_DIR": str(self.cache), "DEPTHMAP_OFFLINE": "1"} | (
            {"DEPTHMAP_CATALOG": str(self.folder / "catalog.json")} if self.model != EMBEDDED else {}
        )

    def cached(self, format: str) -> Path:
        """Return the path of a file of the cache."""
        return self.cache / f"midas_{self.model.lower()}.{format}"


def embedded_weights() -> Path:
    """Return the weights that ship in the package."""
    from depthmap import embedded

    return Path(embedded.__file__).with_name("depthmap_tiny.pt")


def ready(folder: Path, model: str, peers: Environment) -> Material:
    """Make what is not there yet of a model's files, in processes of their own; return them."""
    made = Material(folder / model, model)
    made.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.material", str(made.folder), model]
    subprocess.run(command, cwd=machine.ROOT, check=True, stdout=sys.stderr)
    if model == LARGE and peers.has("transformers") and not (made.transformers / "config.json").exists():
        script = Path(__file__).parent / "scripts" / "save_transformers.py"
        subprocess.run([peers.python, str(script), str(made.transformers)], check=True, stdout=sys.stderr)
    return made


def photo(folder: Path) -> Path:
    """Make a square picture, so that every way gives its network the same size; return its path."""
    from PIL import Image

    path = folder / "photo.jpg"
    with Image.open(_PHOTO) as opened:
        opened.crop((0, 0, _SIDE, _SIDE)).save(path, quality=92)
    return path


def main(folder: Path, model: str) -> None:
    """Carry out the steps that have not been, or were with other versions."""
    made = Material(folder, model)
    marks_path = folder / "made.json"
    marks = json.loads(marks_path.read_text()) if marks_path.exists() else {}
    for name, (version, step) in _steps(made).items():
        if marks.get(name) != version:
            step()
            marks[name] = version
            marks_path.write_text(json.dumps(marks))


def _steps(made: Material) -> dict[str, tuple[str, Callable[[], None]]]:
    """Return each step, and what it depends on."""
    if made.model == EMBEDDED:
        return {"cache": ("1", lambda: made.cache.mkdir(exist_ok=True))}
    return {
        "cache": ("1", lambda: _fill(made)),
        "split": ("1", lambda: _split(made)),
        "engines": (_engines(), lambda: _compile(made)),
        "save": ("1", lambda: _save(made)),
    }


def _fill(made: Material) -> None:
    """Make the cache with both formats. The published file is the cache's ``.pt``, so it need not stay."""
    from .common import need_room, prepare

    shutil.rmtree(made.cache, ignore_errors=True)
    need_room(made.folder, made.model, _COPIES)
    prepare(made.folder, made.model).unlink()


def _split(made: Material) -> None:
    """Make the caches that have one format only, by hard links.

    These change the files' status, so each would be verified at its next load; that is done here.
    """
    from depthmap.cache import ModelCache

    caches = {"h5": made.h5_cache, "pt": made.pt_cache}
    for format, cache in caches.items():
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir()
        os.link(made.cached(format), cache / made.cached(format).name)
        shutil.copy(made.cached("pkl"), cache)
    os.environ.update(made.environment)
    for cache in (made.cache, *caches.values()):
        ModelCache(cache).verify(made.model)


def _compile(made: Material) -> None:
    from depthmap.cache import ModelCache

    os.environ.update(made.environment)
    ModelCache().compile(made.model)


def _engines() -> str:
    """Return a digest of what an artefact depends on."""
    from depthmap.cache import compiling
    from depthmap.engines import artefact, installed, parity
    from depthmap.store import names

    sources = [Path(module.__file__ or "") for module in (artefact, compiling, names, parity)]
    parts = b"".join(path.read_bytes() for path in [*sources, *sorted(artefact.GRAPHS.glob("*.onnx"))])
    versions = str(machine.versions(engine.name for engine in installed()))
    return hashlib.sha256(parts + versions.encode()).hexdigest()


def _save(made: Material) -> None:
    from depthmap import formats

    formats.get("safetensors").save(formats.load(made.published), made.safetensors)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
