"""Which files come of which pictures."""

from __future__ import annotations

import os
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.batch import plan
from depthmap.errors import UsageError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def files(root: Path, *paths: Path, out: str = "out", recursive: bool = True) -> list[str]:
    jobs = plan(paths or [root], ["png16"], root / out, recursive=recursive).jobs
    return [os.path.relpath(path, root) for job in jobs for path in job.paths]


def test_folders_are_kept(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg", "in/sub/deep/b.jpg")
    assert files(tmp_path, tmp_path / "in") == ["out/a_depth.png", "out/sub/deep/b_depth.png"]
    assert files(tmp_path, tmp_path / "in", recursive=False) == ["out/a_depth.png"]


def test_names_that_clash_keep_their_endings_then_get_their_folder_then_a_number(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "a/x.png", "a/only.jpg", "b/x.jpg", "c/b/x.jpg")
    named = [tmp_path / "a", tmp_path / "b" / "x.jpg", tmp_path / "c" / "b" / "x.jpg"]
    assert files(tmp_path, *named) == [
        "out/only_depth.png",
        "out/a_x.jpg_depth.png",
        "out/x.png_depth.png",
        "out/b_x.jpg_depth.png",
        "out/b_x.jpg-2_depth.png",
    ]


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg")
    assert files(tmp_path, tmp_path / "in", tmp_path / "in" / "a.jpg", tmp_path / "in") == ["out/a_depth.png"]


def test_earlier_outputs_are_no_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a_depth.png", "a_colour.png", "a_side.png", "b_depth.png")
    planned = plan([tmp_path], ["npy"], tmp_path)
    assert [Path(job.name).name for job in planned.jobs] == ["a.jpg", "b_depth.png"]
    assert [path.name for path in planned.left_out] == ["a_colour.png", "a_depth.png", "a_side.png"]


def test_earlier_outputs_below_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "sub/b.jpg", "out/a_depth.png", "out/sub/b_colour.png", "out/new.jpg")
    assert files(tmp_path) == ["out/a_depth.png", "out/out/new_depth.png", "out/sub/b_depth.png"]


def test_a_picture_that_was_named_is_not_overwritten(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a_depth.png")
    with pytest.raises(UsageError, match="overwrite"):
        plan([tmp_path / "a.jpg", tmp_path / "a_depth.png"], ["png16"], tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="overwrite"):
        plan([tmp_path / "a.jpg", tmp_path / "link" / "a_depth.png"], ["png16"], tmp_path)


def test_an_unknown_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="png16"):
        plan([tmp_path], ["jpeg"], tmp_path)


_NAME = st.text(string.ascii_letters[:4] + "AB-1", min_size=1, max_size=3)


@given(st.sets(st.tuples(_NAME, _NAME, st.sampled_from([".jpg", ".png", ".JPG"])), max_size=12))
def test_no_two_pictures_ever_share_a_file(names: set[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        touch(root, *(f"{folder}/{stem}{ending}" for folder, stem, ending in names))
        jobs = plan(sorted(root.iterdir()), ["png16", "colour"], root / "out").jobs
        targets = [str(path).casefold() for job in jobs for path in job.paths]
        assert len(set(targets)) == len(targets) == 2 * len(jobs)
        assert not {str(job.picture).casefold() for job in jobs} & set(targets)
