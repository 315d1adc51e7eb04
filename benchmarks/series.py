"""What was measured: values of one way, one a turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECONDS = "s"
BYTES = "B"
SHARE = "%"
"""Kept as a fraction."""
TIMES = "×"


@dataclass(frozen=True)
class Series:
    """The values of one clock, for one model (or none), by one way."""

    clock: str
    model: str
    way: str
    unit: str
    values: tuple[float, ...]

    @property
    def key(self) -> str:
        """What names it in the table of claims."""
        return f"{self.clock}/{self.model}/{self.way}"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as builtins, for JSON."""
        names = {"clock": self.clock, "model": self.model, "way": self.way, "unit": self.unit}
        rounded = [float(f"{value:.5g}") for value in self.values]
        return {**names, **spread(rounded), "values": rounded}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Series:
        """Return what `as_dict` has written."""
        return cls(row["clock"], row["model"], row["way"], row["unit"], tuple(row["values"]))


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, min and max, to four digits."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def alternate(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, tuple[float, ...]]:
    """Let ways take turns (A B C, A B C, ...), so that other work on the machine meets all; return their values."""
    values: dict[str, list[float]] = {way: [] for way in turns}
    for _ in range(rounds):
        for way, turn in turns.items():
            values[way].append(turn())
    return {way: tuple(found) for way, found in values.items()}


def series(
    clock: str, model: str, values: Mapping[str, Iterable[float]], unit: str = SECONDS
) -> list[Series]:
    """Return what `alternate` gave as series."""
    return [Series(clock, model, way, unit, tuple(found)) for way, found in values.items()]
