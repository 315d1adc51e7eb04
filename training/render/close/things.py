"""Things that are held close or lie before you: balls, devices, instruments, pages, flowers, laid tables.

Each is about 2 wide or high around the origin; its front looks along -z.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from .beasts import fingers
from .skins import Noise, any_colour, ball_game, jittered, page, painted, panel, photo_on, plain, wood
from .solids import Array, Skin, Solid, solid, turned

UPRIGHT = turned(0, math.pi / 2)
"""Turns a tube's ends up and down."""


def ball(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return a ball of a game, or another round thing."""
    skin = ball_game(rng, noise) if rng.random() < 0.75 else surface(rng, noise, photo)
    squash = rng.uniform(0.85, 1) if rng.random() < 0.3 else 1.0
    return [
        solid(
            "ball",
            (1, squash, 1),
            (0, 0, 0),
            skin,
            turned(0, 0, rng.uniform(-3, 3)),
            rng.choice((0, 0.2, 0.5)),
        )
    ]


def device(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return a device: a painted front, often a rim, a dial, knobs and sockets, and at times the hand that holds it."""
    front = panel(rng)
    tall = front.shape[0] / front.shape[1]
    w, h = (1.0, tall) if tall < 1 else (1 / tall, 1.0)
    thick = rng.uniform(0.06, 0.4)
    gloss = rng.choice((0.0, 0.15, 0.4))
    made = [solid("box", (w, h, thick), (0, 0, 0), painted(front, any_colour(rng)), gloss=gloss)]
    if rng.random() < 0.5:
        rim = plain(any_colour(rng), noise)
        grown, deep = rng.uniform(1.04, 1.18), thick * rng.uniform(0.8, 0.98)
        made.append(solid("box", (w * grown, h, deep), (0, 0, 0.01), rim, gloss=gloss))
        made.append(solid("box", (w, h * (grown + 0.04), deep), (0, 0, 0.01), rim, gloss=gloss))
        made += [
            solid("tube", (w * (grown - 1), h * (grown - 0.96), deep), (x * w, y * h, 0.01), rim, gloss=gloss)
            for x in (-1, 1)
            for y in (-1, 1)
        ]
    for _ in range(rng.randint(0, 5)):
        r = rng.uniform(0.05, 0.4) * w
        high = rng.uniform(0.02, 0.3) * min(1, 2 * r)
        place = (rng.uniform(-0.8, 0.8) * (w - r), rng.uniform(-0.7, 0.8) * (h - r), -thick - high / 2)
        knob = plain(any_colour(rng), noise)
        made.append(solid("tube", (r, r, high), place, knob, gloss=gloss))
        if r > 0.2 * w:
            x, y, z = place
            made.append(
                solid(
                    "box",
                    (r * 0.15, r * 0.9, high),
                    (x, y, z - high * 0.7),
                    knob,
                    turned(0, 0, rng.uniform(0, 3)),
                )
            )
    if rng.random() < 0.3:
        made += fingers(rng, noise, w)
    return made


def instrument(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return a guitar or a violin, seen from its front: a body of discs, a neck, strings, what they run over."""
    lacquer: Skin = (
        wood(rng, noise) if rng.random() < 0.5 else plain(any_colour(rng) * rng.uniform(0.2, 1), noise)
    )
    dark, metal = wood(rng, noise), plain(jittered((0.75, 0.75, 0.78), rng), noise, 0.15)
    d, waist, gloss = rng.uniform(0.12, 0.3), rng.uniform(0.6, 0.9), rng.choice((0.2, 0.6))
    made = [
        solid("tube", (1, 0.85, d), (0, 0.55, 0), lacquer, gloss=gloss),
        solid("tube", (waist, 0.7, d), (0, -0.6, 0), lacquer, gloss=gloss),
        solid("box", (waist * 0.85, 0.5, d), (0, 0, 0), lacquer, gloss=gloss),
        solid("box", (0.13, 1.6, 0.06), (0, -1.6, -d - 0.04), dark),
    ]
    if rng.random() < 0.45:
        made.append(solid("tube", (0.28, 0.28, 0.02), (0, -0.05, -d - 0.005), plain(np.full(3, 0.04), noise)))
    black = plain(np.full(3, rng.uniform(0.03, 0.2)), noise)
    for number in range(rng.randint(0, 3)):
        place = (rng.uniform(-0.05, 0.05), 0.15 + 0.33 * number, -d - 0.03)
        made.append(solid("box", (0.32, 0.11, 0.05), place, black, turned(0, 0, rng.uniform(-0.1, 0.1)), 0.3))
    made.append(solid("box", (0.3, 0.1, 0.08), (0, 1.0, -d - 0.06), metal, gloss=0.8))
    strings = rng.randint(4, 6)
    for number in range(strings):
        x = 0.2 * (number / (strings - 1) - 0.5)
        made.append(solid("box", (0.006, 2.1, 0.006), (x, -1.1, -d - 0.13), metal))
    for _ in range(rng.randint(0, 4)):
        place = (rng.uniform(0.4, 0.7), rng.uniform(0.6, 1.1), -d - 0.06)
        made.append(solid("tube", (0.09, 0.09, 0.08), place, metal, gloss=0.8))
    return made


def sheet(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return a page, a poster or a board, at times held by a hand."""
    drawn = photo if rng.random() < 0.25 else page(rng, photo)
    tall = drawn.shape[0] / drawn.shape[1]
    w, h = (1.0, tall) if tall < 1 else (1 / tall, 1.0)
    made = [solid("box", (w, h, rng.choice((0.01, 0.03, 0.15))), (0, 0, 0), painted(drawn, any_colour(rng)))]
    return made + fingers(rng, noise, w) if rng.random() < 0.35 else made


def flower(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return a flower that looks at you, with leaves behind it."""
    petal, heart = any_colour(rng), plain(jittered((0.85, 0.65, 0.15), rng, 0.15), noise, 0.4, 20)
    rows, count = rng.randint(1, 3), rng.randint(5, 16)
    made = [solid("ball", (0.3, 0.3, 0.16), (0, 0, -0.15), heart)]
    for row in range(rows):
        for number in range(count):
            a = 2 * math.pi * (number + 0.5 * row) / count + rng.gauss(0, 0.05)
            length = (0.55 - 0.1 * row) * rng.uniform(0.9, 1.1)
            skin = plain(petal * rng.uniform(0.85, 1.1), noise, 0.2, 4)
            turn = turned(0, 0, a) @ turned(rng.uniform(-0.1, 0.5))
            place = (0.55 * math.cos(a), 0.55 * math.sin(a), 0.05 - 0.12 * row)
            made.append(solid("ball", (length, 2.2 / count, 0.05), place, skin, turn))
    green = plain(jittered((0.25, 0.42, 0.15), rng), noise, 0.4, 5)
    for _ in range(rng.randint(0, 6)):
        a = rng.uniform(0, 6.28)
        place = (math.cos(a), math.sin(a), rng.uniform(0.3, 0.8))
        made.append(
            solid("ball", (0.7, 0.25, 0.05), place, green, turned(rng.gauss(0, 0.4), rng.gauss(0, 0.4), a))
        )
    made.append(solid("tube", (0.05, 0.05, 1.5), (0, 1.5, 0.4), green, UPRIGHT))
    return made


def surface(rng: Random, noise: Noise, photo: Array) -> Skin:
    """Return the skin of anything."""
    draw = rng.random()
    if draw < 0.35:
        return plain(any_colour(rng), noise, rng.uniform(0, 0.2), rng.uniform(1, 12))
    return wood(rng, noise) if draw < 0.55 else photo_on(photo, rng.uniform(0.3, 1.5))


def vessel(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return a mug, a bottle, a tin or a bowl that stands on its foot, y being 0 there."""
    skin, gloss = surface(rng, noise, photo), rng.choice((0.0, 0.3, 0.6))
    r, h = rng.uniform(0.25, 0.6), rng.uniform(0.3, 1.0)
    made = [solid("tube", (r, r, h), (0, -h, 0), skin, UPRIGHT, gloss)]
    draw = rng.random()
    if draw < 0.35:
        inside = plain(any_colour(rng), noise)
        made.append(solid("tube", (r * 0.88, r * 0.88, 0.02), (0, -2 * h, 0), inside, UPRIGHT))
        side = rng.choice((-1, 1)) * r
        made += [
            solid("box", (0.2, 0.05, 0.06), (side * 1.2, -h + s * h * 0.5, 0), skin, None, gloss)
            for s in (-1, 1)
        ]
        made.append(
            solid(
                "box",
                (0.05, h * 0.55, 0.06),
                (side * 1.2 + math.copysign(0.18, side), -h, 0),
                skin,
                None,
                gloss,
            )
        )
    elif draw < 0.6:
        neck, cap = r * rng.uniform(0.3, 0.5), plain(any_colour(rng), noise)
        made.append(solid("ball", (r, 0.5 * r, r), (0, -2 * h, 0), skin, None, gloss))
        made.append(solid("tube", (neck, neck, 0.3), (0, -2 * h - 0.5 * r - 0.1, 0), skin, UPRIGHT, gloss))
        made.append(
            solid("tube", (neck * 1.1, neck * 1.1, 0.08), (0, -2 * h - 0.5 * r - 0.4, 0), cap, UPRIGHT)
        )
    return made


def any_thing(rng: Random, noise: Noise, photo: Array) -> list[Solid]:
    """Return something that stands on a table, y being 0 there."""
    draw = rng.random()
    if draw < 0.4:
        return vessel(rng, noise, photo)
    if draw < 0.6:
        r = rng.uniform(0.2, 0.7)
        skin = ball_game(rng, noise) if rng.random() < 0.5 else surface(rng, noise, photo)
        return [solid("ball", (r, r, r), (0, -r, 0), skin, None, rng.choice((0, 0.4)))]
    w, h, d = (rng.uniform(0.15, 0.8) for _ in range(3))
    front = panel(rng) if rng.random() < 0.5 else page(rng, photo)
    skin = painted(front, any_colour(rng)) if rng.random() < 0.6 else surface(rng, noise, photo)
    return [solid("box", (w, h, d), (0, -h, 0), skin)]
