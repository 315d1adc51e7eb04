"""Models of games: formats are read, what is damaged is refused, libraries are written. All of it made up here."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from training.render import ac3d, bsp, catalogue, g3d, games, parts, pmd

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
UV = np.array([[0, 0], [1, 0], [0, 0.5], [0.25, 1]], np.float32)
TRIANGLES = [0, 1, 2, 0, 2, 3]


def pmd_mesh(scale: float = 1, prop: tuple[str, int] = ("roof", pmd.NO_BONE)) -> bytes:
    """A mesh with two layers of texture coordinates, a bone, and a prop turned by 90° about z and moved by x = 5."""
    out = struct.pack("<II", len(POINTS), 2)
    for point, uv in zip(POINTS, UV, strict=True):
        out += (point * np.float32(scale)).tobytes() + bytes(12) + uv.tobytes() + bytes(8) + bytes(20)
    out += struct.pack("<I6H", 2, *TRIANGLES) + struct.pack("<I7f", 1, *(0,) * 7)
    name, bone = prop[0].encode(), prop[1]
    half = 0.5**0.5
    out += struct.pack("<II", 1, len(name)) + name + struct.pack("<7fB", 5, 0, 0, 0, 0, half, half, bone)
    return b"PSMD" + struct.pack("<II", 4, len(out)) + out


def g3d_model(texture: str = "tree.png", properties: int = 0, frames: int = 2, vertex: int = 3) -> bytes:
    """A model of one part; only the first of its frames is where ``POINTS`` is."""
    out = b"G3D\x04" + struct.pack("<HB", 1, 0)
    out += struct.pack("<64sIII8fII", b"part", frames, 4, 6, *(0,) * 8, properties, int(bool(texture)))
    out += struct.pack("<64s", texture.encode()) if texture else b""
    out += POINTS.tobytes() + (POINTS + 9).tobytes() * (frames - 1) + bytes(48 * frames)
    out += UV.tobytes() if texture else b""
    return out + struct.pack("<6I", *TRIANGLES[:-1], vertex)


def test_a_pmd_mesh_is_read_with_the_first_layer_of_its_texture_coordinates() -> None:
    mesh = pmd.read(pmd_mesh())
    assert (mesh.points == POINTS).all()
    assert (mesh.uv == UV).all()
    assert mesh.triangles.ravel().tolist() == TRIANGLES


def test_a_place_for_props_turns_and_moves_and_those_of_bones_are_left_out() -> None:
    place = pmd.read(pmd_mesh()).places["roof"]
    assert np.allclose(place @ (1, 0, 0, 1), (5, 1, 0, 1))
    assert pmd.read(pmd_mesh(prop=("hand", 0))).places == {}


def test_a_g3d_model_is_read_as_it_is_in_its_first_frame() -> None:
    (part,) = g3d.read(g3d_model())
    assert (part.points == POINTS).all()
    assert (part.uv == UV).all()
    assert (part.texture, part.opaque) == ("tree.png", False)
    assert part.triangles.ravel().tolist() == TRIANGLES


def test_alpha_that_stands_for_a_teams_colour_cuts_nothing_out() -> None:
    assert g3d.read(g3d_model(properties=g3d.TEAM_COLOURS))[0].opaque


def test_a_g3d_part_without_a_texture_has_none() -> None:
    (part,) = g3d.read(g3d_model(texture=""))
    assert (part.texture, part.triangles.ravel().tolist()) == ("", TRIANGLES)


def test_a_triangle_whose_vertex_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="vertex"):
        g3d.read(g3d_model(vertex=4))


@given(st.data())
def test_files_that_end_too_early_are_refused(data: st.DataObject) -> None:
    whole, read = data.draw(st.sampled_from([(pmd_mesh(), pmd.read), (g3d_model(), g3d.read)]))
    with pytest.raises(ValueError, match=r"PMD|G3D"):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])


TRACK = """AC3Db
MATERIAL "" rgb 1 1 1 amb 1 1 1 emis 0 0 0 spec 0 0 0 shi 0 trans 0
OBJECT world
kids 2
OBJECT group
name "road"
kids 0
OBJECT poly
name "a"
texture "asphalt two.rgb" base
texture "shadow.rgb" tiled
texture empty_texture_no_mapping skids
numvert 4
0 0 0 0 1 0
1 0 0 0 1 0
0 2 0 0 1 0
0 0 3 0 1 0
numsurf 3
SURF 0x14
mat 0
refs 4
0 0.0 0.0 9 9
1 1.0 0.0 9 9
2 0.0 0.5 9 9
3 0.25 1.0 9 9
SURF 0x30
mat 0
refs 4
0 0 0
1 1 0
2 0 0.5
3 0.25 1
SURF 0x22
mat 0
refs 2
0 0 0
1 0 0
kids 0
"""


def test_strips_and_polygons_of_a_track_become_triangles_and_lines_do_not() -> None:
    (part,) = ac3d.read(TRACK)
    assert part.texture == "asphalt two.rgb"
    corners = [[0, 1, 2], [1, 2, 3], [0, 1, 2], [0, 2, 3]]
    assert (part.points[part.triangles] == POINTS[corners]).all()
    assert (part.uv[part.triangles] == UV[corners]).all()


def test_what_is_no_ac3d_file_is_refused() -> None:
    with pytest.raises(ValueError, match="AC3D"):
        ac3d.read("OBJECT world")


def picture(alpha: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), (10, 200, 30, alpha)).save(buffer, kind)
    return buffer.getvalue()


ACTOR = """<actor version="1"><group>
<variant name="a"><mesh>oak.dae</mesh></variant><variant name="b"><mesh>oak_tall.dae</mesh></variant>
</group><group><variant><textures><texture file="oak.png" name="baseTex"/></textures>
<props><prop actor="props/nest.xml" attachpoint="roof"/><prop actor="particle/smoke.xml" attachpoint="root"/></props>
</variant></group><material>basic_trans.xml</material></actor>"""
NEST = ACTOR.replace("basic_trans", "player_trans").split("<props>")[0] + "</variant></group></actor>"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(tmp_path / "public.zip", "w") as made:
        made.writestr("art/actors/flora/trees/oak.xml", ACTOR)
        made.writestr("art/actors/props/nest.xml", NEST)
        made.writestr("art/actors/structures/romans/field.xml", ACTOR)
        made.writestr("art/meshes/oak.dae.cached.pmd", pmd_mesh())
        made.writestr("art/meshes/oak_tall.dae.cached.pmd", pmd_mesh(scale=40))
        made.writestr("art/textures/skins/oak.png.cached.dds", picture(0, "DDS"))
        made.writestr("art/textures/terrain/types/grass_a.dds", picture(9, "DDS"))
        made.writestr("art/textures/terrain/types/grass_a_norm.dds", picture(9, "DDS"))
    with zipfile.ZipFile(tmp_path / "public.zip") as written:
        yield written


def test_an_actor_is_a_model_with_its_props_and_what_is_too_tall_is_none(archive: zipfile.ZipFile) -> None:
    (model,) = games.ZeroAD(archive).models()
    assert model.category == "Trees"
    tree, nest = model.parts
    assert (tree.opaque, nest.opaque) == (False, True)
    assert (tree.points == POINTS).all()
    assert np.allclose(nest.points, POINTS[:, [1, 0, 2]] * (-1, 1, 1) + (5, 0, 0), atol=1e-6)


def test_of_the_grounds_only_colours_are_given(archive: zipfile.ZipFile) -> None:
    ((name, image),) = games.ZeroAD(archive).grounds()
    assert (name, image.mode) == ("grass_a", "RGB")


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    models = tmp_path / "glest/tilesets/forest/models"
    models.mkdir(parents=True)
    for name in ("big_tree", "stone", "none", "statue", "river_reed"):
        (models / f"{name}.g3d").write_bytes(g3d_model())
    (models / "same_tree.g3d").symlink_to("big_tree.g3d")
    (models / "lost_tree.g3d").symlink_to("gone.g3d")
    (models / "broken_tree.g3d").write_bytes(g3d_model()[:-1])
    (models / "tree.png").write_bytes(picture(0))
    units = tmp_path / "glest/techs/pack/factions/norse/units/hut/models"
    units.mkdir(parents=True)
    for name in ("hut", "hut_construction"):
        (units / f"{name}.g3d").write_bytes(g3d_model(properties=g3d.TEAM_COLOURS))
    (units / "tree.png").write_bytes(picture(0))
    return tmp_path / "glest"


def test_models_of_tilesets_and_units_at_rest_are_sorted_by_what_they_are(forest: Path) -> None:
    found = {model.name.split("-")[1]: model.category for model in games.glest(forest)}
    assert found == {
        "big_tree": "Trees",
        "river_reed": "Bushes",
        "statue": "Things",
        "stone": "Rocks",
        "hut": "Buildings",
    }


def test_a_written_library_is_read_by_the_catalogue_and_alpha_stays_where_it_cuts(
    forest: Path, tmp_path: Path
) -> None:
    games.write(games.glest(forest), tmp_path / "furniture/glest")
    items = {item.name.split("-")[1]: item for item in catalogue.read(tmp_path / "furniture")}
    assert items["big_tree"].size == pytest.approx((1.8, 5.4, 3.6), abs=0.01)
    modes = {}
    for name in ("big_tree", "hut"):
        material = items[name].path.with_suffix(".mtl").read_text().split()[-1]
        with Image.open(items[name].path.parent / material) as skin:
            modes[name] = skin.mode
    assert modes == {"big_tree": "RGBA", "hut": "RGB"}
    lines = items["hut"].path.read_text().splitlines()
    assert [line for line in lines if line.startswith("f ")] == ["f 1/1 2/2 3/3", "f 1/1 3/3 4/4"]
    assert lines[1] == "v 0.00000 0.00000 0.00000"


def test_images_of_circuits_become_png_and_those_that_are_damaged_go(tmp_path: Path) -> None:
    Image.new("RGB", (1024, 512), (9, 9, 9)).save(tmp_path / "road.rgb", "SGI")
    (tmp_path / "odd.rgb").write_bytes(b"no image")
    games.convert_images(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["road.png"]
    with Image.open(tmp_path / "road.png") as image:
        assert image.size == (512, 256)


ENTITIES = b"""{ "classname" "worldspawn" } { "classname" "info_player_deathmatch" "origin" "32 64 -32" }
{ "classname" "light" "origin" "1 2 3" }"""


def world(flags: int = 0, kind: int = bsp.MESH, corner: int = 3) -> bytes:
    """A world of one surface: two triangles, or a patch of 3 × 3 control points, each 32 units apart, bulging by 64."""
    grid = [(32.0 * x, 32.0 * y, 64.0 * (x == 1 and y == 1)) for y in range(3) for x in range(3)]
    points = grid if kind == bsp.PATCH else (POINTS * 32).tolist()
    uv = [(x / 64, y / 64) for x, y, _ in points]
    vertices = b"".join(
        struct.pack("<5f24x", *point, *where) for point, where in zip(points, uv, strict=True)
    )
    face = struct.pack("<7i68x2i", 0, -1, kind, 0, len(points), 0, 6, 3, 3)
    lumps = {
        bsp.ENTITIES: ENTITIES,
        bsp.SHADERS: struct.pack("<64sii", b"textures/Wall\0\3\3", flags, 0),
        bsp.VERTICES: vertices,
        bsp.CORNERS: struct.pack("<6i", 0, 1, 2, 0, 2, corner),
        bsp.FACES: face,
    }
    table, body = b"", b""
    for number in range(17):
        content = lumps.get(number, b"")
        table += struct.pack("<ii", 8 + 17 * 8 + len(body), len(content))
        body += content
    return b"IBSP" + struct.pack("<i", 46) + table + body


def test_a_world_is_read_in_metres_with_the_places_where_players_appear() -> None:
    read = bsp.read(world())
    (part,) = read.parts
    assert part.texture == "textures/Wall"
    assert (part.points[part.triangles] == POINTS[np.reshape(TRIANGLES, (2, 3))]).all()
    assert read.places.tolist() == [[1, 2, -1]]


def test_a_patch_passes_through_its_corners_and_half_way_to_its_middle() -> None:
    (part,) = bsp.read(world(kind=bsp.PATCH)).parts
    side = bsp.FINENESS + 1
    surface = part.points.reshape(side, side, 3)
    assert np.allclose(surface[[0, -1], [0, -1]], [(0, 0, 0), (2, 2, 0)])
    assert np.allclose(surface[side // 2, side // 2], (1, 1, 0.5))
    assert np.allclose(part.uv.reshape(side, side, 2)[side // 2, side // 2], (0.5, 0.5))
    assert len(part.triangles) == 2 * bsp.FINENESS**2


def test_the_sky_of_a_world_is_no_surface() -> None:
    assert bsp.read(world(flags=bsp.SKY)).parts == []


@given(st.data())
def test_a_damaged_world_is_refused(data: st.DataObject) -> None:
    whole = world()
    with pytest.raises(ValueError, match="IBSP"):
        bsp.read(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match="IBSP"):
        bsp.read(world(corner=data.draw(st.integers(4, 99))))


SHADERS = """
/* walls { and
   beams */
