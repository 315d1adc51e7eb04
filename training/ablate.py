"""Measure what pays: ``python -m training.ablate --data FOLDER --runs FOLDER --encoder FILE``.

Trains each of ``ABLATIONS`` in a folder of its own below ``--runs``, on the same batches, and prints a Markdown table
of their scores on every ``--every``-th picture of val. A variant that is done is not trained again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .config import ABLATIONS
from .data import Sampler, Source, read_sources
from .evaluate import TOO_FEW, counts, score
from .metrics import Errors, mean_errors
from .predict import predictor
from .train import Run, train


def trained(name: str, folder: Path, sources: list[Source], encoder: Path, val: Path) -> Run:
    """Train a variant, or take it as it is when it is done."""
    config = ABLATIONS[name]
    run = Run(folder, config, encoder)
    if run.step < config.steps:
        train(run, Sampler(sources, config.batch, config.seed), val, scored=False)
    return run


def table(found: dict[str, dict[str, Errors]]) -> str:
    """Return the share of wrong pixels per variant and source, their mean, and the mean errors of contours."""
    sources = list(next(iter(found.values())))
    lines = [f"| variant | {' | '.join(sources)} | mean | edges |", "|---|" + "---:|" * (len(sources) + 2)]
    for name, scores in found.items():
        mean = mean_errors(list(scores.values()))
        values = [*(f"{scores[source].d125:.1f}" for source in sources), f"{mean.d125:.1f}"]
        edges = f"{mean.edge_accuracy:.2f}, {mean.edge_completeness:.2f}"
        lines.append(f"| {name} | {' | '.join(values)} | {edges} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, train, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--runs", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--encoder", type=Path, required=True, help="weights whose encoder all share")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--only", nargs="*", default=list(ABLATIONS), help="names of variants")
    options = parser.parse_args()
    torch.set_num_threads(2)
    sources, val, found = read_sources(options.data / "train"), options.data / "val", {}
    enough = {source for source, number in counts(val).items() if number >= TOO_FEW}
    for name in options.only:
        folder = options.runs / name.replace(" ", "-").replace("/", "by")
        run = trained(name, folder, sources, options.encoder, val)
        scores = score(val, {name: predictor(run.weights())}, options.every)
        found[name] = {source: methods[name] for source, methods in scores.items() if source in enough}
        print(table(found), flush=True)


if __name__ == "__main__":
    main()
