"""Animals and people who look at you: heads and shoulders of balls, the nose along -z, the skull about 1 in radius."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from .skins import SKINS, Noise, any_colour, eye, fur, jittered, plain
from .solids import Array, Skin, Solid, solid, turned


@dataclass(frozen=True)
class Beast:
    """The build of a kind of animal; lengths in radii of the skull."""

    skull: tuple[float, float, float]
    muzzle: tuple[float, float, float]
    """Half width and height, and how far it stands out from the skull."""
    ears: str
    eyes: tuple[float, float, float]
    """How far from the middle line, how far below the skull's middle, and their radius."""
    slit: bool
    patterns: tuple[str, ...]
    coats: tuple[str, ...]


# fmt: off
BEASTS = {
    "cat": Beast((1, 0.9, 0.92), (0.38, 0.3, 0.3), "pointed", (0.44, 0.02, 0.23), True,
                 ("stripes", "stripes", "plain", "patches", "mask"),
                 ("ginger", "tabby", "grey", "black", "white", "cream")),
    "dog": Beast((0.88, 0.86, 0.95), (0.36, 0.33, 0.85), "hanging", (0.38, -0.02, 0.15), False,
                 ("plain", "patches", "mask", "spots"), ("tan", "chocolate", "black", "white", "cream", "ginger")),
    "wolf": Beast((0.95, 0.85, 0.95), (0.3, 0.27, 0.95), "pointed", (0.4, 0.0, 0.13), False,
                  ("plain", "mask"), ("fox", "grey", "tan", "white")),
    "bear": Beast((1, 0.95, 0.95), (0.38, 0.35, 0.65), "round", (0.36, 0.0, 0.11), False,
                  ("plain", "patches"), ("chocolate", "black", "white", "tan")),
    "rabbit": Beast((0.72, 0.85, 0.95), (0.36, 0.33, 0.35), "long", (0.6, 0.0, 0.18), False,
                    ("plain", "patches"), ("tan", "grey", "white", "black", "cream")),
    "cow": Beast((0.72, 0.85, 1), (0.42, 0.45, 1.2), "sideways", (0.58, 0.02, 0.13), False,
                 ("patches", "plain", "spots"), ("black", "chocolate", "white", "ginger", "cream")),
    "ape": Beast((0.85, 0.95, 0.9), (0.48, 0.38, 0.4), "round", (0.28, 0.06, 0.12), False,
                 ("plain",), ("chocolate", "black", "grey", "ginger")),
    "owl": Beast((1, 0.92, 0.85), (0.1, 0.17, 0.25), "tufts", (0.4, 0.02, 0.28), False,
                 ("spots", "stripes"), ("tabby", "white", "chocolate", "tan")),
}
# fmt: on
EARS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], float]] = {
    "pointed": ((0.34, 0.62, 0.13), (0.62, -0.88, 0.12), 0.35),
    "round": ((0.32, 0.32, 0.15), (0.74, -0.7, 0.15), 0.3),
    "hanging": ((0.3, 0.72, 0.16), (0.9, 0.15, 0.1), -0.2),
    "long": ((0.22, 1.0, 0.13), (0.32, -1.5, 0.15), 0.15),
    "sideways": ((0.55, 0.24, 0.12), (1.1, -0.35, 0.25), 0.25),
    "tufts": ((0.14, 0.4, 0.12), (0.6, -0.85, 0.0), 0.5),
}
"""Half sizes, the middle of the right one, and its lean outwards in radians."""


def animal(rng: Random, noise: Noise) -> list[Solid]:
    """Return a head of any kind, and what can be seen of the body behind it."""
    beast = rng.choice(list(BEASTS.values()))
    coat = fur(rng, noise, rng.choice(beast.patterns), rng.choice(beast.coats))
    return [*_head(beast, coat, rng, noise), *_body(coat, rng)]


