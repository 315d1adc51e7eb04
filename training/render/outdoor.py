"""Outdoors: streets most of the time, parks otherwise."""

from __future__ import annotations

from . import park, street
from .parameters import PARK_SHARE
from .scenes import Kit, Scene


def build(kit: Kit) -> Scene:
    """Build a street or a park."""
    return park.build(kit) if kit.rng.random() < PARK_SHARE else street.build(kit)
