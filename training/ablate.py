"""Measure what pays: ``python -m training.ablate --data FOLDER --runs FOLDER --start STATE.pt``.

Trains each of ``ABLATIONS`` from the same state, once for each seed, in folders of their own below ``--runs``, and
prints a Markdown table of their mean scores on every ``--every``-th picture of val. A variant that is done is not
trained again. The state is a run's ``last.pt``, or what ``training.unfold`` makes of weights as they ship.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch

from depthmap.catalog import EMBEDDED

from .config import ABLATIONS
from .data import Sampler, Source, read_sources
from .evaluate import TOO_FEW, counts, score
from .metrics import Errors, mean_errors
from .predict import predictor
from .train import Run, train

AT = replace(EMBEDDED, input_size=256)
"""How pictures are prepared: of the size at which the variants were trained."""
Found = dict[str, list[dict[str, Errors]]]
"""By variant: for each seed, the errors by source."""


def trained(name: str, seed: int, folder: Path, sources: list[Source], start: Path, val: Path) -> Run:
    """Train a variant, or take it as it is when it is done."""
    config = replace(ABLATIONS[name], seed=seed)
    run = Run(folder, config, start=start)
    if not (folder / "last.pt").exists():
        train(run, Sampler(sources, config.shares, seed, config.disturbed), val, scored=False)
    return run


def table(found: Found) -> str:
    """Return the share of wrong pixels per variant and source, their mean with its span, and the errors of contours."""
    sources = list(next(iter(found.values()))[0])
    lines = [f"| variant | {' | '.join(sources)} | mean | edges |", "|---|" + "---:|" * (len(sources) + 2)]
    for name, seeds in found.items():
        values = [f"{mean(scores[source].d125 for scores in seeds):.1f}" for source in sources]
        means = [mean_errors(list(scores.values())) for scores in seeds]
        shares = [m.d125 for m in means]
        values.append(f"{mean(shares):.1f} ({min(shares):.1f} to {max(shares):.1f})")
        both = mean_errors(means)
        edges = f"{both.edge_accuracy:.2f}, {both.edge_completeness:.2f}"
        lines.append(f"| {name} | {' | '.join(values)} | {edges} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, train, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--runs", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--start", type=Path, required=True, help="the state from which all go on")
    parser.add_argument("--seeds", type=int, default=2, help="how often each is trained")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(ABLATIONS), help="names of variants")
    options = parser.parse_args()
    torch.set_num_threads(2)
    sources, val = read_sources(options.data / "train"), options.data / "val"
    enough = [source for source, number in counts(val).items() if number >= TOO_FEW]
    found: Found = {}
    for seed in range(1, options.seeds + 1):
        for name in options.only:
            folder = options.runs / f"{name.replace(' ', '-')}-{seed}"
            run = trained(name, seed, folder, sources, options.start, val)
            scores = score(val, {name: predictor(run.weights(), AT)}, options.every)
            found.setdefault(name, []).append({source: scores[source][name] for source in enough})
            print(table(found), flush=True)


if __name__ == "__main__":
    main()