def _head(beast: Beast, coat: Skin, rng: Random, noise: Noise) -> Iterator[Solid]:
    sx, sy, sz = (side * rng.uniform(0.92, 1.08) for side in beast.skull)
    wide, high, out = (side * rng.uniform(0.85, 1.15) for side in beast.muzzle)
    yield solid("ball", (sx, sy, sz), (0, 0, 0), coat)
    drop, tip = 0.33 * sy, -sz * 0.85 - out
    yield solid("ball", (0.5, 0.42, 0.5), (0.42 * sx, 0.38 * sy, -0.42 * sz), coat)
    yield solid("ball", (0.5, 0.42, 0.5), (-0.42 * sx, 0.38 * sy, -0.42 * sz), coat)
    yield solid("ball", (wide, high, out * 0.62 + 0.3), (0, drop, (tip - 0.5 * sz) / 2), coat)
    dark = plain(np.array((0.08, 0.06, 0.06)), noise)
    nose = plain(jittered((0.75, 0.42, 0.38), rng), noise) if rng.random() < 0.35 else dark
    if beast.ears == "tufts":
        yield solid(
            "ball", (0.09, 0.2, 0.2), (0, drop, tip), plain(np.array((0.7, 0.55, 0.2)), noise), gloss=0.2
        )
    else:
        for side in (-1, 1):
            yield solid(
                "ball", (wide * 0.6, high * 0.62, 0.26), (side * wide * 0.45, drop + 0.12, tip + 0.2), coat
            )
        yield solid("ball", (wide * 0.62, 0.16, 0.3), (0, drop + high * 0.95, tip + 0.36), coat)
        size = wide * rng.uniform(0.28, 0.45)
        yield solid(
            "ball", (size, size * 0.7, size * 0.8), (0, drop - high * 0.35, tip + 0.1), nose, gloss=0.5
        )
        yield solid("box", (0.012, 0.12, 0.1), (0, drop + 0.1, tip + 0.08), dark)
    yield from _eyes(beast, (sx, sy, sz), rng, dark, coat)
    yield from _ears(beast, coat, rng, noise)


def _eyes(
    beast: Beast, skull: tuple[float, float, float], rng: Random, dark: Skin, coat: Skin
) -> Iterator[Solid]:
    aside, below, radius = beast.eyes
    radius *= rng.uniform(0.85, 1.15)
    look, lid = eye(rng, beast.slit and rng.random() < 0.8, white=False), rng.uniform(0.2, 0.9)
    for side in (-1, 1):
        x, y = side * aside * skull[0], below * skull[1]
        z = -skull[2] * math.sqrt(max(1 - aside**2 - below**2, 0.05)) - 0.06
        outwards = turned(-side * aside * 0.7)
        yield solid("ball", (radius * 1.22, radius * 1.12, radius * 0.8), (x, y, z + 0.1), dark, outwards)
        yield solid("ball", (radius,) * 3, (x, y, z + 0.1), look, outwards, gloss=0.8)
        brow = (x, y - radius * (1.05 + 0.3 * lid), z + 0.16)
        yield solid("ball", (radius * 1.3, radius * 0.6, radius * 1.1), brow, coat, outwards)


def _ears(beast: Beast, coat: Skin, rng: Random, noise: Noise) -> Iterator[Solid]:
    (w, h, d), (x, y, z), lean = EARS[beast.ears]
    grown = rng.uniform(0.8, 1.2)
    inner = plain(jittered((0.72, 0.5, 0.45), rng), noise, 0.2, 6)
    for side in (-1, 1):
        turn = turned(side * rng.uniform(-0.5, 0.3), rng.uniform(-0.2, 0.2), side * lean)
        yield solid("ball", (w * grown, h * grown, d), (side * x, y, z), coat, turn)
        if beast.ears != "hanging":
            front = np.array((side * x, y, z)) + turn @ (0, 0.06 * h, -0.07)
            yield solid("ball", (w * grown * 0.62, h * grown * 0.75, d * 0.62), list(front), inner, turn)


