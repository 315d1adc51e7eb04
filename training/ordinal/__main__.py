"""Which of two points is nearer: ``python -m training.ordinal [--model MODEL | --weights FILE] [--card CARD]``.

Prints the share of pairs that a model puts in their right order, by class; ``--wrong`` also prints the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from depthmap import DepthEstimator

from ..evaluate import MODEL, between_markers
from ..predict import Method, predictor
from . import marks, score


def by_name(model: str) -> Method:
    """Return the method that predicts with a model of the catalogue, or an imported one."""
    estimator = DepthEstimator(model)
    return lambda path, _: estimator.depth(path).inverse_depth


def main() -> None:
    """Read the command line, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", default=MODEL, help="a name that depthmap knows (default: %(default)s)")
    which.add_argument("--weights", type=Path, help="a state dict of Depthmap_Tiny: a run's ema.pt")
    parser.add_argument("--card", type=Path, help="Markdown file to write the table into")
    parser.add_argument("--wrong", action="store_true", help="also print the pairs that are wrong")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.weights:
        name = options.weights.name
        method = predictor(torch.load(options.weights, map_location="cpu", weights_only=True))
    else:
        name, method = options.model, by_name(options.model)
    answers = score.answers(marks.pairs(), method)
    table = score.beside_baseline(name, answers)
    print(table)
    if options.wrong:
        for pair in (pair for pair, right in answers.items() if not right):
            print(f"{pair.picture}: {pair.nearer} is nearer than {pair.farther}")
    if options.card:
        card = options.card.read_text(encoding="utf-8")
        options.card.write_text(between_markers(card, table, score.BEGIN, score.END), encoding="utf-8")


if __name__ == "__main__":
    main()
