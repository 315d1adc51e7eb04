"""``depthmap inspect`` prints what files say, or seem to be, and goes on after one that says nothing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import Run
from cli.terminals import on_terminal
from depthmap import Depth

DEPTH = Depth(np.linspace(1, 2, 200).reshape(10, 20), model="DPT_Large", sha256="ab" * 32, name="photo.jpg")


def test_the_facts_are_printed_and_a_file_without_any_ends_nothing(run: Run, tmp_path: Path) -> None:
    path = DEPTH.save(tmp_path / "a.tiff")[0]
    np.save(tmp_path / "b.npy", DEPTH.values)
    (tmp_path / "text.txt").write_text("hello")
    done = run("inspect", tmp_path / "text.txt", path, tmp_path / "b.npy")
    assert done.status == 3
    assert "text.txt" in done.err
    for text in (
        "a.tiff: TIFF, float32, 20 × 10",
        "relative inverse depth, largest value = nearest",
        "1 to 2",
        "DPT_Large",
        "ab" * 32,
        "photo.jpg, 20 × 10",
        "b.npy: NPY, float32, 20 × 10",
        "unknown",
    ):
        assert text in done.out


def test_as_json_there_is_an_entry_for_each_file(run: Run, tmp_path: Path) -> None:
    path = DEPTH.save(tmp_path / "a.tiff")[0]
    good, bad = run("inspect", path, tmp_path / "missing", "--json").document
    assert good["facts"] == json.loads(json.dumps(DEPTH.facts()))
    assert bad["error"] == "FileError"


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_what_a_file_says_commands_no_terminal(tmp_path: Path) -> None:
    evil = replace(DEPTH, model="a\x1b]0;owned\x07", name="b\u202e.jpg")
    status, seen = on_terminal(["inspect", str(evil.save(tmp_path / "a.tiff")[0])], 200)
    assert status == 0
    assert "\\x1b]0;owned" in seen
    assert not {"\x07", "\u202e"} & set(seen)
