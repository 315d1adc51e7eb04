"""Films that were killed, and go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from depthmap.errors import ExportError, UsageError
from depthmap.video.parts import Parts
from support import sha256
from video.conftest import Make
from video.films import scene, seen_by_opencv, write

SMALL = ["--model", "Depthmap_Tiny", "--size", "64", "--engine", "onnxruntime"]
COMMAND = [sys.executable, "-m", "depthmap", "video", *SMALL]
OUTPUTS = "colour,grey16,calibration,png16"


def order(source: Path, out: Path, *more: str) -> list[str]:
    return [*COMMAND, str(source), "-o", str(out), "-f", OUTPUTS, *more]


def contents(folder: Path) -> dict[str, str]:
    """The files below a folder and their digests, but for the numbers, whose archive says when it was made."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path) for path in files if path.suffix != ".npz"}


def numbers(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "in_frames.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [*scene(90), *[255 - frame[::-1] for frame in scene(60)]]
    return write(tmp_path_factory.mktemp("film") / "in.mp4", frames, sound=6)


def wait_for_pieces(process: subprocess.Popen[bytes], folder: Path, pieces: int) -> None:
    parts = folder / ".in_colour.mp4.parts"
    while process.poll() is None and len(list(parts.glob("0*.npz"))) < pieces:
        time.sleep(0.005)


def killed(film: Path, out: Path, pieces: int, *more: str) -> int:
    """Begin, and kill the process once so many pieces are there; return its status."""
    process = subprocess.Popen(order(film, out, *more), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for_pieces(process, out, pieces)
    process.kill()
    return process.wait()


@pytest.mark.slow
def test_a_film_that_was_killed_over_and_over_is_the_same_byte_for_byte(tmp_path: Path, film: Path) -> None:
    subprocess.run(order(film, tmp_path / "whole"), check=True)
    expected = contents(tmp_path / "whole")
    assert len(expected) == 152  # two films and 150 frames
    out = tmp_path / "out"
    assert killed(film, out, 1) == -signal.SIGKILL
    assert {path.name[0] for path in out.iterdir()} == {"."}  # nothing under a final name
    for pieces in (1, 2):
        assert killed(film, out, pieces, "--resume") == -signal.SIGKILL
    done = subprocess.run(order(film, out, "--resume"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "before" in done.stderr
    assert contents(out) == expected
    for name, column in numbers(tmp_path / "whole").items():
        np.testing.assert_array_equal(numbers(out)[name], column)
    assert not list(out.glob(".*"))


@pytest.mark.slow
def test_after_ctrl_c_what_is_done_is_kept(tmp_path: Path, film: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(order(film, out), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for_pieces(process, out, 1)  # type: ignore[arg-type]  # of text
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "--resume" in said
    assert list(out.glob(".*.parts/000000.npz"))
    done = subprocess.run(order(film, out, "--resume"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(seen_by_opencv(out / "in_colour.mp4")) == 150


def test_what_is_there_is_not_made_again(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(6))
    command = [*COMMAND, str(source), "-o", str(tmp_path / "out.mp4")]
    subprocess.run(command, check=True)
    before = os.stat(tmp_path / "out.mp4").st_mtime_ns
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "out.mp4"))
    assert "there already" in done.stderr
    assert os.stat(tmp_path / "out.mp4").st_mtime_ns == before


def begun(tmp_path: Path, about: dict[str, object]) -> Parts:
    parts = Parts(tmp_path / "out.mp4")
    with parts.held():
        parts.begin(about, resume=False)
        parts.finish(0, None, np.zeros((64, 7)))
    return parts


def test_pieces_that_were_made_otherwise_are_refused_and_begun_anew_without_resume(tmp_path: Path) -> None:
    parts = begun(tmp_path, {"model": "one", "steady": True})
    with parts.held():
        assert parts.begin({"model": "one", "steady": True}, resume=True) == 1
        with pytest.raises(UsageError, match=r"differs in model.*same options.*leave out --resume"):
            parts.begin({"model": "other", "steady": True}, resume=True)
        assert parts.begin({"model": "other", "steady": True}, resume=False) == 0


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with Parts(tmp_path / "out.mp4").held():
        second = Parts(tmp_path / "out.mp4").held()
        with pytest.raises(ExportError, match="Another process"), second:
            pass


def test_a_damaged_piece_is_told(tmp_path: Path) -> None:
    parts = begun(tmp_path, {})
    (parts.folder / "000000.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ExportError, match=r"damaged.*without --resume"):
        parts.state(0)
