"""Close-ups: rays and solids, fur and paper, what is behind, and that all of it is true to depth."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw
from training.render import __main__ as command
from training.render.close import closeup, things
from training.render.close.backdrops import SKY, Scenes, studio
from training.render.close.beasts import animal, person
from training.render.close.fields import blurred, normals, shadowed, smoothed
from training.render.close.layers import Layer, edges_softened
from training.render.close.parameters import KINDS
from training.render.close.skins import Noise, page, panel
from training.render.close.solids import Kind, Solid, cast, entry, rays, solid, turned
from training.render.close.stamps import Stamps, is_photograph, placed, relief
from training.render.frames import Folder

from training import data

GREY = np.full(3, 0.5)


def skin(unit: np.ndarray, model: np.ndarray) -> np.ndarray:
    return np.broadcast_to(GREY, unit.shape)


def noise(seed: int = 0) -> Noise:
    return Noise(np.random.default_rng(seed))


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    """Made-up pairs: a ramp of depth with a strip of sky and a corner where nobody knows."""
    for name in ("nyu", "outdoor"):
        for part in ("rgb", "inverse_depth"):
            (tmp_path / "train" / name / part).mkdir(parents=True)
        rng = np.random.default_rng(len(name))
        inverse = np.linspace(2000, 65535, 90)[:, None].repeat(120, 1).astype(np.uint16)
        inverse[:12], inverse[40:, :20] = 1, 0
        picture = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
        Image.fromarray(picture).save(tmp_path / "train" / name / "rgb" / "0.jpg")
        Image.fromarray(inverse).save(tmp_path / "train" / name / "inverse_depth" / "0.png")
    return Scenes(tmp_path / "train")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closeup, "SHAPES", ((64, 48), (48, 64)))


def test_a_ball_ahead_is_as_far_as_its_front() -> None:
    seen = cast([solid("ball", (0.5, 0.5, 0.5), (0, 0, 3), skin)], rays(65, 49, 40))
    assert seen.depth[24, 32] == pytest.approx(2.5, rel=1e-4)
    assert seen.normal[24, 32] == pytest.approx((0, 0, -1), abs=0.02)
    assert np.isinf(seen.depth[0, 0])


def test_depth_is_planar_a_wall_across_the_view_is_everywhere_as_far() -> None:
    seen = cast([solid("box", (50, 50, 0.5), (0, 0, 4.5), skin)], rays(64, 48, 70))
    assert seen.depth == pytest.approx(np.full((48, 64), 4.0), rel=1e-4)


def test_a_tube_has_a_round_side_and_flat_ends() -> None:
    ahead = np.array([[0.0, 0, 1]])
    assert entry("tube", np.array([0.5, 0, -5.0]), ahead)[0] == pytest.approx([4])
    assert np.isinf(entry("tube", np.array([0.8, 0.8, -5.0]), ahead)[0])
    distance, normal = entry("tube", np.array([-5.0, 0, 0]), np.array([[1.0, 0, 0]]))
    assert distance == pytest.approx([4])
    assert normal == pytest.approx(np.array([[-1.0, 0, 0]]))


@pytest.mark.parametrize("kind", ["ball", "box", "tube"])
def test_rays_meet_a_solid_wherever_it_is_and_its_normals_look_back(kind: Kind) -> None:
    """The window that is searched cuts nothing off."""
    rng, directions = Random(4), rays(48, 36, 60)
    for _ in range(20):
        size = [rng.uniform(0.1, 1) for _ in range(3)]
        place = (rng.uniform(-1.5, 1.5), rng.uniform(-1, 1), rng.uniform(0.5, 4))
        one = solid(
            kind, size, place, skin, turned(rng.uniform(-3, 3), rng.uniform(-3, 3), rng.uniform(-3, 3))
        )
        seen, inverse = cast([one], directions), np.linalg.inv(one.matrix)
        whole, _ = entry(kind, -inverse @ one.centre, directions.reshape(-1, 3) @ inverse.T)
        there = np.isfinite(seen.depth)
        assert (
            there == np.isfinite(whole.reshape(there.shape))
        ).mean() > 0.995  # single precision at the rim
        assert np.allclose(seen.depth[there], whole.reshape(there.shape)[there], rtol=0.02)
        assert ((seen.normal * directions).sum(2)[there] < 1e-3).all()


def test_the_nearer_of_two_solids_is_seen_whatever_their_order() -> None:
    pair = [solid("ball", (1, 1, 1), (0, 0, z), skin) for z in (6, 3)]
    one, other = (cast(order, rays(32, 24, 50)).depth for order in (pair, pair[::-1]))
    assert (one == other).all()
    assert one.min() == pytest.approx(2, rel=0.01)


def test_a_moved_model_keeps_its_shape() -> None:
    one = solid("box", (1, 0.5, 0.2), (0.3, 0, 0), skin)
    turn = 0.5 * turned(0.4, -0.3, 0.8)
    moved = one.moved(np.eye(3), np.array((0, 0, 1))).moved(turn, np.array((0, 0, 2)))
    assert np.allclose(moved.frame, turn)
    assert np.allclose(moved.origin, turn @ (0, 0, 1) + (0, 0, 2))


def test_a_rotation_is_one() -> None:
    turn = turned(0.7, -0.4, 2)
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)


def test_noise_is_smooth_and_goes_on_forever() -> None:
    line = np.linspace(-200, 200, 20001)[:, None] * (1.0, 0.7, 0.3)
    values = noise()(line, 2)
    assert 0 <= values.min() < 0.2
    assert 0.8 < values.max() <= 1
    assert np.abs(np.diff(values)).max() < 0.1


def test_a_blur_keeps_the_mean_and_spreads_by_its_sigma() -> None:
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    spread = blurred(point, 5)
    assert spread.sum() == pytest.approx(1, rel=1e-3)
    away = np.arange(81) - 40
    assert math.sqrt((spread.sum(0) * away**2).sum()) == pytest.approx(5, rel=0.15)


def test_skin_over_bones_stays_within_the_outline_and_near_them() -> None:
    depth = cast(
        [solid("ball", (0.5, 0.5, 0.5), (x, 0, 3), skin) for x in (-0.4, 0.4)], rays(96, 64, 50)
    ).depth
    soft = smoothed(depth, 3)
    there = np.isfinite(depth)
    assert (np.isfinite(soft) == there).all()
    assert np.abs(soft[there] - depth[there]).max() < 0.2


def test_normals_of_a_depth_map_are_those_of_what_was_cast() -> None:
    directions = rays(128, 96, 40)
    seen = cast([solid("ball", (0.8, 0.8, 0.8), (0, 0, 3), skin)], directions)
    inner = np.hypot(directions[..., 0], directions[..., 1]) < 0.2
    assert ((normals(seen.depth, directions) * seen.normal).sum(2)[inner] > 0.98).all()


def test_shadow_falls_on_what_is_close_behind_and_not_on_the_far() -> None:
    depth = np.full((60, 60), 1.15, np.float32)
    depth[20:40, 20:40] = 1
    close = shadowed(depth, 4, 0.5)
    assert close[30, 30] == 1
    assert close[30, 42] < 0.8
    assert close[5, 5] > 0.99
    depth[depth > 1] = 9
    assert (shadowed(depth, 4, 0.5) == 1).all()


def test_softened_edges_change_colours_beside_a_leap_alone_and_no_depth() -> None:
    depth = np.ones((20, 20))
    depth[:, 10:] = 2
    colour = np.zeros((20, 20, 3))
    colour[:, 10:] = 1
    layer = edges_softened(Layer(colour, np.ones((20, 20)), depth))
    assert (layer.depth == depth).all()
    assert layer.colour[5, 9:11, 0] == pytest.approx([0.25, 0.75])
    assert (layer.colour[:, :9] == 0).all()


def test_a_scene_begins_behind_the_thing_and_keeps_its_sky_and_its_gaps(scenes: Scenes) -> None:
    layers = [scenes.behind(1.3, (90, 120), Random(seed)) for seed in range(12)]
    depths = np.stack([layer.depth for layer in layers])
    known = (depths > 0) & (depths < SKY / 2)
    assert depths[known].min() > 1.3
    assert (depths == 0).any()
    assert (depths == np.float32(SKY)).any()
    assert all(np.isfinite(layer.colour).all() for layer in layers)


def test_without_other_sources_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        Scenes(tmp_path).photo(Random(1))


def test_paper_is_nowhere_nearer_than_it_was_put() -> None:
    for seed in range(30):
        layer = studio((30, 40), 1.2, Random(seed))
        assert layer.depth.min() >= 1.2 - 1e-6
        assert 0 <= layer.colour.min() <= layer.colour.max() <= 1


def models(seed: int) -> dict[str, list[Solid]]:
    rng, photo = Random(seed), np.full((60, 60, 3), 0.5, np.float32)
    made = {name: make(rng, noise(), photo) for name, make in closeup.MAKERS.items()}
    return made | {"vessel": things.vessel(rng, noise(), photo), "any": things.any_thing(rng, noise(), photo)}


@pytest.mark.parametrize("name", [*closeup.MAKERS, "vessel", "any"])
def test_every_model_can_be_seen_and_has_colours(name: str) -> None:
    for seed in range(8):
        parts = [one.moved(0.25 * np.eye(3), np.array((0, 0.1, 1))) for one in models(seed)[name]]
        seen = cast(parts, rays(48, 48, 60))
        there = np.isfinite(seen.depth)
        assert there.sum() > 10
        assert np.isfinite(seen.colour).all()
        assert -0.2 < seen.colour[there].min() <= seen.colour[there].max() < 1.6


@pytest.mark.parametrize("make", [animal, person])
def test_a_face_looks_at_you_its_nose_nearer_than_its_neck(make: closeup.Maker) -> None:
    for seed in range(8):
        parts = make(Random(seed), noise())  # type: ignore[call-arg]  # these two look nowhere else
        seen = cast([one.moved(0.2 * np.eye(3), np.array((0, 0, 1))) for one in parts], rays(49, 49, 60))
        assert seen.depth[24:33, 24].min() < seen.depth[48, 24]


def test_pages_and_panels_are_drawn() -> None:
    for seed in range(10):
        for drawn in (page(Random(seed), np.full((40, 40, 3), 0.5)), panel(Random(seed))):
            assert drawn.ndim == 3
            assert 0 <= drawn.min() <= drawn.max() <= 1


def cut_out(path: Path, drawing: bool) -> Path:
    """Write a disc cut out: of noise, as photographs have it, or of one colour."""
    rng = np.random.default_rng(1)
    values = np.full((160, 200, 3), 90) if drawing else rng.integers(60, 200, (160, 200, 3))
    image = Image.fromarray(values.astype(np.uint8))
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse((20, 20, 180, 140), 255)
    image.putalpha(mask)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def test_a_drawing_is_no_photograph(tmp_path: Path) -> None:
    assert is_photograph(cut_out(tmp_path / "a.png", drawing=False))
    assert not is_photograph(cut_out(tmp_path / "b.png", drawing=True))
    assert [p.name for p in Stamps(tmp_path).paths] == ["a.png"]


def test_the_middle_of_a_cut_out_is_nearer_than_its_rim(tmp_path: Path) -> None:
    cut_out(tmp_path / "a.png", drawing=False)
    for seed in range(10):
        layer = placed(Stamps(tmp_path).draw(Random(seed)), (96, 128), Random(seed))
        there = layer.cover > 0.5
        assert there.mean() > 0.15
        assert (np.isfinite(layer.depth) == there).all()
        assert 0.6 < layer.depth[there].min() <= layer.depth[there].max() < 1.2
    disc = (np.hypot(*np.mgrid[-1:1:64j, -1:1:64j]) < 0.8).astype(np.float32)
    deep = relief(disc, Random(2))
    assert deep[32, 32] < deep[disc > 0].mean() < deep[disc > 0].max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("small")
def test_what_is_close_is_nearer_than_what_is_behind(
    kind: str, scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_out(tmp_path / "stamps" / "a.png", drawing=False)
    monkeypatch.setattr(closeup, "KINDS", {kind: 1.0})
    rears: list[float] = []
    backdrop = closeup._backdrop

    def watched(rear: float, *rest: object) -> Layer:
        layer = backdrop(rear, *rest)  # type: ignore[arg-type]  # passed on as it came
        rears.append(float(layer.depth[layer.depth > 0].min()) - rear)
        return layer

    monkeypatch.setattr(closeup, "_backdrop", watched)
    kit = closeup.Kit(scenes, Stamps(tmp_path / "stamps"))
    for seed in range(7000, 7006):
        found, picture, inverse = closeup.make(kit, seed)
        assert found == kind
        assert picture.shape[:2] == inverse.shape
        assert inverse.max() == 65535
    assert all(gap > 0 for gap in rears)


@pytest.mark.usefixtures("small")
def test_a_close_up_depends_on_its_seed_alone(scenes: Scenes) -> None:
    kit = closeup.Kit(scenes, None)
    (_, one, near), (_, again, same), (_, other, _) = (closeup.make(kit, seed) for seed in (7001, 7001, 7002))
    assert (one == again).all()
    assert (near == same).all()
    assert one.shape != other.shape or (one != other).any()


@pytest.mark.usefixtures("small")
def test_close_ups_are_a_source_that_training_reads(scenes: Scenes, tmp_path: Path) -> None:
    out = Folder(scenes.folder / "close")
    assert command.render(out, 7000, 6, closeup.producer(tmp_path / "assets", out)) == 6
    close = next(source for source in data.read_sources(scenes.folder) if source.name == "close")
    assert len(close) == 6
    assert set(out.finished) >= {7000}


def test_close_ups_need_no_blender(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--assets", "a", "--out", "o", "--source", "close", "--frames", "1"]
    assert command.parse(arguments).source == "close"
    with pytest.raises(SystemExit):
        command.parse([*arguments, "--quick"])
    assert "--quick" in capsys.readouterr().err
