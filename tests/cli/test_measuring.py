"""``--calibrate`` and its kin: metres in the files, a calibration for a fixed camera, and the camera itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Run
from depthmap import Depth, estimate
from support import PHOTO

POINTS = ("--calibrate", "320,400=2", "--calibrate", "320,230=15")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_hold_metres_that_are_right_at_the_points(run: Run) -> None:
    done = run("predict", PHOTO, *POINTS, "-f", "npy,tiff,npz")
    assert done.status == 0, done.err
    metres = np.load("china_depth.npy")
    assert metres[400, 320] == pytest.approx(2, rel=0.02)
    assert metres[230, 320] == pytest.approx(15, rel=0.1)
    with Image.open("china_depth.tiff") as tiff:
        assert np.array_equal(np.asarray(tiff), metres)
    depth = Depth.load("china_depth.npz")
    assert depth.kind == "metric depth"
    assert depth.calibration is not None
    assert np.array_equal(metres, depth.calibration.metres(estimate(PHOTO).values))


def test_pictures_stay_near_is_bright(run: Run) -> None:
    run("predict", PHOTO, "-o", "plain")
    run("predict", PHOTO, *POINTS, "-o", "metres")
    plain, metres = (
        np.asarray(Image.open(f"{name}/china_depth.png")).astype(int) for name in ("plain", "metres")
    )
    assert np.corrcoef(plain.ravel(), metres.ravel())[0, 1] > 0.95


def test_a_calibration_is_saved_and_used_for_other_pictures_of_the_camera(run: Run) -> None:
    assert (
        run("predict", PHOTO, *POINTS, "--calibration", "camera.json", "-f", "npy", "-o", "one").status == 0
    )
    saved = json.loads(Path("camera.json").read_text())
    assert saved["points"][0] == {"x": 320, "y": 400, "metres": 2}
    with Image.open(PHOTO) as photo:
        photo.resize((photo.width // 2, photo.height // 2)).save("small.png")
    done = run("batch", PHOTO, "small.png", "--calibration", "camera.json", "-f", "npy", "-o", "two")
    assert done.status == 0, done.err
    one, two, small = (
        np.load(name) for name in ("one/china_depth.npy", "two/china_depth.npy", "two/small_depth.npy")
    )
    assert np.allclose(1 / one, 1 / two, rtol=1e-3, atol=1e-4)  # far away metres tell nothing
    assert small[115, 160] == pytest.approx(15, rel=0.2)


def test_a_calibration_that_fits_no_picture_is_not_saved(run: Run) -> None:
    done = run(
        "predict", PHOTO, "--calibrate", "999,1=2", "--calibrate", "3,3=2", "--calibration", "camera.json"
    )
    assert (done.status, "outside the picture" in done.err) == (2, True)
    assert not Path("camera.json").exists()
    assert list(Path().iterdir()) == []


def test_a_picture_that_does_not_fit_is_named_and_the_others_are_done(run: Run) -> None:
    Image.new("RGB", (90, 90), "white").save("square.png")
    Path("camera.json").write_text(
        json.dumps(
            {
                "points": [{"x": 320, "y": 400, "metres": 1}],
                "far": 3,
                "picture": {"width": 640, "height": 427},
            }
        )
    )
    done = run("batch", "square.png", PHOTO, "--calibration", "camera.json", "-o", "out")
    assert done.status == 3
    assert "square.png" in done.err
    assert "one shape" in done.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--calibrate", "320=2"], "'320=2' is not X,Y=METRES"),
        (["--calibrate", "320,240"], "is not X,Y=METRES"),
        (["--calibrate", "320,240=1.5"], "need two points"),
        (["--calibrate", "320,240=-1", "--far", "3"], "metres above 0"),
        (["--far", "3"], "--far needs a point"),
        (["--fov", "0"], "between 0 and 180"),
        (["--focal", "-3"], "above 0 mm"),
        (["--fov", "60", "--focal", "30"], "not both"),
        (["--calibration", "missing.json"], "cannot be read"),
        (["--calibration", "text.json"], "not JSON"),
        (["--calibration", "empty.json"], "Make the file anew"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_is_loaded(run: Run, options: list[str], reason: str) -> None:
    Path("text.json").write_text("hello")
    Path("empty.json").write_text("{}")
    done = run("predict", PHOTO, *options)
    assert done.status in (1, 2)
    assert reason in done.err
    assert "Model:" not in done.err


def test_the_field_of_view_and_the_focal_length_set_the_camera(run: Run) -> None:
    for options, source, fx in (
        (["--fov", "90"], "--fov", 320),
        (["--focal", "43.2666"], "--focal", np.hypot(640, 427)),
        ([], "assumed", 554.256),
    ):
        run("predict", PHOTO, *options, "-f", "npy")
        camera = json.loads(Path("china_depth.npy.json").read_text())["camera"]
        assert camera["source"] == source
        assert camera["fx"] == pytest.approx(fx, rel=1e-4)


def test_an_exif_focal_length_is_the_camera(run: Run) -> None:
    with Image.open(PHOTO) as photo:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = 26  # FocalLengthIn35mmFilm
        photo.save("phone.jpg", exif=exif)
    run("predict", "phone.jpg", "-f", "npy")
    camera = json.loads(Path("phone_depth.npy.json").read_text())["camera"]
    assert camera["source"] == "EXIF"
    assert camera["fx"] == pytest.approx(26 * np.hypot(640, 427) / np.hypot(36, 24), rel=1e-4)
