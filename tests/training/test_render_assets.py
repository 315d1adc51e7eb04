"""Assets: what is unpacked, found and read; tracks of the validation set are not. All of it made up here."""

from __future__ import annotations

import base64
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training.render import assets, catalogue, spm
from training.render.assets import DEBIAN, Assets, is_wanted
from training.render.parameters import HELD_OUT_TRACKS

KARTS = "./usr/share/games/supertuxkart/data/"


def package(name: str) -> assets.Package:
    return next(p for p in DEBIAN if p.name == name)


def test_only_what_is_used_is_unpacked_and_always_the_licence() -> None:
    karts = package("supertuxkart-data")
    assert is_wanted(KARTS + "tracks/mines/scene.xml", karts)
    assert is_wanted("./usr/share/doc/supertuxkart-data/copyright", karts)
    assert not is_wanted(KARTS + "music/main.music", karts)
    assert not is_wanted(KARTS + "tracks/mines/waterfall.ogg", karts)


def test_what_was_fetched_before_stays_on_record(tmp_path: Path) -> None:
    row = "| mate-backgrounds | 1.26.0-1 | GPL-2+, CC-BY-SA 4.0 | 0123 |"
    record = tmp_path / assets.RECORD
    record.write_text(f"| package | version | licences | SHA-256 |\n|---|---|---|---|\n{row}\n\nDetails: x\n")
    assert assets.recorded(tmp_path) == {"mate-backgrounds": row}
    assets.fetch(tmp_path, only=["no package of ours"])
    assert row in record.read_text().splitlines()
    assert assets.recorded(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("track", sorted(HELD_OUT_TRACKS))
def test_tracks_of_the_validation_set_are_not_unpacked(track: str) -> None:
    assert not is_wanted(f"{KARTS}tracks/{track}/scene.xml", package("supertuxkart-data"))


@pytest.fixture
def karts(tmp_path: Path) -> Path:
    for track in ("mines", "abyss", "introcutscene", "zengarden", *HELD_OUT_TRACKS):
        (tmp_path / "tracks" / track).mkdir(parents=True)
        (tmp_path / "tracks" / track / "scene.xml").write_text("<scene/>")
    return tmp_path


def test_no_seed_stands_for_a_held_out_track(karts: Path) -> None:
    assert spm.tracks(karts) == ["abyss", "mines", "zengarden"]
    assert {spm.track_of(karts, seed) for seed in range(7000, 7100)} == {"abyss", "mines", "zengarden"}
    assert spm.track_of(karts, 7000) == spm.track_of(karts, 7003)


def test_a_held_out_track_is_refused_even_if_it_is_there(karts: Path) -> None:
    assert spm.scene_of(karts, "mines").is_file()
    for track in HELD_OUT_TRACKS:
        with pytest.raises(ValueError, match="validation"):
            spm.scene_of(karts, track)


def test_without_tracks_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        spm.track_of(tmp_path, 7000)


POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
UV = np.array([[0, 0], [1, 0], [0, 0.5], [0.25, 1]], np.float16)
TRIANGLES = [0, 1, 2, 0, 2, 3]


def mesh(coloured: bool) -> bytes:
    """An SPM file of one part with normals, texture coordinates and, if asked, colours of both lengths."""
    out = b"SP" + bytes([8, 1 | 2 * coloured]) + bytes(24) + struct.pack("<H", 1)
    out += bytes([8]) + b"wall.png" + bytes([0]) + struct.pack("<HHIIH", 1, 1, 4, 6, 0)
    for i, (point, uv) in enumerate(zip(POINTS, UV, strict=True)):
        colour = (bytes([128]) if i % 2 else bytes([7, 1, 2, 3])) if coloured else b""
        out += point.tobytes() + bytes(4) + colour + uv.tobytes()
    return out + bytes(TRIANGLES)


@pytest.mark.parametrize("coloured", [False, True])
def test_a_mesh_is_read(tmp_path: Path, coloured: bool) -> None:
    path = tmp_path / "wall.spm"
    path.write_bytes(mesh(coloured))
    (part,) = spm.read(path)
    assert part.texture == "wall.png"
    assert (part.points == POINTS).all()
    assert (part.uv == np.stack([UV[:, 0], 1 - UV[:, 1]], 1)).all()
    assert part.triangles.ravel().tolist() == TRIANGLES


def test_what_is_no_mesh_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wall.spm").write_bytes(b"no" + bytes(60))
    with pytest.raises(ValueError, match=r"wall\.spm"):
        spm.read(tmp_path / "wall.spm")


def test_the_line_of_a_track_follows_corners_named_by_earlier_quads(tmp_path: Path) -> None:
    (tmp_path / "quads.xml").write_text(
        '<quads><height-testing/><quad p0="0 0 0" p1="2 0 0" p2="2 0 2" p3="0 0 2"/>'
        '<quad p0="0:3" p1="0:2" p2="2 4 4" p3="0 4 4"/></quads>'
    )
    assert [middle.tolist() for middle in spm.quads(tmp_path)] == [[1, 0, 1], [1, 2, 3]]
    assert spm.quads(tmp_path / "arena") == []


def test_the_catalogue_knows_sizes_in_metres_and_leaves_out_what_is_missing(tmp_path: Path) -> None:
    library = tmp_path / "Library"
    library.mkdir()
    (library / "oak.obj").write_text("v 0 0 0")
    (library / "PluginFurnitureCatalog.properties").write_text(
        "id=Library\nname#1=Copper beech\ncategory#1=Exterior\nmodel#1=/oak.obj\nwidth#1=750\ndepth#1=730\n"
        "height#1=800\nmodelRotation#1=1 0 0 0 1 0 0 0 1\n"
        "name#2=Gone\ncategory#2=Exterior\nmodel#2=/gone.obj\nwidth#2=1\ndepth#2=1\nheight#2=1\n"
        "name#3=Window\ncategory#3=Doors\nmodel#3=/oak.obj\nwidth#3=90\ndepth#3=10\nheight#3=120\n"
        "elevation#3=85\ndoorOrWindow#3=true\n",
        encoding="latin1",
    )
    tree, window = catalogue.read(tmp_path)
    assert (tree.name, tree.size, tree.rotation) == (
        "Copper beech",
        (7.5, 7.3, 8.0),
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
    )
    assert (window.elevation, window.opening) == (0.85, True)
    exterior, games = catalogue.CHOICES["trees"]
    assert (exterior.of([tree, window]), games.of([tree, window])) == ([tree], [])


def save(path: Path, colours: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours.astype(np.uint8)).save(path)


def test_textures_are_opaque_pictures_of_colours(tmp_path: Path) -> None:
    rng, base = np.random.default_rng(0), tmp_path / "usr/share/games/redeclipse/data/trak"
    brick = rng.integers(60, 180, (128, 128, 3))
    save(base / "brick1.png", brick)
    save(base / "brick1_nm.png", brick)
    save(base / "brick_long.png", np.tile(brick, (1, 3, 1)))
    save(base / "brick_black.png", brick // 20)
    save(base / "brick_hole.png", np.dstack([brick, np.full((128, 128), 90)]))
    save(base / "brick_bumps.png", np.full((128, 128, 3), (128, 128, 250)))
    (base / "brick_broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = Assets(tmp_path)
    assert found.textures("wall") == [base / "brick1.png"]
    assert found.textures("grass") == []
    assert (tmp_path / assets.INDEX).exists()
    assert Assets(tmp_path).textures("any") == [base / "brick1.png"], "from the index"


def test_nested_archives_are_unpacked_and_removed(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    with zipfile.ZipFile(tmp_path / "usr/Scopia.sh3f", "w") as library:
        library.writestr("LICENSE.TXT", "CC-BY")
    with zipfile.ZipFile(tmp_path / "usr/sweethome3d.jar", "w") as jar:
        jar.writestr(assets.SWEETHOME_TEXTURES + "brick.jpg", b"jpeg")
        jar.writestr("com/eteks/Main.class", b"code")
    assets.unpack_nested(tmp_path)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["furniture/Scopia/LICENSE.TXT", "textures/sweethome3d/brick.jpg"]


def test_panoramas_are_decoded_from_modules_of_javascript(tmp_path: Path) -> None:
    archive = tmp_path / "assets.tgz"
    with tarfile.open(archive, "w:gz") as files:
        for name in ("package/hdri/city.exr.js", "package/hdri/city.exr.d.ts", "package/hdri/lab.exr.js"):
            text = b'export default "data:;base64,' + base64.b64encode(name.encode()) + b'"'
            member = tarfile.TarInfo(name)
            member.size = len(text)
            files.addfile(member, io.BytesIO(text))
    assets.unpack_npm(archive, tmp_path)
    found = Assets(tmp_path)
    assert [p.name for p in found.panoramas(outdoors=False)] == ["city.exr", "lab.exr"]
    assert [p.name for p in found.panoramas()] == ["city.exr"]
    assert found.panoramas()[0].read_bytes() == b"package/hdri/city.exr.js"
