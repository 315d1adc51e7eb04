"""A small published model, and checkpoints that differ from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthmap.catalog import EMBEDDED
from support import arrays_of, save_checkpoint, sha256

Variant = Callable[[str], Path]


def small(checkpoint: Path, **more: Any) -> dict[str, Any]:
    """Return the catalogue's entry of a checkpoint that is published as Small, at ``v1/small.pt``."""
    published = {"bytes": checkpoint.stat().st_size, "sha256": sha256(checkpoint), "path": "v1/small.pt"}
    return {**EMBEDDED.to_dict(), "embedded": "", "hub_names": [], "name": "Small", **published, **more}


@pytest.fixture(scope="session")
def variant(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Variant:
    """Give a checkpoint by a name, with numbers of its own; read only. In half precision, all are of one small size."""
    made: dict[str, Path] = {}
    root = tmp_path_factory.mktemp("variants")
    original = arrays_of(tiny_checkpoint)

    def get(name: str) -> Path:
        if name not in made:
            made[name] = root / f"{name}.pt"
            shift = len(made)
            floats = {key for key, values in original.items() if values.dtype == np.float32}
            save_checkpoint(
                {key: (t + shift).astype(np.float16) if key in floats else t for key, t in original.items()},
                made[name],
            )
        return made[name]

    return get


@pytest.fixture
def published(tmp_path: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file:// mirror that has Small; it is the checkpoint's path."""
    path = tmp_path / "mirror" / "v1" / "small.pt"
    path.parent.mkdir(parents=True)
    path.symlink_to(variant("small"))
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [small(path)]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(tmp_path / "catalog.json"))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", (tmp_path / "mirror").as_uri())
    return path
