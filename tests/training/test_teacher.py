"""A model of the cache teaches the one that ships, on photos alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import scene

from depthmap import DepthEstimator
from depthmap.cache import ModelCache
from training import __main__ as make
from training import config, evaluate, teacher, train

TEACHER = "mine"


@pytest.fixture
def photos(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    """Twenty-four photos of two sizes, in two folders; the model that is to teach is in the cache."""
    ModelCache().import_file(tiny_checkpoint, TEACHER)
    for number in range(24):
        folder = tmp_path / "photos" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(scene(number)[0])
        picture.resize((700, 400) if number % 3 else (96, 128)).save(folder / f"{number:02}.jpg", quality=95)
    return tmp_path / "photos"


def test_a_pair_is_the_photo_and_what_the_teacher_says_of_it(photos: Path, tmp_path: Path) -> None:
    found = teacher.photos_in(photos)
    assert teacher.label(TEACHER, found, tmp_path) == 24
    kept = [len(list((tmp_path / part / teacher.SOURCE / "rgb").iterdir())) for part in ("train", "val")]
    assert kept == [22, 2]
    small = Image.open(found[1])
    small.thumbnail((teacher.LONGER, teacher.LONGER), Image.Resampling.LANCZOS)
    expected = DepthEstimator(TEACHER, "cpu", pictures=24).predict(small)
    pair = tmp_path / "train" / teacher.SOURCE
    reference = np.asarray(Image.open(pair / "inverse_depth" / "0000001.png"))
    assert Image.open(pair / "rgb" / "0000001.jpg").size == small.size == reference.shape[::-1]
    assert (reference.min(), reference.max()) == (1, 65535)
    assert np.corrcoef(reference.ravel(), expected.ravel())[0, 1] > 0.9999


def test_pairs_that_are_there_stay_and_a_photo_that_cannot_be_read_is_left_out(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "0" / "02.jpg").write_bytes(b"no picture")
    found = teacher.photos_in(photos)
    assert teacher.label(TEACHER, found, tmp_path) == 23
    assert "02.jpg" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    lost = next(path for path in before if path.stem == "0000005")
    lost.unlink()
    assert teacher.label(TEACHER, found, tmp_path) == 23
    changed = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == {lost}


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Give 20 or more"):
        teacher.photos_in(tmp_path)


def test_the_pairs_can_be_had_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["teacher", TEACHER, "--photos", str(photos), "--data", str(tmp_path / "data")]
    monkeypatch.setattr(sys, "argv", command)
    teacher.main()
    assert "24 pairs" in capsys.readouterr().out
    assert len(list((tmp_path / "data").rglob("*.png"))) == 24


@pytest.mark.slow
def test_the_command_makes_weights_of_photos_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = config.Config(
        shares={teacher.SOURCE: 4},
        stages=(
            config.Stage(2, {(64, 96): 1.0}, encoder=False, plain=True),
            config.Stage(2, {(96, 128): 1.0}),
        ),
    )
    monkeypatch.setitem(train.CONFIGS, teacher.SOURCE, short)
    run = tmp_path / "run"
    command = ["training", "--teacher", TEACHER, "--photos", str(photos), "--run", str(run)]
    monkeypatch.setattr(sys, "argv", command)
    make.main()
    assert {path.name for path in (run / "export").iterdir()} == {evaluate.SHIPPED.name, "scores.json"}
    assert teacher.SOURCE in json.loads((run / "export" / "scores.json").read_text())
