"""The table of attacks: the modules that make hostile files fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Maker = Callable[[Path, Path], None]
"""Makes the hostile file at the first path; code that is run out of it makes a file at the second."""

PT_DOORS = ("load", "import", "cached", "vouched", "published")
PICKLE_DOORS = ("load", "cached", "vouched")
H5_DOORS = ("load", "import", "cached", "vouched")
PKL_DOORS = ("metadata", "manifest")
SAFETENSORS_DOORS = ("load", "import")
PLACE_DOORS = ("load", "import", "cached")
"""For what is no file, so that it has no digest that a record could hold."""


@dataclass(frozen=True)
class Attack:
    """A hostile file: its name, what it tries, its suffix, how it is made, and the doors (see `doors`) it knocks at."""

    name: str
    about: str
    suffix: str
    make: Maker
    doors: tuple[str, ...]


ATTACKS: dict[str, Attack] = {}


def attack(suffix: str, doors: tuple[str, ...]) -> Callable[[Maker], Maker]:
    """Enter a maker into the table under its own name; its docstring says what it tries."""

    def enter(make: Maker) -> Maker:
        add(make.__name__.strip("_").replace("_", " "), make.__doc__ or "", suffix, make, doors)
        return make

    return enter


def add(name: str, about: str, suffix: str, make: Maker, doors: tuple[str, ...]) -> None:
    """Enter an attack into the table."""
    assert name not in ATTACKS, name
    ATTACKS[name] = Attack(name, about, suffix, make, doors)
