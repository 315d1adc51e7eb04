"""The ``.pkl`` that was read last, kept for as long as it stays as it is: a load asks for it several times."""

from __future__ import annotations

import time
from pathlib import Path

from .manifest import Manifest, Stamp

_SETTLED = 2.0
"""Seconds after which a change of a file shows in its times, however coarse the system's are."""


class LastRead:
    """Reads manifests, each once as long as no other is asked for."""

    def __init__(self) -> None:
        self._kept: tuple[Path, Stamp, Manifest] | None = None

    def read(self, path: Path) -> Manifest:
        """Return the manifest in a ``.pkl``; see `Manifest.load` for what is raised."""
        stamp = Stamp.of(path)
        if self._kept and self._kept[:2] == (path, stamp):
            return self._kept[2]
        manifest = Manifest.load(path)
        settled = time.time() - stamp.ctime_ns / 1e9 > _SETTLED
        self._kept = (path, stamp, manifest) if settled and Stamp.of(path) == stamp else None
        return manifest
