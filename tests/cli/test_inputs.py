"""What `predict` and `batch` take as pictures besides files: URLs, stdin, patterns."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Run
from cli.terminals import on_terminal
from fetching.pages import Pages, sends, silent
from support import PHOTO

DEPTHMAP = [sys.executable, "-m", "depthmap"]
NPY = ("-f", "npy")


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small photo in the current directory."""
    monkeypatch.chdir(tmp_path)
    with Image.open(PHOTO) as image:
        image.resize((96, 64)).save("photo.jpg")
    return tmp_path / "photo.jpg"


@pytest.fixture
def server(photo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    page = sends(photo.read_bytes(), "image/jpeg")
    paths = ("/a/photo.jpg", "/b/photo.jpg", "/sch%C3%B6n.jpg", "/")
    started = Pages(dict.fromkeys(paths, page) | {"/silent.jpg": silent})
    yield started
    started.stop()


# -- URLs ---------------------------------------------------------------------------------------------------------


def test_predict_takes_urls_and_names_their_files_after_them(run: Run, server: Pages) -> None:
    urls = [server.url("/sch%C3%B6n.jpg?size=2"), server.url("/")]
    done = run("predict", "--allow-private", *urls, "photo.jpg", *NPY, "--json")
    assert done.status == 0, done.err
    assert [r["picture"] for r in done.document["results"]] == [*urls, "photo.jpg"]
    assert [r["files"] for r in done.document["results"]] == [
        ["schön_depth.npy"],
        ["picture_depth.npy"],
        ["photo_depth.npy"],
    ]
    assert np.array_equal(np.load("schön_depth.npy"), np.load("photo_depth.npy"))


def test_pictures_of_one_name_on_one_host_get_numbers(run: Run, server: Pages) -> None:
    urls = [server.url(path) for path in ("/a/photo.jpg", "/b/photo.jpg", "/a/photo.jpg")]
    host = f"127.0.0.1_{server.server_port}"
    done = run("predict", "--allow-private", *urls, *NPY)
    assert done.out.split() == [f"{host}_photo.jpg_depth.npy", f"{host}_photo.jpg-2_depth.npy"]


@pytest.mark.parametrize("out", [["-o", "new/map.npy"], ["-o", "-", *NPY]])
def test_one_url_may_go_to_one_file_or_to_stdout(server: Pages, out: list[str]) -> None:
    command = [*DEPTHMAP, "predict", server.url("/a/photo.jpg"), "--allow-private", *out]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    data = Path("new/map.npy").read_bytes() if out[1] != "-" else done.stdout
    assert data.startswith(b"\x93NUMPY")


def test_batch_takes_urls_and_fetches_none_whose_files_are_there(run: Run, server: Pages) -> None:
    args = [
        "batch",
        "--allow-private",
        server.url("/a/photo.jpg"),
        server.url("/nosuch.jpg"),
        "-o",
        "out",
        *NPY,
    ]
    first = run(*args)
    assert (first.status, first.out.split()) == (3, ["out/photo_depth.npy"])
    assert "404" in first.err
    server.asked.clear()
    assert run(*args, "--json").document["skipped"] == 1
    assert [path for path, _ in server.asked] == ["/nosuch.jpg"]


@pytest.mark.parametrize("command", [["predict"], ["batch", "-o", "out"]])
def test_private_addresses_and_all_of_them_offline_are_refused(
    run: Run, server: Pages, command: list[str]
) -> None:
    url = server.url("/a/photo.jpg").replace("://", "://me:secret@")
    refused = run(*command, url)
    assert refused.status == 1
    assert "--allow-private" in refused.err
    offline = run(*command, url, "--allow-private", "--offline")
    assert offline.status == 1
    assert "offline" in offline.err
    assert "Model:" not in offline.err  # said before one is loaded
    assert "secret" not in refused.err + offline.err
    assert server.asked == []


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_does_not_wait_for_a_server(server: Pages) -> None:
    command = [*DEPTHMAP, "predict", "--allow-private", server.url("/silent.jpg")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "DEPTHMAP_TIMEOUT": "600"})
    while not server.asked:
        assert process.poll() is None
        server.stopped.wait(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in said) == (130, False), said