def _body(coat: Skin, rng: Random) -> Iterator[Solid]:
    side = rng.uniform(-0.9, 0.9)
    yield solid("ball", (0.8, 0.95, 0.9), (0.3 * side, 0.95, 0.75), coat)
    yield solid("ball", (rng.uniform(1.1, 1.6), 1.5, 1.8), (side, 2.1, 1.9), coat)


def person(rng: Random, noise: Noise) -> list[Solid]:
    """Return a head with hair, and shoulders."""
    tone = jittered(rng.choice(SKINS), rng, 0.03)
    skin, red = plain(tone, noise, 0.07, 5), plain(tone * (0.85, 0.55, 0.55), noise)
    hair = plain(
        jittered(rng.choice(((0.1, 0.08, 0.07), (0.3, 0.2, 0.12), (0.7, 0.55, 0.3), (0.6,) * 3)), rng),
        noise,
        0.5,
        14,
    )
    look, cloth = eye(rng, slit=False, white=True), plain(any_colour(rng), noise, 0.15, 8)
    parts = [
        solid("ball", (0.74, 0.98, 0.86), (0, 0, 0), skin),
        solid("ball", (0.5, 0.42, 0.5), (0, 0.62, -0.36), skin),
        solid("ball", (0.13, 0.3, 0.2), (0, 0.16, -0.86), skin),
        solid("ball", (0.17, 0.11, 0.16), (0, 0.36, -0.9), skin),
        solid("ball", (0.24, 0.05, 0.12), (0, 0.62, -0.8), red),
        solid("ball", (0.24, 0.07, 0.12), (0, 0.69, -0.78), red),
        solid("ball", (0.8, 0.85 + rng.uniform(0, 0.25), 0.9), (0, -0.3 - rng.uniform(0, 0.1), 0.22), hair),
        solid("tube", (0.4, 0.4, 0.7), (0, 1.1, 0.2), skin, turned(0, math.pi / 2)),
        solid("ball", (1.9, 0.9, 0.8), (0, 2.1, 0.4), cloth),
        solid("ball", (1.3, 2.0, 0.75), (0, 3.2, 0.35), cloth),
    ]
    if rng.random() < 0.5:
        parts.append(solid("ball", (0.88, rng.uniform(1, 1.7), 0.6), (0, 0.5, 0.55), hair))
    for side in (-1, 1):
        parts += [
            solid(
                "ball", (0.15, 0.1, 0.12), (side * 0.28, -0.03, -0.74), look, turned(-side * 0.15), gloss=0.5
            ),
            solid("ball", (0.2, 0.07, 0.12), (side * 0.28, -0.16, -0.76), skin),
            solid("ball", (0.2, 0.045, 0.08), (side * 0.29, -0.26, -0.78), hair),
            solid("ball", (0.1, 0.22, 0.14), (side * 0.76, 0.08, 0.05), skin),
        ]
    return parts


def fingers(rng: Random, noise: Noise, grip: float) -> list[Solid]:
    """Return fingers that hold a thing of half width ``grip`` from one side, and a thumb before it."""
    tone = plain(jittered(rng.choice(SKINS), rng, 0.03), noise, 0.08, 6)
    side, thick, at = rng.choice((-1, 1)), rng.uniform(0.1, 0.16), rng.uniform(-0.2, 0.5)
    hand: list[Solid] = []
    for number in range(4):
        y = at + 2.05 * thick * number
        hand.append(
            solid("ball", (0.45, thick, thick), (side * (grip + 0.2), y, 0.05 + 0.2 * thick * number), tone)
        )
    hand.append(
        solid(
            "ball",
            (0.55, thick * 1.15, thick),
            (side * (grip - 0.05), at, -0.25),
            tone,
            turned(0, 0, side * 0.4),
        )
    )
    palm: Array = np.array((side * (grip + 0.75), at + 3 * thick, 0.25))
    hand.append(solid("ball", (0.55, 0.6, 0.3), list(palm), tone))
    hand.append(
        solid(
            "tube", (0.28, 0.28, 1.5), list(palm + np.array((side * 1.2, 0.6, 0.1))), tone, turned(side * 1.2)
        )
    )
    return hand
