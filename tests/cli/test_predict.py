"""``depthmap predict`` and ``batch``: pictures in, useful files out, whatever becomes of one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import depthmap
from cli.conftest import Run
from depthmap.cache import ModelCache
from support import PHOTO, flip, rot


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory, the current one's, with two small pictures, one below, and a damaged one."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    with Image.open(PHOTO) as photo:
        photo.resize((96, 64)).save(folder / "a.jpg")
        photo.resize((64, 96)).save(folder / "b.png")
        photo.resize((96, 64)).save(folder / "trip" / "a.jpg")
    (folder / "bad.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_photo_gives_maps_in_this_directory_and_says_how(run: Run, photos: Path) -> None:
    done = run("predict", photos / "a.jpg")
    assert done.status == 0, done.err
    assert done.out.split() == ["a_depth.png", "a_colour.png"]
    with Image.open("a_depth.png") as depth:
        assert (depth.size, np.asarray(depth).dtype) == ((96, 64), np.uint16)
        assert np.ptp(np.asarray(depth).astype(int)) == 65535
    assert "Model: Depthmap_Tiny, embedded, by onnxruntime on cpu" in done.err
    assert "no other model is cached that may be the default" in done.err
    for step in ("import", "load", "read", "predict", "write"):
        assert f"{step} " in done.err


def test_the_environment_chooses_the_model_and_an_option_before_it(
    run: Run, mine: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHMAP_MODEL", mine)
    chosen = run("predict", photos / "a.jpg", "--json").document
    assert (chosen["model"], chosen["source"]) == (mine, "pt")
    assert "DEPTHMAP_MODEL" in chosen["reason"]
    assert (
        run("predict", photos / "a.jpg", "--model", "depthmap_tiny", "--json").document["source"]
        == "embedded"
    )


def test_json_says_everything(run: Run, photos: Path) -> None:
    document = run(
        "predict", photos / "a.jpg", photos / "b.png", "-o", "out", "--format", "npy", "--json"
    ).document
    assert [r["files"] for r in document["results"]] == [["out/a_depth.npy"], ["out/b_depth.npy"]]
    assert [(r["width"], r["height"]) for r in document["results"]] == [(96, 64), (64, 96)]
    assert set(document["seconds"]) == {"import", "load", "read", "predict", "write"}
    assert np.load("out/b_depth.npy").shape == (96, 64)


def test_outputs_may_be_repeated_or_separated_by_commas(run: Run, photos: Path) -> None:
    done = run("predict", photos / "a.jpg", "--output", "npy,pfm", "-f", "side-by-side")
    assert done.out.split() == ["a_depth.npy", "a_depth.pfm", "a_side.png"]
    wrong = run("predict", photos / "a.jpg", "--output", "depth.png")
    assert wrong.status == 2
    assert "side-by-side" in wrong.err


def test_one_picture_may_go_to_one_file(run: Run, photos: Path) -> None:
    assert run("predict", photos / "a.jpg", "-o", "new/map.npy").out.split() == ["new/map.npy"]
    assert np.load("new/map.npy").dtype == np.float32
    assert run("predict", photos / "a.jpg", "-o", "map.docx").status == 2
    assert run("predict", photos / "a.jpg", "-o", "map.png", "-f", "png16,colour").status == 2


def test_a_picture_is_never_overwritten(run: Run, photos: Path) -> None:
    before = (photos / "b.png").read_bytes()
    assert run("predict", photos / "b.png", "-o", photos / "b.png").status == 2
    shutil.copy(photos / "b.png", photos / "a_depth.png")
    assert run("predict", photos / "a.jpg", photos / "a_depth.png", "-o", photos).status == 2
    assert (photos / "b.png").read_bytes() == (photos / "a_depth.png").read_bytes() == before


def test_one_that_fails_does_not_stop_the_others(run: Run, photos: Path) -> None:
    done = run("predict", photos / "bad.jpg", photos / "a.jpg", "nosuch.jpg", "--json")
    assert done.status == 3
    statuses = {Path(r["picture"]).name: r["status"] for r in done.document["results"]}
    assert statuses == {"bad.jpg": "failed", "a.jpg": "done", "nosuch.jpg": "failed"}
    alone = run("predict", photos / "bad.jpg", "--json")
    assert (alone.status, alone.document["error"]) == (1, "ImageError")
    assert run("predict", "nosuch.jpg").status == 1


def test_a_checkpoint_in_place_of_a_picture_is_told_with_what_to_do(run: Run, tiny_checkpoint: Path) -> None:
    done = run("predict", tiny_checkpoint, "--json")
    assert (done.status, done.document["error"]) == (1, "ImageError")
    assert "a checkpoint, not a picture" in done.document["message"]
    assert f"depthmap models import --input {tiny_checkpoint}" in done.document["remedy"]


def test_a_missing_model_is_not_replaced_silently(run: Run, photos: Path) -> None:
    done = run("predict", photos / "a.jpg", "--model", "DPT_Large", "--json")
    assert (done.status, done.document["error"]) == (1, "ModelUnavailable")
    for remedy in ("models download", "models import", "DEPTHMAP_MIRRORS", "Depthmap_Tiny"):
        assert remedy in done.document["remedy"]
    assert run("predict", photos / "a.jpg", "--model", "nosuch").status == 2
    assert not list(Path().glob("*.png"))


def test_no_cache_reads_nothing_from_the_cache(run: Run, mirror: Path, photos: Path) -> None:
    done = run("predict", photos / "a.jpg", "--model", "Toy", "--no-cache", "--json")
    assert done.document["source"] == "download", done.err
    assert not ModelCache().is_cached("toy")


def test_verify_reads_every_byte(run: Run, mine: str, photos: Path) -> None:
    path = ModelCache().cache_dir / "midas_mine.pt"
    with rot(path):
        flip(path, 1_000_000)
    args = ["predict", photos / "a.jpg", "--model", mine]
    assert run(*args, "--json").document["source"] == "pt"  # an equal stamp is believed
    done = run(*args, "--verify", "--json")
    assert done.document["source"] == "h5"
    assert "warning: Model file corrupted" in done.err
    assert "DEPTHMAP_VERIFY" not in os.environ


def test_pictures_and_maps_may_go_through_pipes(photos: Path) -> None:
    args = [sys.executable, "-m", "depthmap", "predict", "-", "-o", "-", "--output", "npy"]
    done = subprocess.run(args, input=(photos / "a.jpg").read_bytes(), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert np.load(io.BytesIO(done.stdout)).shape == (64, 96)
    assert not list(Path().glob("*.npy"))


def test_stdout_takes_one_thing(run: Run, photos: Path) -> None:
    for args in (["-f", "npy,pfm"], ["--json"], [photos / "b.png"]):
        assert run("predict", photos / "a.jpg", "-o", "-", *args).status == 2


def test_a_name_that_is_no_text_is_a_name(photos: Path) -> None:
    name = os.fsencode(photos) + b"/\xff.jpg"
    try:
        shutil.copy(photos / "a.jpg", name)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    args = [sys.executable, "-m", "depthmap", "predict", name]
    done = subprocess.run(args, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [b"\xff_depth.png", b"\xff_colour.png"]


def test_batch_does_what_it_can_and_goes_on_where_it_was(run: Run, photos: Path) -> None:
    args = ["batch", photos, "-o", "out", "--recursive", "--format", "png16"]
    first = run(*args)
    assert first.status == 3
    assert sorted(first.out.split()) == ["out/a_depth.png", "out/b_depth.png", "out/trip/a_depth.png"]
    assert "3 pictures done, 1 failed" in first.err
    (photos / "bad.jpg").unlink()
    Path("out/b_depth.png").unlink()
    second = run(*args, "--json").document
    assert {k: second[k] for k in ("done", "skipped", "failed")} == {"done": 1, "skipped": 2, "failed": 0}
    third = run(*args)
    assert (third.status, third.out) == (0, "")
    assert "Model:" not in third.err  # nothing to do: no model is loaded
    assert run(*args, "--overwrite", "--json").document["done"] == 3


def test_batch_into_the_directory_of_the_pictures_takes_no_map_for_a_picture(run: Run, photos: Path) -> None:
    (photos / "bad.jpg").unlink()
    for _ in range(2):
        assert run("batch", photos, "-o", photos, "-r").status == 0
    assert len(list(photos.rglob("*.*"))) == 9
    assert run("batch", "nosuch", "-o", "out").status == 1


def test_options_say_how_deep_points_meshes_and_stereo_are(run: Run, photos: Path) -> None:
    done = run("predict", photos / "a.jpg", "-f", "ply,glb,normal,stereo,anaglyph", "--ratio", 3, "--eyes", 1)
    assert done.status == 0, done.err
    assert done.out.split() == [
        f"a_{name}" for name in ("points.ply", "mesh.glb", "normal.png", "stereo.png", "anaglyph.png")
    ]
    assert b"comment units: nearest = 1, farthest = 3 (assumed)\n" in Path("a_points.ply").read_bytes()
    assert b"farthest = 3 (assumed)" in Path("a_mesh.glb").read_bytes()
    with Image.open("a_stereo.png") as pair:
        assert pair.size == (2 * 96, 64)
        assert "by 1 % of the width" in pair.text["Eyes"]
    assert run("batch", photos, "-o", "out", "-f", "ply", "--ratio", 2).status == 3
    assert b"farthest = 2 (assumed)" in Path("out", "b_points.ply").read_bytes()


@pytest.mark.parametrize("option", ["--ratio=1", "--ratio=x", "--eyes=-1", "--eyes=30"])
def test_depths_out_of_range_are_wrong_use(run: Run, photos: Path, option: str) -> None:
    done = run("predict", photos / "a.jpg", option)
    assert done.status == 2
    assert option.split("=")[0] in done.err


@pytest.mark.parametrize(("output", "module", "extra"), [("glb", "trimesh", "3d"), ("exr", "OpenEXR", "exr")])
def test_a_missing_package_is_named_before_a_model_is_loaded(
    run: Run, photos: Path, output: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = run("predict", photos / "a.jpg", "-f", output)
    assert done.status == 1
    assert f"pip install 'depthmap[{extra}]'" in done.err
    assert "Model:" not in done.err
    assert sorted(path.name for path in Path().iterdir()) == ["photos"]


@pytest.mark.parametrize("command", ["predict", "batch"])
def test_the_commands_take_a_size(command: str, run: Run, tmp_path: Path) -> None:
    words = (command, PHOTO, "-o", tmp_path, "-f", "npy", "--overwrite")[: 6 + (command == "batch")]
    document = run(*words, "--size", 100, "--json").document
    assert document["size"] == 96
    expected = depthmap.DepthEstimator("Depthmap_Tiny", size=96).predict(PHOTO)
    assert np.array_equal(np.load(tmp_path / "china_depth.npy"), expected)
    assert run(*words, "--json").document["size"] is None
    assert "at 96 pixels" in run(*words, "--size", 96).err
    wrong = run(*words, "--size", 8)
    assert wrong.status == 2
    assert "32<=x<=1536" in wrong.err
