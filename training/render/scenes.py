"""What a scene is: a kit to build it with, and what it offers to the camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from . import catalogue
from .assets import Assets
from .camera import View, dice
from .catalogue import CHOICES, Item
from .furniture import Furniture
from .materials import Palette, load_image
from .parameters import CHANGED, REDRESSED
from .stage import SOLIDS, Stage, Vec


@dataclass(frozen=True)
class Scene:
    """A scene that is built."""

    kind: str
    name: str
    draw: Callable[[], View | None]
    """Draws a view; None if there is none to be had this time."""
    relight: Callable[[], None] = lambda: None
    apart: float = 5.0
    """Views nearer to each other, in about the same direction, are too much alike."""


class Library:
    """The assets with the catalogue read, shared by all scenes of a run."""

    def __init__(self, folder: Path) -> None:
        self.assets = Assets(folder)

    @cached_property
    def items(self) -> list[Item]:
        return catalogue.read(self.assets.furniture)

    def choice(self, name: str) -> list[list[Item]]:
        """Return the models of one of the choices, by collection."""
        return [found for choice in CHOICES[name] if (found := choice.of(self.items))]


class Kit:
    """All that a scene is built with: an empty stage, materials, models, and the scene's own dice."""

    def __init__(self, library: Library, seed: int, source: str, threads: int, scratch: Path) -> None:
        self.seed = seed
        self.rng = dice(source, seed)
        self.library, self.assets = library, library.assets
        self.stage = Stage(threads, scratch)
        self.palette = Palette(self.assets, self.rng)
        self.furniture = Furniture(self.stage, self.rng)
        self._drawn: dict[str, list[Item]] = {}

    def one_of(self, choice: str, variety: int = 6) -> Item:
        """Draw a model; a scene holds only a few different ones of a kind, since each costs time to read."""
        if choice not in self._drawn:
            collections = self.library.choice(choice)
            self._drawn[choice] = [self.rng.choice(self.rng.choice(collections)) for _ in range(variety)]
        return self.rng.choice(self._drawn[choice])

    def one_by_share(self, shares: Mapping[str, float]) -> str:
        """Draw a name by the names' shares."""
        return self.rng.choices(list(shares), list(shares.values()))[0]

    def odd_thing(self, foot: Vec, size: Vec) -> None:
        """Add a solid of any kind and look."""
        kind, material = self.rng.choice(SOLIDS), self.palette.thing()
        self.stage.solid(kind, foot, size, material, self.rng.uniform(0, 6.28))

    def sides(self, low: float, high: float) -> tuple[float, float, float]:
        """Draw the size of a solid."""
        return self.rng.uniform(low, high), self.rng.uniform(low, high), self.rng.uniform(low, high)

    def dresser(self) -> Callable[[Any], Any]:
        """Draw what a texture becomes: itself in some scenes, perhaps any other in the rest.

        The tracks are few. Who has learned how far away a certain wall is knows nothing of other walls.
        """
        rng, textures = self.rng, self.assets.textures("any")
        if rng.random() >= REDRESSED:
            return lambda own: own
        return lambda own: load_image(rng.choice(textures)) if rng.random() < CHANGED else own

    def daylight(self) -> None:
        """Light the stage from outside, anew."""
        self.stage.daylight(self.rng, self.assets.panoramas())
