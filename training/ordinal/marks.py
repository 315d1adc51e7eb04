"""The pictures and the pairs of points that were marked in them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
CLASSES = (
    "face", "animal", "close object", "tabletop", "food", "street", "landscape", "night", "glass", "text",
)  # fmt: skip
"""In the order of the table."""
Point = tuple[float, float]
"""x and y, as fractions of the picture's width and height."""


@dataclass(frozen=True)
class Pair:
    """Two points of a picture whose order nobody would doubt."""

    picture: str
    kind: str
    """One of CLASSES."""
    nearer: Point
    farther: Point

    @property
    def path(self) -> Path:
        """Where the picture lies."""
        return PICTURES / self.picture


@dataclass(frozen=True)
class Origin:
    """Where a picture is from, and under which terms."""

    package: str
    """As its registry names it, with the version."""
    path: str
    """Inside the package."""
    author: str
    licence: str
    origin: str
    """A page about the picture, as far as the package names one."""
    sha256: str


def pairs() -> list[Pair]:
    """Return every pair, in the order of the file; those of one picture follow each other."""
    return [
        Pair(
            row["picture"],
            row["class"],
            (float(row["x1"]), float(row["y1"])),
            (float(row["x2"]), float(row["y2"])),
        )
        for row in _rows("pairs.csv")
    ]


def origins() -> dict[str, Origin]:
    """Return where each picture is from, by its name."""
    return {
        row["picture"]: Origin(**{name: row[name] for name in Origin.__dataclass_fields__})
        for row in _rows("pictures.csv")
    }


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
