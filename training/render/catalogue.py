"""The models of Sweet Home 3D: names, categories, sizes, and which of them belong where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEAVIEST = 7_000_000
"""Bytes of a model: more take longer to read than to render."""
LINE = re.compile(r"(\w+)#(\d+)\s*=\s*(.*)")


@dataclass(frozen=True)
class Item:
    """A model with its true size in metres."""

    name: str
    category: str
    path: Path
    size: tuple[float, float, float]
    elevation: float = 0.0
    opening: bool = False
    """It is a door or a window."""
    rotation: tuple[float, ...] | None = None

    @property
    def longest(self) -> float:
        return max(self.size)


def read(folder: Path) -> list[Item]:
    """Read the catalogues of all libraries in a folder."""
    items = []
    for catalogue in sorted(folder.glob("*/PluginFurnitureCatalog.properties")):
        entries: dict[int, dict[str, str]] = {}
        for line in catalogue.read_text(encoding="latin1").splitlines():
            if match := LINE.match(line.strip()):
                entries.setdefault(int(match[2]), {})[match[1]] = match[3]
        items += [item for entry in entries.values() if (item := _item(entry, catalogue.parent))]
    return items


def _item(entry: dict[str, str], folder: Path) -> Item | None:
    path = folder / entry.get("model", "/").lstrip("/")
    if (
        not path.is_file()
        or path.stat().st_size > HEAVIEST
        or not {"width", "depth", "height"} <= entry.keys()
    ):
        return None
    return Item(
        name=entry["name"],
        category=entry["category"],
        path=path,
        size=(float(entry["width"]) / 100, float(entry["depth"]) / 100, float(entry["height"]) / 100),
        elevation=float(entry.get("elevation") or 0) / 100,
        opening=entry.get("doorOrWindow") == "true",
        rotation=tuple(map(float, entry["modelRotation"].split())) if "modelRotation" in entry else None,
    )


@dataclass(frozen=True)
class Choice:
    """Models that can stand in for each other."""

    category: str
    lowest: float = 0.0
    name: str = ""
    """Searched for in a model's name."""

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Return those of the items that are meant."""
        return [
            item
            for item in items
            if item.category == self.category
            and item.size[2] > self.lowest
            and re.search(self.name, item.name, re.IGNORECASE)
        ]


CHOICES = {
    "trees": (
        Choice("Exterior", 1.5, "acacia|bamboo|ficus|pine|beech|cypress|poplar|palm|peach|coconut"),
        Choice("Trees", 1.5),
    ),
    "bushes": (Choice("Exterior", 0.0, "bush|hedge|rock|plant box|flower"), Choice("Bushes")),
    "rocks": (Choice("Rocks"),),
    "houses": (Choice("Buildings"),),
    "finds": (Choice("Things"),),
    "cars": (Choice("Vehicles", 1.1, "ford|sedan|beetle|seat|peugeot|renault|suv|chevrolet|smart"),),
    "trucks": (Choice("Vehicles", 1.1, "truck|bus|van$"),),
    "cycles": (Choice("Vehicles", 0.8, "^(bicycle|scooter|yamaha)"),),
    "people": (Choice("Characters", 1.5, "male|boy|girl"),),
    "seated": (Choice("Characters", 0.7, "sitting"),),
    "animals": (Choice("Characters", 0.0, "chicken|horse|dog|cat|rabbit"), Choice("Animals")),
    "things": (Choice("Miscellaneous"),),
    "street": (
        Choice(
            "Exterior",
            0.35,
            "bench|trash|hydrant|mailbox|letters|railing|cafe|chair|table|fountain|lantern|tent|hut|swing|seesaw"
            "|slide|game|goal|wheelbarrow|dog|umbrella|trampoline|bike|barnum|basket",
        ),
    ),
}
"""By name: the collections that a model is drawn from, each as often as the others, however large it is."""
