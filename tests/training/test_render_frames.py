"""Rendered frames: how depth is encoded, what is kept, what is on disk after a halt. Nothing here needs Blender."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image
from training.render import __main__ as command
from training.render.camera import View
from training.render.frames import Folder, encode, expose, stem_of
from training.render.parameters import FIRST_SEED
from training.render.quality import Sieve, agrees

from training import data


def noise(seed: int, low: int = 0, high: int = 256) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(low, high, (12, 16, 3)).astype(np.uint8)
    return blocks.repeat(16, 0).repeat(16, 1)


def ramp(nearest: float = 1.0, farthest: float = 20.0) -> np.ndarray:
    return np.linspace(farthest, nearest, 192, dtype=np.float32)[:, None].repeat(256, 1)


def test_depth_is_encoded_relative_to_the_nearest_pixel_with_sky_1_and_invalid_0() -> None:
    depth = np.array([[2.0, 4.0, 100.0], [3500.0, 1e10, np.inf], [np.nan, 0.0, -1.0]], np.float32)
    expected = [[65535, 32768, 1311], [1, 1, 1], [0, 0, 0]]
    assert encode(depth, far=3500).tolist() == expected


def test_what_is_seen_far_away_is_at_least_as_near_as_the_sky() -> None:
    depth = np.array([[0.01, 3000.0]], np.float32)
    assert encode(depth, far=3500).tolist() == [[65535, 1]]


def test_a_picture_of_sky_alone_is_encoded_as_sky() -> None:
    assert (encode(np.full((4, 4), 1e10, np.float32), far=100) == 1).all()


def test_exposure_does_not_depend_on_the_strength_of_the_light() -> None:
    light = np.random.default_rng(0).uniform(0.1, 1, (48, 64, 3)).astype(np.float32)
    dim, bright = expose(light, Random(3)), expose(light * 50, Random(3))
    assert np.abs(dim.astype(int) - bright).max() <= 1
    assert 40 < dim.mean() < 200


def test_light_that_is_no_number_spoils_no_other_pixel() -> None:
    light = np.random.default_rng(0).uniform(0.1, 1, (48, 64, 3)).astype(np.float32)
    broken = light.copy()
    broken[0, 0], broken[0, 1], broken[0, 2] = np.nan, np.inf, -1
    difference = expose(broken, Random(3))[1:].astype(int) - expose(light, Random(3))[1:]
    assert np.abs(difference).max() <= 3


FAULTS = {
    "flat": (noise(1), encode(ramp(10, 10.2), 100)),
    "sky": (noise(1), encode(np.where(np.arange(192)[:, None] < 160, 1e9, ramp()).astype(np.float32), 100)),
    "dark": (noise(1, 0, 20), encode(ramp(), 100)),
    "burnt out": (
        np.where(np.arange(256)[None, :, None] < 160, 255, noise(1)).astype(np.uint8),
        encode(ramp(), 100),
    ),
    "black": (
        np.where(np.arange(256)[None, :, None] < 160, 0, noise(1)).astype(np.uint8),
        encode(ramp(), 100),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sieve_drops(fault: str) -> None:
    assert Sieve().fault(*FAULTS[fault]) == fault


def test_the_sieve_keeps_good_frames_and_drops_their_near_duplicates() -> None:
    sieve, inverse = Sieve(), encode(ramp(), 100)
    assert sieve.fault(noise(1), inverse) is None
    assert sieve.fault(noise(2), inverse) is None
    almost = np.clip(noise(1).astype(int) + 4, 0, 255).astype(np.uint8)
    assert sieve.fault(almost, inverse) == "duplicate"
    assert Sieve().fault(almost, inverse) is None


def test_a_dropped_frame_drops_no_other() -> None:
    sieve = Sieve()
    assert sieve.fault(noise(1), FAULTS["flat"][1]) == "flat"
    assert sieve.fault(noise(1), encode(ramp(), 100)) is None


def test_frames_are_what_training_reads(tmp_path: Path) -> None:
    out = Folder(tmp_path / "outdoor")
    inverse = encode(ramp(), 100)
    out.write(stem_of(7000, 3), noise(1), inverse)
    (source,) = data.read_sources(tmp_path)
    assert source.name == "outdoor"
    assert (source.inverse_depths[0] == inverse).all()
    assert np.abs(source.pictures[0].astype(int) - noise(1)).mean() < 12
    with Image.open(tmp_path / "outdoor" / "inverse_depth" / "007000-03.png") as image:
        assert image.mode == "I;16"
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["007000-03.jpg", "007000-03.png"]


class Halt(BaseException):
    """The process is stopped."""


def producer(
    out: Folder, halted_at: int | None = None, made: list[int] | None = None
) -> Callable[[int], str]:
    """Give every scene three frames; scene ``halted_at`` is stopped after its first."""

    def produce(seed: int) -> str:
        if made is not None:
            made.append(seed)
        for number in range(3):
            out.write(stem_of(seed, number), noise(seed), encode(ramp(), 100))
            if seed == halted_at:
                raise Halt
        out.finish(seed, [{"stem": stem_of(seed, number), "scene": str(seed)} for number in range(3)])
        return "done"

    return produce


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_rendering_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = Folder(tmp_path / "whole")
    assert command.render(whole, 7000, 10, producer(whole)) == 12

    stopped = Folder(tmp_path / "stopped")
    with pytest.raises(Halt):
        command.render(stopped, 7000, 10, producer(stopped, halted_at=7002))
    again, made = Folder(tmp_path / "stopped"), list[int]()
    assert sorted(again.finished) == [7000, 7001]
    assert command.render(again, 7000, 10, producer(again, made=made)) == 12
    assert made == [7002, 7003]
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_more_frames_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    for frames in (3, 9):
        out = Folder(tmp_path)
        command.render(out, 7000, frames, producer(out))
    lines = [json.loads(line) for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
    assert [line["stem"] for line in lines] == [stem_of(7000 + i // 3, i % 3) for i in range(9)]


def test_frames_of_other_seeds_do_not_count(tmp_path: Path) -> None:
    out = Folder(tmp_path)
    command.render(out, 9000, 6, producer(out))
    assert command.render(out, 7000, 3, producer(out)) == 3
    assert sorted(out.finished) == [7000, 9000, 9001]


def test_scenes_that_give_no_frames_end_the_run(tmp_path: Path) -> None:
    out = Folder(tmp_path)

    def barren(seed: int) -> str:
        out.finish(seed, [])
        return "nothing"

    with pytest.raises(RuntimeError, match="no frame"):
        command.render(out, 7000, 3, barren)


def test_seeds_of_the_first_data_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--assets", "a", "--out", "o", "--source", "outdoor", "--frames", "1", "--seed"]
    assert command.parse([*arguments, str(FIRST_SEED)]).seed == FIRST_SEED
    with pytest.raises(SystemExit):
        command.parse([*arguments, str(FIRST_SEED - 1)])
    assert "validation" in capsys.readouterr().err


def test_rooms_are_not_drawn_quickly_since_their_lamps_are_not_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--assets", "a", "--out", "o", "--frames", "1", "--quick", "--source"]
    assert command.parse([*arguments, "stk"]).quick
    with pytest.raises(SystemExit):
        command.parse([*arguments, "indoor"])
    assert "outdoor, stk" in capsys.readouterr().err


def test_rendered_depth_is_compared_with_rays() -> None:
    view = View((0.0, 0.0, 1.5), 0.0, 0.1, 0.0, 90.0, 256, 192)
    fine = slanted_walls(view, 192)
    coarse = fine[8::16, 8::16].astype(np.float64)
    coarse[0] = np.inf
    distance = np.linalg.norm(view.rays(192), axis=2)
    assert agrees(coarse, fine, 0.05)
    assert not agrees(coarse, (fine * distance).astype(np.float32), 0.05), "distance instead of planar depth"
    assert not agrees(coarse, fine * np.float32(1.1), 0.05), "another scale"
    assert not agrees(coarse, fine[:, ::-1], 0.05), "mirrored"


def slanted_walls(view: View, rows: int) -> np.ndarray:
    """Planar depth of two slanted walls."""
    rays = view.rays(rows)
    return (9 / (1.5 + 0.8 * rays[..., 1] + 0.3 * np.abs(rays[..., 2]))).astype(np.float32)