# -- stdin --------------------------------------------------------------------------------------------------------


def fed(stdin: bytes, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*DEPTHMAP, "predict", *args], input=stdin, capture_output=True, timeout=120)


def test_a_picture_may_come_through_a_pipe_or_from_a_redirected_file(photo: Path) -> None:
    assert fed(photo.read_bytes(), "-", "-o", "out.npy").stdout == b"out.npy\n"
    with photo.open("rb") as stream:
        done = subprocess.run(
            [*DEPTHMAP, "predict", "-", *NPY], stdin=stream, capture_output=True, timeout=120
        )
    assert done.stdout == b"stdin_depth.npy\n"
    assert np.array_equal(np.load("out.npy"), np.load("stdin_depth.npy"))


def test_the_picture_in_stdin_takes_no_other_pictures_name(photo: Path) -> None:
    shutil.copy(photo, "stdin.jpg")
    done = fed(photo.read_bytes(), "stdin.jpg", "-", *NPY)
    assert done.stdout.split() == [b"stdin_depth.npy", b"stdin-2_depth.npy"]


@pytest.mark.parametrize(
    ("stdin", "args", "status", "words"),
    [
        (b"", ["-"], 1, b"Nothing came from stdin"),
        (b"photo.jpg\nother.jpg\n", ["-"], 2, b"xargs"),
        (b"https://host/a.jpg\n", ["-"], 2, b"xargs"),
        (b"\n\n", ["-"], 1, b"not a picture"),
        (b"", ["-", "-"], 2, b"give - once"),
    ],
)
def test_what_is_no_picture_in_stdin_is_said(
    photo: Path, stdin: bytes, args: list[str], status: int, words: bytes
) -> None:
    done = fed(stdin, *args)
    assert done.returncode == status
    assert words in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_nobody_is_waited_for_at_a_terminal(photo: Path) -> None:
    status, seen = on_terminal(["predict", "-"])
    assert status == 2
    assert "stdin is a terminal" in seen
    assert "cat photo.jpg" in seen


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_closed_stdin_is_said(photo: Path) -> None:
    command = f"{sys.executable} -m depthmap predict - <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "stdin is closed" in done.stderr


def test_batch_says_what_takes_stdin(run: Run) -> None:
    done = run("batch", "-", "-o", "out")
    assert done.status == 2
    for word in ("depthmap predict -", "xargs"):
        assert word in done.err


# -- patterns -----------------------------------------------------------------------------------------------------


@pytest.fixture
def numbered(photo: Path) -> None:
    """Photos with numbers, one in a folder below, and one whose name looks like a pattern."""
    Path("below").mkdir()
    for name in ("10.jpg", "2.jpg", "[1].jpg", ".hidden.jpg", "below/3.jpg"):
        shutil.copy(photo, name)


@pytest.mark.parametrize(
    ("pattern", "stems"),
    [
        ("[0-9]*.jpg", ["2", "10"]),
        ("1?.jpg", ["10"]),
        ("**/3.jpg", ["3"]),
        ("*.jpg", ["2", "10", "[1]", "photo"]),
        ("belo*", ["3"]),
        ("[1].jpg", ["[1]"]),
    ],
)
@pytest.mark.parametrize("command", ["predict", "batch"])
def test_patterns_are_expanded_in_natural_order(
    run: Run, numbered: None, command: str, pattern: str, stems: list[str]
) -> None:
    done = run(command, pattern, "-o", "out", *NPY, "--json")
    assert done.status == 0, done.err
    written = [file for result in done.document["results"] for file in result["files"]]
    assert written == [f"out/{stem}_depth.npy" for stem in stems]


def test_a_pattern_for_one_picture_may_go_to_one_file(run: Run, numbered: None) -> None:
    assert run("predict", "1?.jpg", "-o", "map.npy").out == "map.npy\n"


def test_a_pattern_that_nothing_matches_is_said_and_the_rest_is_done(run: Run, numbered: None) -> None:
    done = run("predict", "*.tif", "2.jpg", *NPY)
    assert (done.status, done.out) == (3, "2_depth.npy\n")
    assert "No picture matches (*.tif)" in done.err
    assert run("predict", "*.tif").status == run("batch", "*.tif", "-o", "out").status == 1
