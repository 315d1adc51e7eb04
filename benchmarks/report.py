"""The page that is made of a run's JSON: docs/performance.md.

    python -m benchmarks.report [docs/performance.json]

What is made stands between markers; the words around are written by hand, and have no figures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import machine
from .common import show_in, table
from .series import BYTES, SECONDS, SHARE, TIMES

Result = Mapping[str, Any]
"""What `__main__.document` returns."""
RESULT = machine.ROOT / "docs" / "performance.json"
PAGE = machine.ROOT / "docs" / "performance.md"


class Unit(NamedTuple):
    """How a value is shown."""

    factor: float
    sign: str


_UNITS = {
    SECONDS: Unit(1, "s"),
    "ms": Unit(1e3, "ms"),
    BYTES: Unit(1e-6, "MB"),
    SHARE: Unit(100, "%"),
    TIMES: Unit(1, "×"),
}
CLOCKS = {
    "imports": "imports",
    "ready": "ready",
    "first": "first depth",
    "cold": "first depth, cold",
    "steady": "steady",
    "private": "private memory",
}
"""The columns of the tables of times, by their names in the JSON."""


class Highlight(NamedTuple):
    """A line of the first table: what, ours (a series), and the others beside it (figures)."""

    text: str
    ours: str
    figures: tuple[str, ...]


HIGHLIGHTS = (
    Highlight(
        "DPT_Large, fresh process to first depth",
        "first/DPT_Large/depthmap",
        ("first.DPT_Large.auto.hub", "first.DPT_Large.auto.transformers"),
    ),
    Highlight(
        "MiDaS_small, fresh process to first depth",
        "first/MiDaS_small/depthmap",
        ("first.MiDaS_small.auto.hub",),
    ),
    Highlight(
        "the embedded model, fresh process to first depth",
        "first/Depthmap_Tiny/depthmap",
        ("first.Depthmap_Tiny.auto.hub",),
    ),
    Highlight(
        "DPT_Large, 1.4 GB, ready from a warm `.pt`, after imports",
        "ready/DPT_Large/depthmap, .pt",
        ("ready.DPT_Large.pt.hub", "ready.DPT_Large.pt.transformers"),
    ),
    Highlight(
        "MiDaS_small, one picture after another",
        "steady/MiDaS_small/depthmap, for many",
        ("steady.MiDaS_small.many.hub",),
    ),
    Highlight(
        "DPT_Large, private memory of a process",
        "private/DPT_Large/depthmap",
        ("private.DPT_Large.auto.hub", "private.DPT_Large.auto.transformers"),
    ),
)


# -- pieces -------------------------------------------------------------------------------------------------------


def amount(value: float, unit: str) -> str:
    """Return a value with its unit, to three digits."""
    if unit == SECONDS and value < 1:
        unit = "ms"
    factor, sign = _UNITS[unit]
    return f"{_digits(value * factor)} {sign}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _spread(row: Mapping[str, Any], value: str) -> str:
    """Return the median, and the least and the most if there are several."""
    shown = amount(row[value], row["unit"])
    low, high = (amount(row[end], row["unit"]) for end in ("min", "max"))
    if low == high:
        return shown
    (least, sign), (most, other) = low.split(" "), high.split(" ")
    return f"{shown} ({least}–{most})" if sign == other == shown.split(" ")[1] else f"{shown} ({low}–{high})"


def figures(result: Result) -> str:
    """Return the table of what is claimed."""
    rows = [
        (row["text"], row["beside"] or "–", _spread(row, "value"), _goal(row), _MET[row["met"]])
        for row in result["figures"]
    ]
    return table(("measure", "beside", "figure", "goal", ""), *rows)


_MET = {True: "met", False: "**missed**", None: ""}


def _goal(row: Mapping[str, Any]) -> str:
    return f"{row['better']} {amount(row['goal'], row['unit'])}" if row["goal"] is not None else "–"


def clocks(result: Result) -> str:
    """Return a table for each model: ways by clocks."""
    series = result["series"]
    models = dict.fromkeys(row["model"] for row in series if row["clock"] in CLOCKS and row["model"])
    return "\n".join(f"**{model}**\n\n{_clocks_of(series, model)}" for model in models)


def _clocks_of(series: Sequence[Mapping[str, Any]], model: str) -> str:
    cells = {
        (row["way"], row["clock"]): _spread(row, "median")
        for row in series
        if row["clock"] in CLOCKS and row["model"] in (model, "")
    }
    own = {(row["way"], row["clock"]) for row in series if row["model"] == model}
    ways = sorted(dict.fromkeys(way for way, clock in cells if (way, clock) in own), key=_place)
    used = [clock for clock in CLOCKS if any((way, clock) in cells for way in ways)]
    rows = [(way, *(cells.get((way, clock), "") for clock in used)) for way in ways]
    return table(("way", *(CLOCKS[clock] for clock in used)), *rows)


def _place(way: str) -> tuple[bool, bool]:
    """Return where a way stands among the others: depthmap's own first."""
    return (not way.startswith("depthmap"), way.startswith("depthmap, ."))


def others(result: Result) -> str:
    """Return a table of what the tables of clocks have not."""
    rows = [
        (row["clock"], row["model"] or "–", row["way"], _spread(row, "median"))
        for row in result["series"]
        if row["clock"] not in CLOCKS or row["way"] == "python alone"
    ]
    return table(("clock", "model", "way", "median (least–most)"), *rows)


def circumstances(result: Result) -> str:
    """Return the machine, the versions, and what could not be measured."""
    facts, versions = result["machine"], result["versions"]
    many, few = result["rounds"]
    lines = (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB; {facts['system']}",
        f"load average before: {facts['load']}",
        f"disk, sequential read: {facts['disk_mb_s']:,} MB/s" if "disk_mb_s" in facts else "",
        f"depthmap {result['commit']}; {_versions(versions['depthmap'])}",
        f"the peers: {_versions(versions['peers'])}",
        f"{result['date'][:10]}; {many} turns of each way, {few} of each that takes more than ten seconds",
        *(f"left out: {what}" for what in result["left_out"]),
    )
    return "".join(f"- {line}\n" for line in lines if line)


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def highlights(result: Result) -> str:
    """Return the first table, which is the short of it."""
    series = {f"{row['clock']}/{row['model']}/{row['way']}": row for row in result["series"]}
    by_key = {row["key"]: row for row in result["figures"]}
    rows = [
        (
            line.text,
            amount(series[line.ours]["median"], series[line.ours]["unit"]),
            ", ".join(
                f"{by_key[key]['beside']} {amount(by_key[key]['value'], TIMES)}"
                for key in line.figures
                if key in by_key
            ),
        )
        for line in HIGHLIGHTS
        if line.ours in series
    ]
    facts = result["machine"]
    where = f"{facts['cores']} cores of {facts['cpu']}, {result['date'][:10]}; medians of alternating turns."
    return table(("", "depthmap", "beside it"), *rows) + f"\n{where}\n"


# -- pages --------------------------------------------------------------------------------------------------------

PARTS = {
    PAGE: {
        "highlights": highlights,
        "figures": figures,
        "clocks": clocks,
        "others": others,
        "circumstances": circumstances,
    },
}
"""What stands between which markers of which page."""


def write(result: Result) -> None:
    """Put all parts into the pages."""
    for page, parts in PARTS.items():
        for name, part in parts.items():
            show_in(page, name, f"\n{part(result)}\n")


def main() -> None:
    """Make the pages of a result."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULT
    write(json.loads(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
