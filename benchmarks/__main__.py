"""Measure how fast depthmap is, beside the usual ways, and write what came of it.

    python -m benchmarks [--only MEASURE ...] [--model MODEL ...] [--rounds 5] [--quick] [--pages]

Stand-ins of the published checkpoints (their layout and size, synthetic numbers) are made in a folder, and used again
next time; with DPT_Large they take 6 GB there. The peers are installed from PyPI into ``build/peers-venv``. All ways
take turns, so that other work on the machine meets all of them; a figure is a ratio of medians. Nothing else should
run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import environment, history, machine, material, report
from .bench import Bench
from .claims import figures
from .common import arguments
from .measures import MEASURES, cold
from .series import Series

MODELS = ("DPT_Large", "MiDaS", "MiDaS_small", material.EMBEDDED)
QUICK = ("MiDaS_small", material.EMBEDDED)
_LONG = 3
"""Rounds of what takes more than ten seconds each."""


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = arguments(__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=f"some of: {', '.join(MEASURES)}")
    add("--model", nargs="+", choices=MODELS, metavar="MODEL", help=f"some of: {', '.join(MODELS)}")
    add("--rounds", type=int, default=5, help="turns of each way; three of what takes more than ten seconds")
    add("--quick", action="store_true", help="one round, small models: to see that all works")
    add("--no-peers", action="store_true", help="install nothing: only ways that this environment has")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()) / "depthmap-bench", help="for the files")
    add("--json", type=Path, help="write the results there")
    add("--pages", action="store_true", help="write docs/performance.* and the history")
    chosen = parser.parse_args(words)
    if chosen.pages and (chosen.only or chosen.model or chosen.quick or chosen.no_peers):
        parser.error("--pages needs a whole run")
    return chosen


def bench(chosen: argparse.Namespace) -> Bench:
    """Make what is needed."""
    chosen.folder.mkdir(parents=True, exist_ok=True)
    peers = environment.own() if chosen.no_peers else environment.peers()
    models = [m for m in MODELS if m in (chosen.model or (QUICK if chosen.quick else MODELS))]
    made = {}
    for model in models:
        say(f"making the files of {model}")
        made[model] = material.ready(chosen.folder, model, peers)
    rounds = 1 if chosen.quick else chosen.rounds
    photo = material.photo(chosen.folder)
    return Bench(chosen.folder, peers, made, photo, rounds, min(rounds, _LONG))


def measured(run: Bench, only: list[str] | None) -> tuple[list[Series], list[str]]:
    """Make the measures, and say how far it is; return the series, and which measures failed.

    One that fails does not take with it what half an hour has measured.
    """
    found: list[Series] = []
    failed: list[str] = []
    for name in only or MEASURES:
        start = time.monotonic()
        say(f"measuring {name}")
        try:
            found += MEASURES[name](run)
        except Exception as error:
            traceback.print_exc()
            failed.append(f"{name}, which failed: {(str(error) or repr(error)).splitlines()[-1]}")
        say(f"  {time.monotonic() - start:.0f} s")
    return found, failed


def document(run: Bench, found: list[Series], failed: list[str], facts: dict[str, Any]) -> dict[str, Any]:
    """Return everything as builtins, for JSON."""
    return {
        "schema": 1,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "machine": facts | _disk(run, found),
        "versions": {"depthmap": machine.versions(), "peers": run.peers.versions},
        "rounds": [run.rounds, run.long_rounds],
        "figures": [figure.as_dict() for figure in figures(found)],
        "series": [one.as_dict() for one in found],
        "left_out": [*run.peers.left_out, *failed],
    }


def _disk(run: Bench, found: list[Series]) -> dict[str, Any]:
    """Return the rate of the disk, where it was measured."""
    seconds = [one.median for one in found if one.way == cold.READ]
    size = run.material[material.LARGE].published.stat().st_size if seconds else 0
    return {"disk_mb_s": round(size / seconds[0] / 1e6)} if seconds else {}


def say(words: str) -> None:
    """Tell on standard error how far it is."""
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print the table, and write what is asked for; return 1 where a measure failed."""
    chosen = options()
    facts = machine.facts()
    run = bench(chosen)
    found, failed = measured(run, chosen.only)
    result = document(run, found, failed, facts)
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    print(report.figures(result), end="")
    if chosen.json:
        chosen.json.write_text(text, encoding="utf-8")
    if chosen.pages:
        report.RESULT.write_text(text, encoding="utf-8")
        report.write(result)
        history.add(result)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
