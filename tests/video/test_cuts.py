"""Where shots begin."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from depthmap.video import cuts
from support import PHOTO

EXAMPLES = PHOTO.parent
RANDOM = np.random.default_rng(3)


def thumbnails(path: Path, frames: int, step: float = 0.0, noise: float = 3.0) -> list[np.ndarray]:
    """A pan over a picture, ``step`` of its width a frame, with noise."""
    with Image.open(path) as picture:
        wide = np.asarray(picture.convert("RGB").resize((128, 72)), np.float32)
    found = []
    for number in range(frames):
        left = round(number * step * 128) % 64
        view = wide[:, left : left + 64] + RANDOM.normal(0, noise, (72, 64, 3))
        found.append(view.reshape(18, 4, 32, 2, 3).mean((1, 3, 4)).astype(np.float32))
    return found


def found(frames: list[np.ndarray], ahead: int = 4) -> list[int]:
    """The frames that begin a shot, besides the first."""
    changes = [cuts.change(one, other) for one, other in pairwise(frames)]
    return [
        number + 1
        for number, now in enumerate(changes)
        if cuts.is_cut(now, changes[:number], changes[number + 1 : number + 1 + ahead])
    ]


CHINA, COFFEE, CAT = EXAMPLES / "china.jpg", EXAMPLES / "coffee.png", EXAMPLES / "chelsea.png"


def test_each_cut_is_found_at_its_frame() -> None:
    frames = thumbnails(CHINA, 10) + thumbnails(COFFEE, 7, 0.01) + thumbnails(CAT, 12)
    assert found(frames) == [10, 17]


def test_a_cut_between_the_first_two_frames_is_found() -> None:
    assert found(thumbnails(CHINA, 1) + thumbnails(COFFEE, 6)) == [1]


def test_a_pan_slow_or_fast_has_no_cut() -> None:
    assert found(thumbnails(CHINA, 40, 0.01)) == []
    assert found(thumbnails(CHINA, 12, 0.04)) == []


def test_exposure_that_changes_at_once_is_no_cut() -> None:
    frames = thumbnails(CHINA, 10)
    assert (
        found(frames + [0.6 * frame for frame in frames] + [np.clip(1.3 * f + 20, 0, 255) for f in frames])
        == []
    )


def test_a_flash_is_no_cut() -> None:
    frames = thumbnails(CHINA, 20)
    frames[9] = np.clip(2.5 * frames[9] + 120, 0, 255)
    assert found(frames) == []


def test_black_frames_with_noise_have_no_cut_and_the_first_picture_after_them_is_one() -> None:
    black = [RANDOM.normal(2, 1, (18, 32)).astype(np.float32) for _ in range(8)]
    assert found(black) == []
    assert found([*black, *thumbnails(CAT, 8)]) == [8]
