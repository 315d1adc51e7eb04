"""Every number that decides what close-ups look like."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import Keep, Range

SHAPES = ((256, 192), (320, 240), (352, 264), (384, 288), (192, 256), (264, 352), (288, 288))
"""Widths and heights of the pictures."""
KINDS = {
    "animal": 0.27,
    "person": 0.05,
    "stamp": 0.25,
    "ball": 0.08,
    "device": 0.09,
    "instrument": 0.06,
    "sheet": 0.06,
    "flower": 0.04,
    "table": 0.10,
}
"""What is close, and how often."""
FOV = (24, 62)
"""Degrees, across."""
FILL: dict[str, Range] = {
    "animal": (0.5, 1.6),
    "person": (0.4, 0.9),
    "ball": (0.55, 1.5),
    "device": (0.6, 1.5),
    "instrument": (0.5, 2.0),
    "sheet": (0.6, 1.5),
    "flower": (0.5, 1.1),
}
"""Half the size of a thing (an animal's skull), in half the shorter side of the frame."""
LARGEST = 0.5
"""Half the size of a thing is at most so much of its distance."""
POSE = {
    "animal": (0.5, 0.22, 0.15),
    "person": (0.45, 0.15, 0.12),
    "ball": (1.0, 1.0, 1.0),
    "device": (0.3, 0.3, 0.5),
    "instrument": (0.3, 0.25, 0.7),
    "sheet": (0.4, 0.4, 0.2),
    "flower": (0.4, 0.4, 1.0),
}
"""How things are turned, radians: standard deviations of yaw, pitch and roll."""
ASIDE = 0.22
"""The standard deviation of a thing's middle from the frame's, in half its sides."""
LYING = {"device": 0.45, "instrument": 0.4, "sheet": 0.35, "ball": 0.15, "flower": 0.1}
"""How often a thing lies on what is behind it, or leans on it."""
LIFTED = 0.5
"""A thing that lies on something may stand off it by so much, in half its size."""
BACKDROPS = {"scene": 0.52, "wall": 0.22, "studio": 0.26}
BEHIND = (1.08, 6.0)
"""How many times as far as the thing's rear a scene begins; its logarithm is even."""
GAP = (0.03, 1.5)
"""How far a wall stands behind the thing, in its distance; likewise."""
DEFOCUS = (0.8, 7.0)
SHARP = 0.25
"""How often what is behind is as sharp as what is in front; else it is blurred by so many of 352 pixels."""
SCENES = {"nyu": 0.45, "indoor": 0.2, "outdoor": 0.2, "stk": 0.15}
"""The sources whose pictures stand behind, and are what some things show."""
FUR = (0.004, 0.022)
"""How far hair stands out, in half the frame's width."""
SOFT = 0.018
"""How far surfaces of animals and people are blurred into each other, in the frame's width."""
TABLE_PITCH = (0.1, 1.2)
TABLE_THINGS = (5, 16)
KEEP_CLOSE = Keep(inverse_span=0.04, mean=10, deviation=10, black=0.9, bright=0.93)
FAR = 2000.0


@dataclass(frozen=True)
class StampRules:
    """Which stamps are taken, and how they are placed."""

    smallest: int = 110
    """Pixels of the shorter side."""
    cover: Range = (0.12, 0.93)
    """The share of the picture that is not cut away."""
    even: float = 0.3
    """In a drawing more of the neighbouring pixels than this are equal."""
    turn: float = 8.0
    round: float = 0.16
    """How far the rim is rounded, in the size of the thing."""
    bulge: Range = (0.02, 0.25)
    lean: float = 0.03
    fill: Range = (0.75, 1.8)
    cut: float = 0.5
    """How often it fills the frame in both directions, and is cut off."""
    aside: float = 0.08


STAMPS = StampRules()
