"""Close-ups in a park: one animal, person or thing that fills the picture, and what is behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from . import park
from .camera import View
from .parameters import PORTRAIT
from .scenes import Kit, Scene


@dataclass(frozen=True)
class Subject:
    """What is portrayed: the middle of its underside, and its height and width."""

    foot: tuple[float, float, float]
    height: float
    width: float


def build(kit: Kit) -> Scene:
    """Build a park with subjects in it, none smaller than a person: how large a thing is does not show."""
    spot = park.grounds(kit)
    subjects = [_place(kit, spot) for _ in range(kit.rng.randint(*PORTRAIT.subjects))]
    kit.daylight()
    return Scene("portrait", str(kit.seed), lambda: _view(kit, subjects), kit.daylight, apart=0.5)


def _place(kit: Kit, spot: park.Spot) -> Subject:
    rng = kit.rng
    item, foot = kit.one_of(kit.one_by_share(PORTRAIT.shares)), spot(1)
    scale = max(1.0, rng.uniform(*PORTRAIT.size) / item.longest)
    kit.furniture.put(item, foot, rng.uniform(0, 2 * math.pi), scale)
    return Subject(foot, item.size[2] * scale, max(item.size[:2]) * scale)


def _view(kit: Kit, subjects: Sequence[Subject]) -> View:
    rng, lens = kit.rng, PORTRAIT.lens
    subject = rng.choice(subjects)
    width, height = rng.choice(lens.shapes)
    fov = rng.uniform(*lens.fov)
    wide = 2 * math.tan(math.radians(fov) / 2)
    fill = rng.uniform(*PORTRAIT.fill)
    distance = max(subject.height / (wide * height / width), subject.width / wide) / fill + subject.width / 2
    pitch, direction = math.radians(rng.gauss(*lens.pitch)), rng.uniform(0, 2 * math.pi)
    x, y, z = subject.foot
    aim = z + subject.height * rng.uniform(*PORTRAIT.aim)
    return View(
        position=(
            x - distance * math.cos(direction),
            y - distance * math.sin(direction),
            max(aim - distance * math.tan(pitch), z + PORTRAIT.lowest),
        ),
        yaw=direction + math.radians(rng.gauss(0, fov * PORTRAIT.aside)),
        pitch=pitch,
        roll=math.radians(rng.gauss(0, lens.roll)),
        fov=fov,
        width=width,
        height=height,
    )
