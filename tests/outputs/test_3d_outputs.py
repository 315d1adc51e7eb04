"""ply and glb hold the points and the surface as they are, and say in which units; others read them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

import gltf
from depthmap.camera import Camera
from depthmap.depth import METRIC, Depth
from depthmap.errors import MissingExtra
from depthmap.outputs import OUTPUTS, Options, save
from raycast import room

ROOM = room()
ASSUMED = "nearest = 1, farthest = 4 (assumed)"


def encoded(name: str, depth: Depth, **options: float) -> bytes:
    stream = io.BytesIO()
    OUTPUTS[name].write(stream, depth, Options(**options))
    return stream.getvalue()


def header(ply: bytes) -> list[str]:
    return ply[: ply.index(b"end_header\n")].decode("ascii").splitlines()


def facts_of(ply: bytes) -> dict[str, object]:
    (line,) = [line for line in header(ply) if line.startswith("comment depthmap {")]
    return json.loads(line.removeprefix("comment depthmap "))


def load(name: str, data: bytes) -> trimesh.Trimesh | trimesh.PointCloud | trimesh.Scene:
    return trimesh.load(io.BytesIO(data), file_type=name, process=False)


def test_the_points_of_a_ply_lie_within_a_percent_of_the_true_ones() -> None:
    cloud = load("ply", encoded("ply", ROOM.calibrated()))
    true = ROOM.points.reshape(-1, 3)
    off = np.linalg.norm(cloud.vertices - true, axis=1) / np.linalg.norm(true, axis=1)
    assert off.max() < 0.01


@pytest.mark.parametrize("depth", [ROOM.depth(), ROOM.calibrated()], ids=["relative", "metres"])
def test_a_ply_has_the_points_bit_for_bit_and_the_colours_of_the_picture(depth: Depth) -> None:
    data = encoded("ply", depth)
    cloud = load("ply", data)
    expected = depth.points()
    assert np.array_equal(cloud.vertices.astype(np.float32).view(np.uint32), expected.xyz.view(np.uint32))
    assert np.array_equal(cloud.visual.vertex_colors[:, :3], expected.colours)
    # and by the letter: three floats and four bytes a point
    body = np.frombuffer(data[data.index(b"end_header\n") + 11 :], [("xyz", "<f4", 3), ("rgba", "u1", 4)])
    assert np.array_equal(body["xyz"], expected.xyz)
    assert np.array_equal(body["rgba"][:, :3], expected.colours)


def test_a_ply_says_what_its_numbers_mean() -> None:
    depth = ROOM.depth()
    lines = header(encoded("ply", depth, ratio=4))
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert f"comment units: {ASSUMED}" in lines
    assert any(line.startswith("comment axes: x right, y up, z towards the viewer") for line in lines)
    facts = facts_of(encoded("ply", depth, ratio=4))
    assert facts["coordinates"] == ASSUMED
    assert facts.items() >= depth.facts().items()
    assert facts_of(encoded("ply", ROOM.calibrated()))["coordinates"] == "metres"


@pytest.mark.parametrize("name", ["a\nend_header\n", "写真" * 120, "x" * 255, "é\0\r"])
def test_no_name_of_a_picture_breaks_a_ply_or_makes_a_line_too_long_for_readers(name: str) -> None:
    data = encoded("ply", Depth(np.ones((2, 2)), name=name))
    assert len(load("ply", data).vertices) == 4
    assert max(len(line) for line in header(data)) < 1024
    assert facts_of(data)["picture"]["width"] == 2
    assert len(gltf.read(encoded("glb", Depth(np.ones((2, 2)), name=name))).surface["faces"]) == 2


def test_the_surface_of_a_glb_is_that_of_the_depth_with_the_picture_on_it() -> None:
    depth = ROOM.calibrated()
    mesh, file = depth.mesh(), gltf.read(encoded("glb", depth))
    surface = file.surface
    assert np.array_equal(surface["POSITION"], mesh.vertices)
    assert np.array_equal(surface["faces"], mesh.faces)
    assert np.allclose(surface["TEXCOORD_0"], mesh.uv, atol=1e-6)
    assert file.image.size == (160, 120)
    assert np.abs(np.asarray(file.image).astype(int) - ROOM.picture).mean() < 3
    column, row = np.rint(surface["TEXCOORD_0"] * [160, 120] - 0.5).astype(int).T
    assert np.allclose(surface["POSITION"], ROOM.points[row, column], rtol=0.01, atol=0.01)


def test_a_glb_says_what_its_numbers_mean() -> None:
    tree = gltf.read(encoded("glb", ROOM.depth(), ratio=4)).tree
    extras = tree["scenes"][0]["extras"]
    assert extras["coordinates"] == ASSUMED
    assert extras.items() >= ROOM.depth().facts().items()
    assert tree["asset"]["generator"].startswith("depthmap ")
    assert gltf.read(encoded("glb", ROOM.calibrated())).tree["scenes"][0]["extras"]["coordinates"] == "metres"


def test_trimesh_reads_a_glb_with_its_texture() -> None:
    scene = load("glb", encoded("glb", ROOM.calibrated()))
    (mesh,) = scene.geometry.values()
    assert np.array_equal(mesh.faces, ROOM.calibrated().mesh().faces)
    sky = mesh.visual.uv[mesh.vertices[:, 1].argmax()]
    assert sky[1] > 0.5  # trimesh counts from the bottom: what is high in space is high in the picture
    assert mesh.visual.material.baseColorTexture.size == (160, 120)


def test_a_texture_is_no_larger_than_graphics_chips_take() -> None:
    wide = Depth(np.ones((30, 5000)), pixels=np.zeros((30, 5000, 3), np.uint8))
    assert gltf.read(encoded("glb", wide)).image.size == (4096, 25)


@pytest.mark.parametrize("name", ["ply", "glb"])
def test_without_a_picture_the_colours_are_those_of_the_depth(name: str) -> None:
    depth = Depth(ROOM.depth().values)
    colours = depth.colour()
    if name == "ply":
        assert np.array_equal(load(name, encoded(name, depth)).colors[:, :3], colours.reshape(-1, 3))
    else:
        image = np.asarray(gltf.read(encoded(name, depth)).image).astype(int)
        assert np.abs(image - colours).mean() < 3


HOLED = np.where(np.arange(120).reshape(10, 12) % 7 == 0, np.inf, 2.0)


@pytest.mark.parametrize(
    ("metres", "points", "triangles"),
    [
        (np.ones((1, 9)), 9, 0),
        (np.full((3, 3), np.nan), 0, 0),
        (np.where(np.arange(9).reshape(3, 3) == 4, 2.0, np.inf), 1, 0),
        (np.full((3, 4), 5.0), 12, 12),
        (HOLED, np.isfinite(HOLED).sum(), None),
    ],
    ids=["a row", "nothing", "a pixel", "flat", "holes"],
)
def test_what_is_there_is_written_and_no_more(metres: np.ndarray, points: int, triangles: int | None) -> None:
    depth = Depth(metres, METRIC, camera=Camera(5, 5, 1, 1))
    assert f"element vertex {points}" in header(encoded("ply", depth))
    file = gltf.read(encoded("glb", depth))
    if triangles == 0:
        assert "meshes" not in file.tree
    else:
        assert len(file.surface["faces"]) == (triangles or len(depth.mesh().faces))


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("ply", "trimesh", "3d"), ("glb", "trimesh", "3d"), ("exr", "OpenEXR", "exr")],
)
def test_a_missing_package_is_named_with_its_remedy_and_nothing_is_written(
    name: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"{module}.*pip install 'depthmap\[{extra}\]'"):
        save(ROOM.depth(), tmp_path / "a", name)
    assert list(tmp_path.iterdir()) == []


def image(name: str, depth: Depth, **options: float) -> tuple[np.ndarray, dict[str, str]]:
    """Return the pixels as OpenCV reads them, in RGB, and the text chunks as Pillow does."""
    from PIL import Image

    data = encoded(name, depth, **options)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels[..., ::-1], Image.open(io.BytesIO(data)).text


def test_a_normal_map_gives_the_true_directions_back() -> None:
    pixels, text = image("normal", ROOM.calibrated())
    assert (pixels.shape, pixels.dtype) == ((120, 160, 3), np.uint8)
    found = pixels / 127.5 - 1
    off = np.degrees(np.arccos(np.clip((found * ROOM.normals).sum(axis=-1), -1, 1)))
    assert np.median(off) < 1
    assert "OpenGL" in text["Convention"]
    assert text["Units"] == "metres"
    assert image("normal", ROOM.depth(), ratio=4)[1]["Units"] == ASSUMED


def test_a_normal_map_has_the_blue_of_what_faces_the_viewer_and_grey_where_nothing_is_known() -> None:
    metres = np.full((5, 6), 3.0)
    metres[2, 2] = np.nan
    pixels, _ = image("normal", Depth(metres, METRIC))
    assert pixels[0, 0].tolist() == [128, 128, 255]
    assert pixels[2, 2].tolist() == [128, 128, 128]


def test_a_stereo_pair_has_the_left_view_on_the_left() -> None:
    depth = ROOM.depth()
    pixels, text = image("stereo", depth, eyes=4)
    left, right = depth.stereo(4)
    assert np.array_equal(pixels, np.concatenate([left, right], axis=1))
    assert "4 % of the width" in text["Eyes"]
    assert "left view | right view" in text["Description"]
    assert json.loads(text["depthmap"])["picture"]["name"] == "room.png"


def test_an_anaglyph_has_the_size_of_the_picture_and_says_which_glasses() -> None:
    pixels, text = image("anaglyph", ROOM.depth(), eyes=1)
    assert pixels.shape == ROOM.picture.shape
    assert "red-cyan" in text["Description"]
    assert "1 % of the width" in text["Eyes"]


@pytest.mark.slow
def test_the_validator_of_khronos_finds_nothing_wrong(tmp_path: Path) -> None:
    """Node and a network for npm: `make gltf` runs it."""
    depths = {"room": ROOM.calibrated(), "relative": ROOM.depth(), "empty": Depth(np.ones((1, 5)))}
    depths["holes"] = Depth(HOLED, METRIC)
    files = [str(path) for name, depth in depths.items() for path in save(depth, tmp_path / name, "glb")]
    install = ["npm", "install", "--prefix", str(tmp_path), "gltf-validator@2.0.0-dev.3.10"]
    subprocess.run(install, check=True, capture_output=True)
    script = """
    const validator = require('gltf-validator'), fs = require('fs')
    Promise.all(process.argv.slice(1).map(file => validator.validateBytes(new Uint8Array(fs.readFileSync(file)))))
      .then(reports => console.log(JSON.stringify(reports.map(report => report.issues))))
    """
    done = subprocess.run(
        ["node", "-e", script, *files], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    for file, issues in zip(files, json.loads(done.stdout), strict=True):
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), (file, issues["messages"])
