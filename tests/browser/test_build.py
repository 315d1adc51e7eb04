"""What is committed is what the sources give."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from depthmap.web.page import STATIC

FRONTEND = Path(__file__).parents[2] / "frontend"
NODE = FRONTEND / "node_modules"


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.skipif(
    not (shutil.which("npm") and NODE.is_dir()) and not os.environ.get("CI"),
    reason="needs Node, and `make frontend` once",
)
def test_building_the_page_anew_gives_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    work = tmp_path / "frontend"
    shutil.copytree(FRONTEND, work, ignore=shutil.ignore_patterns("node_modules"))
    (work / "node_modules").symlink_to(NODE)
    done = subprocess.run(
        ["npm", "run", "build", "--", "--outDir", str(tmp_path / "static")],
        cwd=work, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert _files(tmp_path / "static") == _files(STATIC), "run `make frontend` and commit what it writes"
