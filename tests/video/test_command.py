"""``depthmap video``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depthmap import extras
from depthmap.cli import main
from support import PHOTO, python
from video.films import cut_short, scene, seen_by_opencv, times, write

VIDEO = [sys.executable, "-m", "depthmap", "video"]
SMALL = ["--model", "Depthmap_Tiny", "--size", "64", "--engine", "onnxruntime"]
LIVE = ["--camera", "lavfi:testsrc=size=96x64:rate=25,realtime"]
"""A camera that FFmpeg plays: it gives 25 frames a second and does not wait."""


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*VIDEO, *map(str, args)], capture_output=True, text=True)


def test_a_film_gets_its_name_in_the_folder_and_is_printed(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", scene(12), sound=0.5)
    done = run(source, "-o", tmp_path / "out", *SMALL)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "out" / "in_colour.mp4")), done.stderr
    assert "in.mp4: 96 × 64, 25 frames a second, about 12 frames" in done.stderr
    assert "12 frames done, 1 shot" in done.stderr
    assert len(seen_by_opencv(tmp_path / "out" / "in_colour.mp4")) == 12


def test_json_says_what_was_done(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", scene(12))
    done = run(source, "-o", tmp_path / "out.mkv", *SMALL, "--json", "--no-steady", "--frames", "9")
    document = json.loads(done.stdout)
    assert (document["frames"], document["kept"], document["shots"], document["stopped"]) == (9, 0, 1, None)
    assert document["files"] == [str(tmp_path / "out.mkv")]
    assert document["model"] == "Depthmap_Tiny"
    assert set(document["seconds"]) == {"import", "load", "film", "predict"}


def test_a_film_cut_short_is_done_with_a_warning(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", scene(60), options={"g": "12"})
    cut_short(source, 0.6)
    done = run(source, "-o", tmp_path / "out.mp4", *SMALL)
    assert done.returncode == 0
    assert "warning: The film ends early or is damaged" in done.stderr
    assert len(seen_by_opencv(tmp_path / "out.mp4")) > 20


def test_the_film_itself_is_never_written_over(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", scene(3))
    before = source.read_bytes()
    done = run(source, "-o", source)
    assert done.returncode == 2
    assert "is the film itself" in done.stderr
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Give a film, or a camera"),
        (["in.mp4", "--camera", "0"], "one of the two"),
        (["in.mp4", "-f", "anaglyph"], "'anaglyph' is none of colour, grey"),
        (["in.mp4", "-o", "out.avi"], "The ending of the file says no kind of film"),
        (["gone.mp4", "-o", "out.mp4"], "There is no such video (gone.mp4)"),
    ],
)
def test_wrong_use_is_told_with_what_to_do(args: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run([*VIDEO, *args], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["video", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4")]) == 1
    assert "pip install 'depthmap[video]'" in capsys.readouterr().err
    assert extras.Extra("av", "video", "Videos").name == "video"


def test_predict_says_which_command_takes_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.mp4", scene(3))
    assert main(["predict", str(source), "-o", str(tmp_path)]) == 1
    remedy = capsys.readouterr().err
    assert f"depthmap video {source} -o depth.mp4" in remedy
    done = run(source, "-o", tmp_path / "depth.mp4", *SMALL)
    assert done.returncode == 0, done.stderr


def test_a_picture_is_sent_to_predict() -> None:
    done = run(PHOTO)
    assert done.returncode == 1
    assert f"This is a picture, not a video ({PHOTO}). Run: depthmap predict {PHOTO}" in done.stderr


def test_the_help_loads_neither_numpy_nor_pyav() -> None:
    code = "import sys; from depthmap.cli import main; main(['video', '--help'])"
    code += "; print({'numpy', 'av'} & set(sys.modules))"
    assert python(code).stdout.splitlines()[-1] == "set()"


def test_a_camera_films_until_ctrl_c_and_the_film_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    process = subprocess.Popen(
        [*VIDEO, *LIVE, "-o", str(out), *SMALL],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    parts = tmp_path / ".out.mp4.parts"
    while process.poll() is None and not list(parts.glob("*.nut")):
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 0, said
    frames = seen_by_opencv(out)
    assert len(frames) > 2
    assert times(out)[0] == 0
    assert all(before < after for before, after in zip(times(out), times(out)[1:], strict=False))
    assert not parts.exists()


def test_a_camera_that_is_faster_than_the_network_loses_frames_but_no_time(tmp_path: Path) -> None:
    fast = ["--camera", "lavfi:testsrc=size=96x64:rate=1000"]
    done = run(
        *fast, "-o", tmp_path / "out.mp4", "--frames", "12", "--model", "Depthmap_Tiny", "--size", "256"
    )
    assert done.returncode == 0, done.stderr
    found = times(tmp_path / "out.mp4")
    assert len(found) == 12
    assert found[-1] > 11 / 1000 * 2


def test_a_camera_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run("--camera", "77", "-o", tmp_path / "out.mp4")
    assert done.returncode == 1
    assert "The camera cannot be opened" in done.stderr
    assert "--camera 1" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no limit of file sizes there")
def test_a_full_disk_is_told_and_what_is_done_is_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", scene(150))
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
from depthmap.cli import main
sys.exit(main({["video", str(source), "-o", str(tmp_path / "out.mkv"), *SMALL]!r}))
"""
    done = python(code)
    assert done.returncode == 1, done.stderr
    assert "Insufficient disk space" in done.stderr
    assert not (tmp_path / "out.mkv").exists()
    again = run(source, "-o", tmp_path / "out.mkv", *SMALL, "--resume")
    assert again.returncode == 0, again.stderr
    assert len(times(tmp_path / "out.mkv")) == 150


@pytest.mark.slow
def test_ten_thousand_frames_take_no_more_memory_than_five_hundred(tmp_path: Path) -> None:
    code = """
import resource, sys
from depthmap.cli import main
status = main(["video", *sys.argv[1:], "--model", "Depthmap_Tiny", "--size", "32", "--engine", "onnxruntime", "-f",
               "colour,grey16"])
print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = {}
    views = scene(100, 160, 96)
    views += views[::-1]
    for frames in (500, 10_000):
        source = write(tmp_path / f"{frames}.mp4", (views[number % 200] for number in range(frames)))
        out = tmp_path / f"out{frames}"
        done = subprocess.run(
            [sys.executable, "-c", code, str(source), "-o", str(out)], capture_output=True, text=True
        )
        status, peaks[frames] = map(int, done.stdout.split()[-2:])
        assert status == 0, done.stderr
        assert times(out / f"{frames}_colour.mp4") == times(source)
        assert len(times(out / f"{frames}_depth.mkv")) == frames
    assert peaks[10_000] < peaks[500] * 1.1
