"""The figures of all runs, and how the last differs from the one before on the same kind of machine.

    python -m benchmarks.history [--tolerance 0.2]

prints the change of each figure, and exits 1 where one has become worse by more than the tolerance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import machine
from .common import arguments, table

FOLDER = Path(__file__).with_name("history")
TOLERANCE = 0.2
_AT_LEAST = "≥"

Run = Mapping[str, Any]
"""A file of the history: date, commit, machine (its kind), figures {key: {value, better}}."""


@dataclass(frozen=True)
class Change:
    """A figure in two runs. ``factor`` is above 1 where it has become better."""

    key: str
    before: float
    now: float
    factor: float

    def is_regression(self, tolerance: float) -> bool:
        return self.factor < 1 - tolerance


def add(result: Run, folder: Path = FOLDER) -> Path:
    """Keep the figures of a result; return the file."""
    run = {
        "date": result["date"],
        "commit": result["commit"],
        "machine": machine.kind(result["machine"]),
        "figures": {
            row["key"]: {"value": row["value"], "better": row["better"]} for row in result["figures"]
        },
    }
    name = result["date"].partition("+")[0].replace(":", "")
    path = folder / f"{name}-{result['commit'].rstrip('+') or 'unknown'}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def runs(folder: Path = FOLDER) -> list[Run]:
    """Return all runs, the oldest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda run: run["date"])


def last_two(found: list[Run]) -> tuple[Run, Run] | None:
    """Return the last run and the one before it on the same kind of machine, or None."""
    *earlier, last = found or [{}]
    before = [run for run in earlier if run["machine"] == last["machine"]]
    return (before[-1], last) if before else None


def changes(before: Run, now: Run) -> Iterator[Change]:
    """Yield the change of each figure that both have."""
    for key, row in now["figures"].items():
        if (old := before["figures"].get(key)) and old["value"] and row["value"]:
            more = row["value"] / old["value"]
            yield Change(key, old["value"], row["value"], more if row["better"] == _AT_LEAST else 1 / more)


def main(words: list[str] | None = None) -> int:
    """Print the changes; return 1 where one is a regression."""
    parser = arguments(__doc__)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(words)
    pair = last_two(runs(options.folder))
    if pair is None:
        print("No earlier run on this kind of machine.")
        return 0
    before, now = pair
    found = list(changes(before, now))
    worse = [change for change in found if change.is_regression(options.tolerance)]
    rows = [
        (one.key, f"{one.before:.4g}", f"{one.now:.4g}", f"{one.factor - 1:+.0%}", "WORSE" * (one in worse))
        for one in found
    ]
    print(f"{before['date']} {before['commit']} → {now['date']} {now['commit']}\n")
    print(table(("figure", "before", "now", "better by", ""), *rows), end="")
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main())
