"""What a person takes away: each file opens, and the code on the page makes the same."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import depthmap
from depthmap.outputs import OUTPUTS
from support import PHOTO
from web.conftest import WebServer

from .visits import Visit

Visiting = Callable[..., Visit]
SIZE = (427, 640)


def _picture(*shape: int) -> Callable[[Path], bool]:
    return lambda path: np.asarray(Image.open(path)).shape == shape


def _geometry(path: Path) -> bool:
    import trimesh

    return bool(len(trimesh.load(path, process=False).bounds) == 2)


def _pfm(path: Path) -> bool:
    return path.read_bytes().startswith(b"Pf\n640 427\n")


def _exr(path: Path) -> bool:
    import OpenEXR

    with OpenEXR.File(str(path)) as file:
        return any(channel.pixels.shape == SIZE for channel in file.channels().values())


OPENED: dict[str, Callable[[Path], Any]] = {
    "png16": _picture(*SIZE),
    "colour": _picture(*SIZE, 3),
    "npy": lambda path: np.load(path).shape == SIZE,
    "npz": lambda path: depthmap.Depth.load(path).height == SIZE[0],
    "pfm": _pfm,
    "tiff": _picture(*SIZE),
    "exr": _exr,
    "rgbd": _picture(*SIZE, 3),
    "ply": _geometry,
    "glb": _geometry,
    "normal": _picture(*SIZE, 3),
    "side-by-side": _picture(SIZE[0], 1280, 3),
    "stereo": _picture(SIZE[0], 1280, 3),
    "anaglyph": _picture(*SIZE, 3),
}


def test_every_output_is_listed(result: Visit) -> None:
    result.tab("files")
    assert result.page.locator("#files strong").all_text_contents() == list(OUTPUTS) == list(OPENED)


@pytest.mark.parametrize("output", OPENED)
def test_a_downloaded_file_opens_and_its_size_is_shown(result: Visit, output: str, tmp_path: Path) -> None:
    result.tab("files")
    file = result.download(f"[data-output='{output}']")
    assert file.suggested_filename == f"china{OUTPUTS[output].suffix}"
    file.save_as(tmp_path / file.suggested_filename)
    assert OPENED[output](tmp_path / file.suggested_filename)
    row = result.page.locator("#files li", has=result.page.locator(f"[data-output='{output}']"))
    assert row.locator(".size").text_content()


def test_all_files_come_as_one_zip(result: Visit) -> None:
    result.tab("files")
    with zipfile.ZipFile(result.download("#all-files").path()) as archive:
        assert {f"china{output.suffix}" for output in OUTPUTS.values()} <= set(archive.namelist())


@pytest.mark.parametrize("language", ["Python", "Command line", "curl"])
def test_the_code_on_the_page_makes_what_is_on_screen(
    visit: Visiting, server: WebServer, language: str, tmp_path: Path
) -> None:
    one = visit(server)
    one.give(PHOTO)
    one.page.check("#maps input[value=viridis]", force=True)
    one.tab("measure")
    for (x, y), metres in (((320, 400), "2"), ((320, 230), "15")):
        one.page.click("#mark")
        one.click_pixel(x, y, (640, 427))
        one.page.keyboard.type(metres)
        one.page.keyboard.press("Tab")
    one.until("document.querySelector('#calibration').textContent.startsWith('Metres')")
    one.tab("files")
    one.download("[data-output=colour]").save_as(tmp_path / "downloaded.png")
    one.tab("code")
    code = one.text(f"pre[aria-label='{language}']")
    assert "320,400" in code.replace("(320, 400)", "320,400")

    (tmp_path / PHOTO.name).write_bytes(PHOTO.read_bytes())
    scripts = f"export PATH={Path(sys.executable).parent}:$PATH\n"
    command = [sys.executable, "-c", code] if language == "Python" else ["bash", "-ec", scripts + code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    made = np.asarray(Image.open(tmp_path / "china_colour.png"))
    assert (made == np.asarray(Image.open(tmp_path / "downloaded.png"))).mean() > 0.999


def test_the_code_can_be_copied(result: Visit) -> None:
    result.tab("code")
    result.page.click("[aria-label='Copy: curl']")
    copied = result.page.evaluate("navigator.clipboard.readText()")
    assert copied == result.text("pre[aria-label=curl]")
    assert copied.startswith(f"curl -OJ {result.server.url}/api/predict")