textures/wall // a wall
{
    surfaceparm stone
    { map $lightmap
      rgbgen identity }
    { clampmap textures/bricks.tga
      alphaFunc GE128 }
}
textures/Beam { { map textures/beam.tga
 blendfunc add } }
textures/fog { surfaceparm fog }
"""


def test_a_script_of_shaders_says_what_image_is_shown_and_what_is_no_surface() -> None:
    read = bsp.shaders(SHADERS)
    assert read["textures/wall"] == bsp.Shader("textures/bricks", cut_out=True, solid=True)
    assert [read[f"textures/{name}"].solid for name in ("beam", "fog")] == [False, False]


def test_an_arenas_images_are_written_with_the_shaders_that_show_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pak0.pk3", "w") as pack:
        pack.writestr("maps/yard.bsp", world())
        pack.writestr("scripts/yard.shader", SHADERS)
        pack.writestr("textures/Bricks.tga", picture(0, "TGA"))
        pack.writestr("textures/unused.tga", picture(0, "TGA"))
    with zipfile.ZipFile(tmp_path / "pak0.pk3") as pack:
        games.write_arenas([pack], tmp_path / "arenas")
    looks = json.loads((tmp_path / "arenas" / games.ARENA_LOOKS).read_text())
    assert looks == {"textures/wall": ["textures/bricks.png", True]}
    written = {p.relative_to(tmp_path / "arenas").as_posix() for p in (tmp_path / "arenas").rglob("*.*")}
    assert written == {"looks.json", "maps/yard.bsp", "textures/bricks.png"}


def test_parts_that_are_joined_keep_their_triangles_and_z_is_up_without_mirroring() -> None:
    (part,) = g3d.read(g3d_model())
    both = parts.z_up(parts.joined([part, part]))
    corners = both.points[both.triangles]
    assert (corners[:2] == corners[2:]).all()
    assert (corners[1, 2] == (0, -3, 0)).all()
    before, after = (np.linalg.det(POINTS[1:]), np.linalg.det(both.points[1:4]))
    assert before == after
