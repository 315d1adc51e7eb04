"""How many pairs a map puts in their right order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import metrics
from ..predict import Method
from .marks import CLASSES, Pair, Point

BEGIN, END = "<!-- order: begin (training/ordinal) -->", "<!-- order: end -->"
BASELINE = "lower is nearer"
Answers = dict[Pair, bool]
"""Whether each pair was put in its right order."""


def value(inverse_depth: NDArray[np.floating], point: Point) -> float:
    """Return the value of a map (H, W) at a point."""
    height, width = inverse_depth.shape
    x, y = point
    return float(inverse_depth[int(y * height), int(x * width)])


def answers(pairs: Iterable[Pair], method: Method) -> Answers:
    """Ask a method for each picture's inverse depth, and return whether it has the nearer point nearer.

    Equal values are wrong, and so are those that the method does not know (NaN).
    """
    found: Answers = {}
    for path, of_one in groupby(pairs, lambda pair: pair.path):
        with Image.open(path) as picture:
            shape = (picture.height, picture.width)
        inverse_depth = method(path, shape)
        found |= {
            pair: value(inverse_depth, pair.nearer) > value(inverse_depth, pair.farther) for pair in of_one
        }
    return found


def share(answers: Iterable[bool]) -> float:
    """Return how many of the answers are right, in percent; NaN of none."""
    given = list(answers)
    return 100 * sum(given) / len(given) if given else float("nan")


def shares(answers: Answers) -> dict[str, float]:
    """Return the share of pairs right, by class, and the mean of the classes."""
    by_class = {
        kind: share(right for pair, right in answers.items() if pair.kind == kind) for kind in CLASSES
    }
    return {**by_class, "mean of classes": sum(by_class.values()) / len(by_class)}


def beside_baseline(name: str, answers: Answers) -> str:
    """Return the card's table: a method's shares beside those of the baseline."""
    return table({name: answers, BASELINE: lower_is_nearer(answers)})


def lower_is_nearer(pairs: Iterable[Pair]) -> Answers:
    """Return what a method says that knows nothing about the picture."""
    return answers(pairs, lambda _, shape: metrics.lower_is_nearer(*shape).astype(np.float32))


def table(methods: Mapping[str, Answers]) -> str:
    """Return the shares of several methods, which answered the same pairs, as a Markdown table."""
    given = next(iter(methods.values()))
    columns = {name: shares(found) for name, found in methods.items()}
    lines = [
        f"| class | pictures | pairs | {' | '.join(methods)} |",
        f"|---|---:|---:|{'---:|' * len(methods)}",
    ]
    for kind in (*CLASSES, "mean of classes"):
        of_kind = [pair for pair in given if pair.kind == kind or kind not in CLASSES]
        pictures = len({pair.picture for pair in of_kind})
        cells = " | ".join(f"{column[kind]:.0f} %" for column in columns.values())
        lines.append(f"| {kind} | {pictures} | {len(of_kind)} | {cells} |")
    return "\n".join(lines)
