"""A streamed run that is killed goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support import PHOTO

PICTURES = 40


def command(tmp_path: Path, out: str, *more: str) -> list[str]:
    start = [sys.executable, "-m", "depthmap", "batch", str(tmp_path / "photos"), "-o", str(tmp_path / out)]
    return [
        *start,
        "--resume",
        "--jsonl",
        "-q",
        "-m",
        "depthmap_tiny",
        "-f",
        "png16",
        "-f",
        "npz",
        "--size",
        "64",
        "--engine",
        "onnxruntime",
        *more,
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_at_ten_moments_every_picture_is_done_once_and_none_by_half(
    tmp_path: Path, workers: str
) -> None:
    (tmp_path / "photos").mkdir()
    with Image.open(PHOTO) as photo:
        for number in range(PICTURES):
            photo.resize((160 + number % 7, 120)).save(tmp_path / "photos" / f"{number}.jpg")
    subprocess.run(command(tmp_path, "at-once"), check=True, capture_output=True)
    out = tmp_path / "killed"
    for moment in range(10):
        process = subprocess.Popen(
            command(tmp_path, "killed", "--workers", workers), stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout
        done = 0
        while done < 1 + moment % 4 and (line := process.stdout.readline()):
            done += json.loads(line)["status"] == "done"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        whole = [path for path in out.iterdir() if path.is_file()]
        assert all(path.name.endswith(("_depth.png", "_depth.npz")) for path in whole)
        assert all(path.stat().st_size for path in whole)
    last = subprocess.run(command(tmp_path, "killed", "--workers", workers), check=True, capture_output=True)
    results = [json.loads(line) for line in last.stdout.splitlines()]
    assert len({result["picture"] for result in results}) == len(results) == PICTURES
    assert {result["status"] for result in results} <= {"done", "skipped"}
    assert files(out) == files(tmp_path / "at-once")
    assert len(files(out)) == 2 * PICTURES
    assert [path.name for path in (out / ".depthmap").iterdir()] == ["manifest.sqlite"]
    again = subprocess.run(command(tmp_path, "killed"), check=True, capture_output=True)
    assert {json.loads(line)["status"] for line in again.stdout.splitlines()} == {"skipped"}
