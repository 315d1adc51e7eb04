"""`depthmap batch` for pictures without end."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from batch.test_sources import tar
from cli.conftest import Run
from support import PHOTO

TINY = ("-m", "depthmap_tiny", "-f", "png16")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(PHOTO, folder / name)
    return folder


def test_without_a_new_option_files_are_called_as_ever(run: Run, photos: Path, tmp_path: Path) -> None:
    done = run("batch", photos, "-o", tmp_path / "out", *TINY, "--jsonl")
    assert done.status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_depth.png", "b_depth.png"]
    assert {json.loads(line)["status"] for line in done.out.splitlines()} == {"done"}


def test_a_streamed_run_keeps_endings_goes_on_and_gives_a_line_for_each_picture(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (photos / "c.jpg").write_bytes(b"no picture")
    first = run("batch", photos, "-o", out, *TINY, "--resume", "--jsonl")
    lines = {Path(entry["picture"]).name: entry for entry in map(json.loads, first.out.splitlines())}
    assert first.status == 3
    assert lines["a.jpg"]["files"] == [str(out / "a.jpg_depth.png")]
    assert lines["c.jpg"]["status"] == "failed"
    assert "not a picture" in lines["c.jpg"]["message"]
    (photos / "c.jpg").unlink()
    again = run("batch", photos, "-o", out, *TINY, "--resume")
    assert (again.status, again.out) == (0, "")
    assert "2 skipped" in again.err
    counts = run("batch", photos, "-o", out, *TINY, "--stream", "--json").document
    assert (counts["done"], counts["skipped"], counts["failed"]) == (0, 2, 0)
    assert "results" not in counts


def test_lists_archives_and_shards(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        names = b"\0".join(str(p).encode() for p in photos.iterdir())
        buffer = io.BufferedReader(io.BytesIO(names))  # type: ignore[arg-type]  # typeshed wants a raw stream
        closed = False

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Stdin())
    listed = run("batch", "--from-file", "-", "-o", tmp_path / "listed", *TINY)
    assert listed.status == 0
    assert len(listed.out.splitlines()) == 2
    archive = tar(tmp_path / "shard.tar", a=PHOTO.read_bytes(), b=PHOTO.read_bytes())
    packed = run("batch", archive, "-o", tmp_path / "packed", *TINY)
    assert packed.status == 0
    shards = [
        run("batch", photos, "-o", tmp_path / "s", *TINY, "--shard", f"{n}/2").out.split() for n in (1, 2)
    ]
    assert sorted(name for shard in shards for name in shard) == [
        str(tmp_path / "s" / f"{name}.jpg_depth.png") for name in "ab"
    ]


@pytest.mark.parametrize("more", [(), ("--stream",)])
def test_a_dry_run_prints_the_files_that_a_run_writes(
    run: Run, photos: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    planned = run("batch", photos, "-o", out, *TINY, *more, "--dry-run")
    assert planned.status == 0
    assert "nothing was done" in planned.err
    assert not out.exists()
    written = run("batch", photos, "-o", out, *TINY, *more)
    assert sorted(written.out.splitlines()) == sorted(planned.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "out"), "Missing argument"),
        (("photos", "-o", "out", "--shard", "3"), "3/8"),
        (("photos", "-o", "out", "--shard", "3/2"), "from 1 to n"),
        (("photos", "-o", "out", "--jsonl", "--json"), "--json"),
        (("photos", "-o", "s3://bucket/out", "--resume"), "--manifest"),
    ],
)
def test_wrong_use_is_said(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("batch", *arguments)
    assert done.status == 2
    assert words in done.err


def test_all_that_fails_is_a_failure(run: Run, tmp_path: Path) -> None:
    done = run("batch", tmp_path / "nosuch.tar", "-o", tmp_path / "out", *TINY)
    assert done.status == 1
    assert "nosuch.tar" in done.err
