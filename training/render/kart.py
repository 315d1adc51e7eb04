"""What SuperTuxKart's assets make: its tracks, and wildernesses."""

from __future__ import annotations

from . import tracks, wild
from .parameters import WILD_SHARE
from .scenes import Kit, Scene


def build(kit: Kit) -> Scene:
    """Build one of them."""
    return wild.build(kit) if kit.rng.random() < WILD_SHARE else tracks.build(kit)
