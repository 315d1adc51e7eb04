"""Every example in the README and in docs/ works as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support import PHOTO, sha256

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEED_AN_EXTRA = ("engines.md",)
"""Pages whose examples need more than the core; those of the others work without torch."""
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A mirror that serves small models, its catalogue, and a cache with one of them, downloaded. Read only."""
    root = tmp_path_factory.mktemp("stocked")
    mirror = root / "mirror"
    mirror.mkdir()
    entries = []
    for name in ("DPT_Large", "DPT_Hybrid", "MiDaS", "MiDaS_small", "DepthAnythingV2_Small"):
        shutil.copy(tiny_checkpoint, mirror / f"{name}.pt")
        entry = {"name": name, "network": "depthmap_tiny", "path": f"{name}.pt"}
        entries.append({**entry, "bytes": tiny_checkpoint.stat().st_size, "sha256": sha256(tiny_checkpoint)})
    (root / "catalog.json").write_text(json.dumps({"models": entries}))
    command = [sys.executable, "-m", "depthmap", "models", "download", "--model", "DPT_Large"]
    environment = {**os.environ, **places(root), "DEPTHMAP_CACHE_DIR": str(root / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


def places(root: Path) -> dict[str, str]:
    """Return the settings under which models come from the mirror in ``root``."""
    return {
        "DEPTHMAP_CATALOG": str(root / "catalog.json"),
        "DEPTHMAP_MIRRORS": (root / "mirror").as_uri(),
    }


def write_film(path: Path, frames: int) -> None:
    """Write a small film: a pan over a photo."""
    import av

    with Image.open(PHOTO) as photo, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height = 160, 96
        for number in range(frames):
            view = photo.crop((4 * number, 40, 4 * number + 320, 232)).resize((160, 96))
            out.mux(stream.encode(av.VideoFrame.from_image(view)))
        out.mux(stream.encode(None))


@pytest.fixture
def workplace(tmp_path: Path, stocked: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the examples suppose: some pictures, a checkpoint, and a cache and a mirror with models."""
    folder = tmp_path / "work"
    (folder / "photos").mkdir(parents=True)
    shutil.copy(PHOTO, folder / "photo.jpg")
    shutil.copy(PHOTO, folder / "photos" / "one.jpg")
    write_film(folder / "film.mp4", frames=12)
    shutil.copy(tiny_checkpoint, folder / "finetuned.pt")
    shutil.copytree(stocked / "cache", tmp_path / "cache")
    for variable, place in places(stocked).items():
        monkeypatch.setenv(variable, place)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=pytest.mark.extra if page.name in NEED_AN_EXTRA else ())
        for page in PAGES
        if BLOCK.search(page.read_text())
    ],
)
def test_the_examples_of_a_page_work(page: Path, workplace: Path) -> None:
    for kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        commands = (
            [line[2:] for line in block.replace("\\\n", " ").split("\n") if line.startswith("$ ")]
            if kind == "console"
            else [f"{sys.executable} - <<'END'\n{block}\nEND"]
        )
        for command in commands:
            run = ["bash", "-c", command]
            done = subprocess.run(
                run, cwd=workplace, capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
            assert done.returncode == 0, f"{page.name}: {command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "page",
    [*PAGES, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG", "SECURITY"))],
    ids=lambda page: page.name,
)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = [m[0] for m in LINK.findall(page.read_text(encoding="utf-8")) if not re.match(r"[a-z]+:", m[0])]
    assert [target for target in targets if not (page.parent / target).exists()] == []
