"""What a release uploads works from its files alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from PIL import Image

import depthmap
from depthmap.checkpoints import NETWORKS
from support import PHOTO

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "depthmap"
MOST_BYTES = 12_000_000
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the tree, offline, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, the wheel made from it, and the wheel made from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation", ROOT, "--outdir")
    run(*build, folder / "release", cwd=folder)
    run(*build, folder / "tree", "--wheel", cwd=folder)
    (sdist,) = (folder / "release").glob("*.tar.gz")
    (wheel,) = (folder / "release").glob("*.whl")
    (from_tree,) = (folder / "tree").glob("*.whl")
    return {"sdist": sdist, "wheel": wheel, "wheel of the tree": from_tree}


def test_the_wheel_made_from_the_sdist_is_the_wheel_made_from_the_tree(built: dict[str, Path]) -> None:
    assert built["wheel"].name == built["wheel of the tree"].name
    assert built["wheel"].read_bytes() == built["wheel of the tree"].read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(built: dict[str, Path]) -> None:
    files = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"depthmap/py.typed", "depthmap/embedded/depthmap_tiny.pt"} <= files
    assert sum(file.startswith("depthmap/engines/graphs/") for file in files) == len(NETWORKS)
    about = f"depthmap-{depthmap.__version__}.dist-info/"
    with zipfile.ZipFile(built["wheel"]) as wheel:
        assert {name for name in wheel.namelist() if not name.startswith(about)} == files


def test_the_wheel_has_at_most_12_mb(built: dict[str, Path]) -> None:
    assert built["wheel"].stat().st_size <= MOST_BYTES


def test_the_wheel_has_the_version_of_the_package_and_the_licence(built: dict[str, Path]) -> None:
    about = f"depthmap-{depthmap.__version__}.dist-info"
    with zipfile.ZipFile(built["wheel"]) as wheel:
        metadata = message_from_bytes(wheel.read(f"{about}/METADATA"))
        licence = wheel.read(f"{about}/licenses/LICENSE")
    assert metadata["Version"] == depthmap.__version__
    assert metadata["License-Expression"] == "MIT"
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_without_an_extra_nothing_of_torch_is_installed(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        metadata = message_from_bytes(wheel.read(f"depthmap-{depthmap.__version__}.dist-info/METADATA"))
    needed = metadata.get_all("Requires-Dist", [])
    core = {re.split(r"[<>=~;\[ ]", line)[0] for line in needed if "extra ==" not in line}
    assert {"numpy", "onnxruntime"} <= core
    assert "torch" not in core
    assert any(line.startswith("torch") for line in needed)


def test_the_readme_that_an_index_shows_has_no_relative_link(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        metadata = message_from_bytes(wheel.read(f"depthmap-{depthmap.__version__}.dist-info/METADATA"))
    text = metadata.get_payload(decode=True).decode("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) == len(re.findall(r"\]\(", (ROOT / "README.md").read_text(encoding="utf-8"))) > 0
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_installed_it_says_its_version_and_predicts_offline(
    built: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    (site,) = {path.parent for path in (tmp_path / "venv").rglob("site-packages/pip")}
    # the dependencies of this environment, but no editable install: a .pth file in them is not read
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(others), encoding="utf-8")
    scripts = tmp_path / "venv" / SCRIPTS
    as_it_is = ["--ignore-installed", "--no-deps", "--no-index", "--no-build-isolation"]
    run(scripts / "python", "-m", "pip", "install", *as_it_is, built[kind], cwd=tmp_path)

    where = run(scripts / "python", "-c", "import depthmap; print(depthmap.__file__)", cwd=tmp_path)
    assert site in Path(where.strip()).parents
    version = run(scripts / "depthmap", "--version", cwd=tmp_path)
    assert version.strip() == f"depthmap, version {depthmap.__version__}"
    run(scripts / "depthmap", "predict", PHOTO, "-o", "out", cwd=tmp_path)
    with Image.open(tmp_path / "out" / f"{PHOTO.stem}_depth.png") as depth, Image.open(PHOTO) as photo:
        assert depth.size == photo.size
        assert depth.mode.startswith("I")
        low, high = depth.getextrema()
    assert high > low
