"""Outdoors: streets, parks, and close-ups in parks."""

from __future__ import annotations

from . import park, portrait, street
from .parameters import OUTDOOR_SHARES
from .scenes import Kit, Scene

BUILDERS = {"street": street.build, "park": park.build, "portrait": portrait.build}


def build(kit: Kit) -> Scene:
    """Build one of them."""
    kind = kit.rng.choices(list(OUTDOOR_SHARES), list(OUTDOOR_SHARES.values()))[0]
    return BUILDERS[kind](kit)
