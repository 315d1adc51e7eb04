"""``depthmap doctor``: every check is a function that says what it found, or raises."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import DepthmapError
from .output import WIDTH, seconds_text, size_text
from .session import FAILED, Session, with_session

if TYPE_CHECKING:
    from ..cache import ModelCache

_PACKAGES = ("numpy", "pillow", "h5py", "httpx", "filelock", "click", "rich", "fastapi", "uvicorn")
_LITTLE_SPACE = 3e9  # DPT_Large in both formats


@dataclass(frozen=True)
class Finding:
    """What one check found; ``status`` is "ok", "note" or "broken"."""

    check: str
    status: str
    said: str
    remedy: str = ""


Check = Callable[["ModelCache"], Finding]


@click.command()
@click.option("--no-predict", is_flag=True, help="Load the models, but do not predict.")
@with_session
def doctor(session: Session, no_predict: bool) -> int:
    """Check that everything works.

    It looks at the versions, the cache and the disk. It loads each cached model
    and the embedded one, shows from which format and how fast, and predicts
    once with each.
    """
    cache = session.working_cache()
    findings = []
    for finding in _findings(cache, predicts=not no_predict):
        findings.append(finding)
        if not session.json:
            for line in _lines(finding):
                session.line(line, WIDTH)
    broken = [finding for finding in findings if finding.status == "broken"]
    if session.json:
        session.result({"ok": not broken, "checks": [asdict(finding) for finding in findings]})
    session.say(f"{len(broken)} of {len(findings)} checks failed." if broken else "Everything works.")
    return FAILED if broken else 0


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.status:6}  {finding.check}: {finding.said}"
    if finding.remedy:
        yield f"        {finding.remedy}"


def _findings(cache: ModelCache, *, predicts: bool) -> Iterator[Finding]:
    for check in (_versions, _cache_directory, _space, _engines):
        yield _guarded(check.__name__.strip("_").replace("_", " "), check, cache)
    names = [row["name"] for row in cache.models() if row["status"] in ("cached", "embedded")]
    for name in names:
        yield _guarded(name, lambda cache, name=name: _model(cache, name, predicts=predicts), cache)  # type: ignore[misc]  # the default binds the loop's variable


def _guarded(name: str, check: Check, cache: ModelCache) -> Finding:
    try:
        return check(cache)
    except DepthmapError as error:
        where = f" ({error.where})" if error.where else ""
        return Finding(
            name, "broken", f"{error.title + ': ' if error.title else ''}{error.what}{where}", error.remedy
        )
    except Exception as error:  # whatever breaks is what the doctor is for
        return Finding(name, "broken", f"{type(error).__name__}: {error}", "Install depthmap again.")


def _versions(cache: ModelCache) -> Finding:
    from importlib.metadata import version

    from .. import __version__

    packages = (*_PACKAGES, *_engine_names())
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "versions",
        "ok",
        f"depthmap {__version__}, Python {python}, " + ", ".join(f"{p} {version(p)}" for p in packages),
    )


def _engine_names() -> list[str]:
    """Return the engines that are installed, torch too."""
    from ..engines import TORCH, TORCH_EXTRA, installed

    return [*(engine.name for engine in installed()), *([TORCH] if TORCH_EXTRA.is_installed() else [])]


def _engines(cache: ModelCache) -> Finding:
    """Let each engine predict what torch has predicted, on the embedded model."""
    from ..engines import installed
    from ..engines.parity import require_sound

    found = [f"{engine.name} (error {require_sound(engine):.0e})" for engine in installed()]
    return Finding("engines", "ok", f"as exact as torch: {', '.join(found)}")


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _cache_directory(cache: ModelCache) -> Finding:
    place = _existing(cache.cache_dir)
    remedy = (
        "Check its owner and permissions, or choose another place with --cache-dir or DEPTHMAP_CACHE_DIR."
    )
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding("cache", "broken", f"Cache directory not writable ({place})", remedy)
    made = "writable" if place == cache.cache_dir else "not created yet"
    return Finding("cache", "ok", f"{cache.cache_dir} ({made})")


def _space(cache: ModelCache) -> Finding:
    import shutil

    free = shutil.disk_usage(_existing(cache.cache_dir)).free
    if free < _LITTLE_SPACE:
        remedy = "DPT_Large in both formats needs 3 GB. To use another disk, set DEPTHMAP_CACHE_DIR."
        return Finding("disk", "note", f"only {size_text(free)} free", remedy)
    return Finding("disk", "ok", f"{size_text(free)} free")


def _model(cache: ModelCache, name: str, *, predicts: bool) -> Finding:
    """Load a model as users do, then from its other files; predict once."""
    import numpy as np

    from . import trials

    trial = trials.load(cache, name)
    estimator = trial.estimator
    said = [
        f"{estimator.source} in {seconds_text(trial.load_seconds)}",
        *_other_files(cache, name, estimator.source),
    ]
    if predicts:
        depth, seconds = trial.first(trials.picture(256, 192))
        if depth.shape != (192, 256) or not np.isfinite(depth).all():
            return Finding(
                name,
                "broken",
                "its depth map has values that are not numbers",
                f"Run 'depthmap models verify --model {name}'.",
            )
        said.append(f"predicts in {seconds_text(seconds)} by {estimator.engine} on {estimator.device}")
    return Finding(name, "ok", ", ".join(said))


def _other_files(cache: ModelCache, name: str, loaded: str) -> Iterator[str]:
    from .. import formats
    from ..checkpoints import require_fit
    from ..formats.arrays import map_arrays

    spec = cache.spec(name)
    for format, path in cache.shelf.cached(spec.slug).items():
        if format in formats.FORMATS and format != loaded:
            start = time.perf_counter()
            found = {key: (array.dtype, array.shape) for key, array in map_arrays(path).items()}
            require_fit(spec.network, found)
            yield f"{format} in {seconds_text(time.perf_counter() - start)}"
