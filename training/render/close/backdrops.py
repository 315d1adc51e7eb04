"""What is behind: pictures of other sources with their depth, walls, a studio's paper."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from ..frames import INFINITE
from .fields import blurred
from .layers import Layer
from .parameters import BEHIND, DEFOCUS, SCENES, SHARP
from .solids import Array

SKY = 1e10


class Scenes:
    """The pairs of other sources below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        """The names of the pairs by source; only sources that are there."""
        places = {name: self.folder / name / "inverse_depth" for name in SCENES}
        found = {name: sorted(p.stem for p in place.glob("*.png")) for name, place in places.items()}
        if not any(found.values()):
            raise FileNotFoundError(
                f"{self.folder} has none of {', '.join(SCENES)}: close-ups stand before them"
            )
        return {name: names for name, names in found.items() if names}

    def pair(self, rng: Random) -> tuple[Array, Array]:
        """Draw a picture and its inverse depth."""
        source = rng.choices(list(self.stems), [SCENES[name] for name in self.stems])[0]
        place, stem = self.folder / source, rng.choice(self.stems[source])
        picture = np.asarray(Image.open(place / "rgb" / f"{stem}.jpg").convert("RGB"))
        return picture, np.asarray(Image.open(place / "inverse_depth" / f"{stem}.png"))

    def photo(self, rng: Random) -> Array:
        """Draw a part of a picture, (H, W, 3), 0 to 1."""
        picture, _ = self.pair(rng)
        height, width = picture.shape[:2]
        h, w = (int(side * rng.uniform(0.3, 0.9)) for side in (height, width))
        y, x = rng.randint(0, height - h), rng.randint(0, width - w)
        return np.asarray(picture[y : y + h, x : x + w] / 255, np.float32)

    def behind(self, rear: float, shape: tuple[int, int], rng: Random) -> Layer:
        """Return a scene behind what ends at ``rear``, out of focus or not."""
        height, width = shape
        picture, inverse = (Image.fromarray(v) for v in self._pair_for_pillow(rng))
        aspect = min(picture.width / width, picture.height / height) * rng.uniform(0.5, 1)
        w, h = aspect * width, aspect * height
        x, y = rng.uniform(0, picture.width - w), rng.uniform(0, picture.height - h)
        box = (x, y, x + w, y + h)
        seen = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, box), np.float32) / 255
        values = np.asarray(inverse.resize((width, height), Image.Resampling.NEAREST, box)).astype(np.float64)
        begins = rear * math.exp(rng.uniform(*map(math.log, BEHIND)))
        depth = np.where(values > 0, begins * max(values.max(), 1) / np.maximum(values, 1), 0)
        depth[(values == INFINITE) & (values.max() > INFINITE)] = SKY
        return Layer(out_of_focus(seen, rng), np.ones(shape), depth.astype(np.float32))

    def _pair_for_pillow(self, rng: Random) -> tuple[Array, Array]:
        picture, inverse = self.pair(rng)
        if rng.random() < 0.5:
            picture, inverse = picture[:, ::-1], inverse[:, ::-1]
        return np.ascontiguousarray(picture), np.ascontiguousarray(inverse).astype(np.int32)


def out_of_focus(picture: Array, rng: Random) -> Array:
    """Return a picture (H, W, 3) blurred or not; lights spread more than shadows."""
    if rng.random() < SHARP:
        return picture
    sigma = rng.uniform(*DEFOCUS) * picture.shape[1] / 352
    return np.asarray(np.clip(blurred(picture**2.2, sigma), 0, 1) ** (1 / 2.2))


def studio(shape: tuple[int, int], depth: float, rng: Random) -> Layer:
    """Return paper, white, black or of a colour, evenly lit or not, at one depth, or farther towards the top."""
    height, width = shape
    draw = rng.random()
    tone = np.full(3, rng.uniform(0.93, 1.05) if draw < 0.4 else rng.uniform(0, 0.12))
    if draw > 0.65:
        tone = np.array([rng.random() for _ in range(3)])
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    fall = 1 - rng.uniform(0, 0.35) * ((x - rng.gauss(0, 0.5)) ** 2 + (y - rng.gauss(0, 0.5)) ** 2) / 2
    slope = rng.choice((0.0, rng.uniform(0, 0.3)))
    away = depth * np.exp(slope * (1 - y)) * np.ones(shape)
    return Layer(np.clip(tone * fall[..., None], 0, 1), np.ones(shape), away.astype(np.float32))
