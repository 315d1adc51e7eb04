"""Photographs of things and animals cut out of their pictures: Tux Paint's stamps.

Nobody measured their depth. All of a stamp is put at about one distance, its middle a little nearer than its rim, as
the middle of most things is.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from .fields import blurred
from .layers import Layer
from .parameters import STAMPS
from .solids import Array


class Stamps:
    """The cut-out photographs below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def paths(self) -> list[Path]:
        """Those that are large enough, are cut out, and are photographs rather than drawings; in order."""
        return [path for path in sorted(self.folder.rglob("*.png")) if is_photograph(path)]

    def draw(self, rng: Random) -> Image.Image:
        """Draw one, cropped to what is seen of it, mirrored or not, turned a little."""
        image = Image.open(rng.choice(self.paths)).convert("RGBA")
        image = image.crop(image.getchannel("A").point(lambda a: 255 * (a > 127)).getbbox())
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turn = rng.gauss(0, STAMPS.turn) if rng.random() < 0.7 else 0
        return image.rotate(turn, Image.Resampling.BICUBIC, expand=True)


def is_photograph(path: Path) -> bool:
    """Whether a picture is a cut-out photograph: a drawing has large parts of one colour."""
    with Image.open(path) as opened:
        image = opened.convert("RGBA")
    pixels = np.asarray(image)
    seen = pixels[..., 3] > 127
    if min(image.size) < STAMPS.smallest or not STAMPS.cover[0] < seen.mean() < STAMPS.cover[1]:
        return False
    inside = seen[:, 1:] & seen[:, :-1]
    steps = np.abs(np.diff(pixels[..., :3].astype(int), axis=1)).sum(2)[inside]
    return bool((steps == 0).mean() < STAMPS.even)


def relief(cover: Array, rng: Random) -> Array:
    """Return the depth (H, W) of a cut-out at a distance of 1: its middle stands out, and it leans a little."""
    size = (cover > 0.5).sum() ** 0.5
    deep = np.sqrt(np.clip(2 * blurred(cover, STAMPS.round * size) - 1, 0, 1)) * rng.uniform(*STAMPS.bulge)
    height, width = cover.shape
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    lean = rng.gauss(0, STAMPS.lean) * x + rng.gauss(0, STAMPS.lean) * y
    return np.asarray((1 - deep + lean).astype(np.float32))


def placed(image: Image.Image, shape: tuple[int, int], rng: Random) -> Layer:
    """Return the layer (H, W) that a cut-out makes: it fills a good part of the frame, or more than it."""
    height, width = shape
    fill = rng.uniform(*STAMPS.fill)
    scale = fill * min(width / image.width, height / image.height)
    if rng.random() < STAMPS.cut:
        scale = fill * max(width / image.width, height / image.height)
    size = [max(round(side * scale), 8) for side in image.size]
    aside = [rng.gauss(0, STAMPS.aside) * side for side in (width, height)]
    left, upper = ((w - s) / 2 + a for w, s, a in zip((width, height), size, aside, strict=True))
    box = (-left / scale, -upper / scale, (width - left) / scale, (height - upper) / scale)
    moved = image.transform((width, height), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    pixels = np.asarray(moved, np.float32) / 255
    cover = pixels[..., 3]
    return Layer(pixels[..., :3], cover, np.where(cover > 0.5, relief(cover, rng), np.inf))
