"""save() picks outputs by name or by ending; the table is complete and light."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from depthmap.depth import Depth
from depthmap.errors import UsageError
from depthmap.outputs import OUTPUTS, Output, require, save

PICTURE = np.zeros((3, 4, 3), np.uint8)
DEPTH = Depth(np.arange(12, dtype=np.float32).reshape(3, 4), pixels=PICTURE)


def test_the_table_names_the_outputs_with_different_suffixes():
    assert list(OUTPUTS) == [
        *("png16", "colour", "npy", "npz", "pfm", "tiff", "exr", "rgbd"),
        *("ply", "glb", "normal", "side-by-side", "stereo", "anaglyph"),
    ]
    assert len({output.suffix for output in OUTPUTS.values()}) == len(OUTPUTS)
    for name, output in OUTPUTS.items():
        assert isinstance(output, Output)
        assert output.name == name
        assert output.about


def test_listing_the_outputs_loads_no_numpy():
    code = "import sys, depthmap.outputs; sys.exit(bool({'numpy', 'PIL', 'torch', 'trimesh'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "magic"),
    [
        ("a.png", b"\x89PNG"),
        ("a.NPY", b"\x93NUMPY"),
        ("a.pfm", b"Pf\n"),
        ("a.npz", b"PK\3\4"),
        ("a.tiff", b"II*\0"),
        ("a.exr", b"v/1\1"),
        ("a.ply", b"ply\n"),
        ("a.glb", b"glTF"),
    ],
)
def test_the_ending_of_a_path_says_what_is_written(file, magic, tmp_path):
    assert save(DEPTH, tmp_path / file) == [tmp_path / file]
    assert (tmp_path / file).read_bytes().startswith(magic)


def test_a_stem_and_names_give_one_file_each(tmp_path):
    written = save(DEPTH, tmp_path / "photo.v2", list(OUTPUTS))
    names = [
        "photo.v2_depth.png",
        "photo.v2_colour.png",
        "photo.v2_depth.npy",
        "photo.v2_depth.npz",
        "photo.v2_depth.pfm",
        "photo.v2_depth.tiff",
        "photo.v2_depth.exr",
        "photo.v2_rgbd.tiff",
        "photo.v2_points.ply",
        "photo.v2_mesh.glb",
        "photo.v2_normal.png",
        "photo.v2_side.png",
        "photo.v2_stereo.png",
        "photo.v2_anaglyph.png",
    ]
    assert [path.name for path in written] == names
    facts = ["photo.v2_depth.npy.json", "photo.v2_depth.pfm.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, *facts])


def test_one_name_and_its_ending_give_that_file(tmp_path):
    assert save(DEPTH, str(tmp_path / "a.png"), "colour") == [tmp_path / "a.png"]
    assert save(DEPTH, tmp_path / "b", "colour") == [tmp_path / "b_colour.png"]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b_colour.png").read_bytes()


@pytest.mark.parametrize(
    ("path", "outputs"), [("a.jpg", None), ("a", None), ("a", ["npy", "gif"]), ("a", "")]
)
def test_unknown_names_and_endings_are_refused_before_anything_is_written(path, outputs, tmp_path):
    with pytest.raises(UsageError) as caught:
        save(DEPTH, tmp_path / path, outputs)
    assert "png16" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_require_gives_the_output_or_the_names_there_are():
    assert require("pfm") is OUTPUTS["pfm"]
    with pytest.raises(UsageError, match="side-by-side"):
        require("PNG")


@pytest.mark.parametrize(
    "values",
    [np.zeros((1, 3, 4)), np.zeros(4), np.zeros((0, 4)), np.zeros((2, 2), complex), np.array([["a"]]), None],
    ids=["batch", "row", "empty", "complex", "text", "none"],
)
def test_what_is_no_map_is_refused(values):
    with pytest.raises(UsageError, match="depth map"):
        Depth(values)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_single_pixel_is_written(name, tmp_path):
    OUTPUTS[name].write(tmp_path / "a", Depth(np.ones((1, 1)), pixels=PICTURE[:1, :1]))
    assert (tmp_path / "a").stat().st_size > 0
