"""Does depthmap work on a GPU, and how fast? In at most eight minutes, without network.

    python -m benchmarks.gpu [--device cuda] [--models MODEL ...] [--quick] [--out FILE] [--page docs/performance.md]
    python -m benchmarks.gpu --read FILE --page docs/performance.md

It needs this repository, and a Python that finds depthmap (PYTHONPATH=src will do) with torch, NumPy and Pillow.
Checkpoints are stand-ins, made in the system's temporary folder (3 GB with DPT_Large). What matters most comes first:
outputs against those of the official networks, the upload, pictures a second, the first depth map, sizes of batches.
JSON goes to standard output; with --out also to a file, after each part. Exit status 1: an output or an uploaded tensor
is wrong, a model's outputs were not compared, or a part failed. Other parts for which no time was left are named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import machine
from ..bench import clean
from ..common import arguments, show_in
from ..material import Material
from . import page

MODELS = ("DPT_Large", "DPT_Hybrid", "MiDaS", "MiDaS_small", "Depthmap_Tiny")
LIMITS = {"outputs": 60, "upload": 45, "steady": 60, "first": 60, "batches": 60}
"""The parts in their order, and the seconds that each may take for a model; more where the whole may take more."""
_CARD, _CHECKPOINT = 90, 120
SECONDS = 465
_LEAST = 5
"""Seconds below which nothing is begun."""
Result = dict[str, Any]


class Run:
    """One run: what it has found so far is in ``result``."""

    def __init__(self, chosen: Namespace, folder: Path) -> None:
        self.chosen = chosen
        self.folder = folder
        self.start = time.monotonic()
        self.result: Result = {
            "schema": 1,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": machine.commit(),
            "device": chosen.device,
            "models": chosen.models,
            "quick": chosen.quick,
            "machine": machine.facts(),
            "versions": machine.versions(),
            "card": {},
            "parts": {part: [] for part in LIMITS},
            "failed": [],
            "skipped": [],
        }

    def whole(self) -> Result:
        """Make all parts, of all models whose checkpoint could be made."""
        if found := self.part("card", "", _CARD):
            self.result["card"] = found[0]
        if self.result["failed"]:
            return self.result
        made: set[str] = set()
        for model in self.chosen.models:
            Material(self.folder / model, model).cache.mkdir(parents=True)
            if self.part("checkpoint", model, _CHECKPOINT):
                made.add(model)
        for part, limit in LIMITS.items():
            for model in filter(made.__contains__, self.chosen.models):
                self.result["parts"][part] += self.part(part, model, limit)
                self.write()
        return self.result

    def part(self, part: str, model: str, limit: float) -> list[Result]:
        """Make a part in a process of its own; return its rows, as many as it gave in its time."""
        left = self.chosen.seconds - self.seconds()
        if left < _LEAST:
            self.result["skipped"].append({"part": part, "model": model})
            return []
        say(f"{self.seconds():4.0f} s  {part} {model}")
        made = Material(self.folder / model, model)
        how = "quick" if self.chosen.quick else "whole"
        words = (part, model, self.chosen.device, str(made.folder), how)
        environment = clean() | (made.environment if model else {})
        output, error = _output(
            [sys.executable, "-m", f"{__package__}.parts", *words],
            environment,
            min(limit * max(1, self.chosen.seconds / SECONDS), left),
        )
        rows = [json.loads(line) for line in output.splitlines() if line.endswith("}")]  # the last may be cut
        if rows and "failure" in rows[-1]:
            error = rows.pop()["failure"]
        if not rows and not error:
            error = "it gave nothing"
        if error:
            self.result["failed"].append({"part": part, "model": model, "error": error})
            say(f"        failed: {error}")
        return rows

    def seconds(self) -> float:
        """Return how long it has gone on."""
        return time.monotonic() - self.start

    def write(self) -> None:
        """Write what there is, whole at every moment."""
        self.result["seconds"] = round(self.seconds())
        self.result["right"] = right(self.result)
        if target := self.chosen.out:
            beside = target.with_name(f"{target.name}.part")
            beside.write_text(json.dumps(self.result, indent=1), encoding="utf-8")
            os.replace(beside, target)


def _output(command: list[str], environment: dict[str, str], limit: float) -> tuple[str, str]:
    """Run a command; return its output, and why it failed."""
    try:
        done = subprocess.run(
            command, cwd=machine.ROOT, env=environment, stdout=subprocess.PIPE, timeout=limit
        )
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(), f"stopped after {limit:.0f} s"
    return done.stdout.decode(), f"exit status {done.returncode}" if done.returncode else ""


def right(result: Result) -> bool:
    """Tell whether no part failed, each model's outputs were compared, and no output and no tensor is wrong."""
    parts = result["parts"]
    return (
        not result["failed"]
        and {row["model"] for row in parts["outputs"]} == set(result["models"])
        and all(row["holds"] for row in parts["outputs"])
        and all(row["equal"] for row in parts["upload"])
    )


def say(words: str) -> None:
    """Tell on standard error how far it is."""
    print(words, file=sys.stderr, flush=True)


def options(words: list[str] | None = None) -> Namespace:
    """Read the command line."""
    parser = arguments(__doc__)
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, cuda:1; cpu: to see that all works")
    add("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL", help=" ".join(MODELS))
    add("--quick", action="store_true", help="each thing once: to see that all works")
    add("--seconds", type=float, default=SECONDS, help="begin nothing after so many, and end what runs")
    add("--out", type=Path, help="write the JSON there too, after each part")
    add("--read", type=Path, help="measure nothing, read what --out has written elsewhere")
    add("--page", type=Path, help="write the tables there, between the markers 'gpu'")
    chosen = parser.parse_args(words)
    if chosen.page and not chosen.read and (chosen.quick or not chosen.device.startswith("cuda")):
        parser.error("--page needs a whole run on a GPU")
    return chosen


def main() -> int:
    """Measure, or read; print the JSON, and write what is asked for."""
    chosen = options()
    if chosen.read:
        result: Result = json.loads(chosen.read.read_text(encoding="utf-8"))
    else:
        with tempfile.TemporaryDirectory(prefix="depthmap-gpu-", ignore_cleanup_errors=True) as folder:
            run = Run(chosen, Path(folder))
            result = run.whole()
            run.write()
    print(json.dumps(result))
    if chosen.page:
        show_in(chosen.page, "gpu", f"\n{page.text(result)}\n")
    return 0 if right(result) else 1


if __name__ == "__main__":
    raise SystemExit(main())
