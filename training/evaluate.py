"""Score weights on val: ``python -m training.evaluate --data FOLDER [--weights FILE] [--card CARD]``.

FOLDER holds ``val/``. Prints a Markdown table of the model beside its first version and the two baselines; ``--card``
writes it between the markers of the model's card. Ends with status 1 when a baseline is as good on a source that
counts.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from . import metrics
from .data import DEPTH_SCALE, stems
from .metrics import Errors
from .predict import Method, predictor

Scores = dict[str, dict[str, Errors]]
"""By source, then by method."""

SHIPPED = Path(__file__).parents[1] / "src" / "depthmap" / "embedded" / "depthmap_tiny.pt"
BEGIN, END = "<!-- errors: begin (training/evaluate.py) -->", "<!-- errors: end -->"
TOO_FEW = 10
"""A source with fewer pictures is shown but decides nothing."""
EXACT = ("indoor", "outdoor", "stk")
"""Sources whose depth is rendered: their contours are scored."""
PUBLISHED = {"kitti": 29.27, "nyu": 13.43}
"""δ > 1.25 of MiDaS_small on whole sets, by their authors: README of MiDaS 3.1, "MiDaS-small (v2.1)"."""
SEEN = ("nyu",)
"""Sets that MiDaS_small was scored on without having seen their training part, which this model has."""
MODEL, FIRST = "Depthmap_Tiny", "first version"
FIRST_SCORES = Path(__file__).with_name("first_version.json")
"""What the first version scored, by source; written by ``--json``."""
BASELINES: dict[str, Method] = {
    "constant": lambda _, shape: metrics.constant(*shape).astype(np.float32),
    "lower is nearer": lambda _, shape: metrics.lower_is_nearer(*shape).astype(np.float32),
}


def counts(folder: Path) -> dict[str, int]:
    """Return the sources below ``folder`` and how many pairs each has."""
    return {p.name: len(stems(p)) for p in sorted(folder.iterdir()) if (p / "inverse_depth").is_dir()}


def score(folder: Path, methods: Mapping[str, Method], every: int = 1) -> Scores:
    """Return the mean errors of each method on each source below ``folder``, over every ``every``-th picture."""
    scores: Scores = {}
    for source in counts(folder):
        errors: dict[str, list[Errors]] = {name: [] for name in methods}
        for stem in stems(folder / source)[::every]:
            depth = Image.open(folder / source / "inverse_depth" / f"{stem}.png")
            reference = np.asarray(depth).astype(np.float32) / DEPTH_SCALE
            picture = folder / source / "rgb" / f"{stem}.jpg"
            for name, method in methods.items():
                predicted = method(picture, reference.shape)
                errors[name].append(metrics.aligned_errors(predicted, reference, source in EXACT))
        scores[source] = {name: metrics.mean_errors(found) for name, found in errors.items()}
    return scores


def table(scores: Scores, numbers: Mapping[str, int]) -> str:
    """Return the scores as a Markdown table: one row per source and method, the best of each source in bold.

    What was scored here competes; published figures, of other pictures, stand beside it. An asterisk marks those
    that have seen the training part of a set that the others have not.
    """
    lines = [
        "| source (pictures) | method | δ > 1.25, % | AbsRel | RMSE | edges: accuracy, completeness |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for source, methods in scores.items():
        best = min(methods, key=lambda name: methods[name].d125)
        for place, (name, e) in enumerate(methods.items()):
            label = f"{source} ({numbers[source]})" if place == 0 else ""
            share = f"**{e.d125:.1f}**" if name == best else f"{e.d125:.1f}"
            mark = "\\*" if source in SEEN and name in (MODEL, FIRST) else ""
            lines.append(
                f"| {label} | {name}{mark} | {share} | {e.absrel:.3f} | {e.rmse:.3f} | {_edges(e)} |"
            )
        if source in PUBLISHED:
            lines.append(f"|  | MiDaS_small, as published | {PUBLISHED[source]:.1f} | – | – | – |")
    return "\n".join(lines)


def _edges(errors: Errors) -> str:
    if math.isnan(errors.edge_accuracy):
        return "–"
    return f"{errors.edge_accuracy:.2f}, {errors.edge_completeness:.2f}"


def with_means(scores: Scores, numbers: Mapping[str, int]) -> tuple[Scores, dict[str, int]]:
    """Add the mean over the sources that count, each counting the same, as a last source."""
    counting = [source for source in scores if numbers[source] >= TOO_FEW]
    if not counting:
        return scores, dict(numbers)
    means = {
        name: metrics.mean_errors([scores[source][name] for source in counting])
        for name in next(iter(scores.values()))
    }
    total = sum(numbers[source] for source in counting)
    return {**scores, "mean of sources": means}, {**numbers, "mean of sources": total}


def beside(scores: Scores, path: Path) -> Scores:
    """Put the first version's scores behind the model's; not those of the first version itself."""
    first = json.loads(path.read_text(encoding="utf-8"))
    if all(abs(first[s]["d125"] - scores[s][MODEL].d125) < 0.01 for s in first.keys() & scores.keys()):
        return scores
    return {
        source: {MODEL: methods[MODEL], FIRST: Errors(**first[source]), **methods}
        if source in first
        else methods
        for source, methods in scores.items()
    }


def lost_to_baseline(scores: Scores, numbers: Mapping[str, int], model: str) -> list[str]:
    """Return the sources, of those that count, where a baseline's share of wrong pixels is as low as the model's."""
    return [
        source
        for source, methods in scores.items()
        if numbers[source] >= TOO_FEW
        and any(methods[model].d125 >= methods[name].d125 for name in methods if name != model)
    ]


def between_markers(text: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    """Return ``text`` with ``content`` in place of what stands between the markers."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def score_model(state: Mapping[str, Tensor], val: Path) -> Scores:
    """Return the scores of a state dict beside the baselines'."""
    return score(val, {MODEL: predictor(state), **BASELINES})


def as_json(scores: Scores) -> dict[str, dict[str, float]]:
    """Return the model's scores as builtins, without those that are not known."""
    return {
        source: {name: value for name, value in asdict(methods[MODEL]).items() if not math.isnan(value)}
        for source, methods in scores.items()
    }


def full_table(scores: Scores, val: Path) -> str:
    """Return the card's table: the model, its first version, the baselines, and the means."""
    return table(*with_means(beside(scores, FIRST_SCORES), counts(val)))


def main() -> int:
    """Read the command line, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED, help="a state dict (default: what is shipped)"
    )
    parser.add_argument("--card", type=Path, help="Markdown file to write the table into")
    parser.add_argument("--json", type=Path, help="write the model's scores to this file")
    options = parser.parse_args()
    torch.set_num_threads(2)
    val = options.data / "val"
    scores = score_model(torch.load(options.weights, map_location="cpu", weights_only=True), val)
    if options.json:
        options.json.write_text(json.dumps(as_json(scores), indent=1) + "\n", encoding="utf-8")
    rows = full_table(scores, val)
    print(rows)
    if options.card:
        card = options.card.read_text(encoding="utf-8")
        options.card.write_text(between_markers(card, rows), encoding="utf-8")
    lost = lost_to_baseline(scores, counts(val), MODEL)
    if lost:
        print(f"A baseline is as good on: {', '.join(lost)}", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
