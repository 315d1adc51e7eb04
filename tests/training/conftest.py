from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

# training/ is no part of the package: it is found from the root of the repository. This folder has no __init__.py,
# or it would be taken for it.
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from scenes import scene  # noqa: E402  # found by the line above


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sources of three and five pairs."""
    for source, number in (("hall", 3), ("street", 5)):
        for part in ("rgb", "inverse_depth"):
            (tmp_path / source / part).mkdir(parents=True)
        for i in range(number):
            picture, depth = scene(i)
            depth[0, :4] = 0
            Image.fromarray(picture).save(tmp_path / source / "rgb" / f"{i:05}.jpg", quality=95)
            Image.fromarray(depth).save(tmp_path / source / "inverse_depth" / f"{i:05}.png")
    (tmp_path / "notes").mkdir()
    return tmp_path
