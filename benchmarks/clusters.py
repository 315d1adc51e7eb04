"""A Ray cluster against one process, with the same cores: what Ray costs.

    python -m benchmarks.clusters                      the embedded model
    python -m benchmarks.clusters --pictures 150       fewer pictures; they should be many more than the cores

A run by Ray's actors on this machine and a streamed run without Ray take turns, over the same pictures and with the
same outputs. Each has all cores. The clock starts when the model is loaded and, with Ray, a tenth of the pictures is
done: actors that begin cost the same for a thousand pictures as for millions. The page tells the rates, the medians
over the rounds, and the overhead: how much longer a picture takes by Ray.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from .batches import make_pictures, streamed
from .common import arguments, prepare, table


def begin_ray() -> None:
    """Start a cluster of this machine's usable cores, which stays for all rounds."""
    import ray

    from depthmap.engines.cores import usable_cores

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=usable_cores(), log_to_driver=False, include_dashboard=False)


def compared(folder: Path, model: str, count: int, rounds: int, outputs: list[str]) -> str:
    pictures, out = folder / "pictures", folder / "out"
    make_pictures(pictures, count, 640, 360)
    found: dict[str, list[float]] = {"one process": [], "Ray": []}
    begin_ray()
    for number in range(rounds):
        turns = list(found)
        for name in reversed(turns) if number % 2 else turns:
            found[name].append(streamed(pictures, out, model, outputs, ray="" if name == "Ray" else None))
            shutil.rmtree(out)
        print({name: round(values[-1], 2) for name, values in found.items()}, file=sys.stderr)
    middle = {name: statistics.median(values) for name, values in found.items()}
    rows = [(name, f"{value:.1f}") for name, value in middle.items()]
    rows.append(("overhead", f"{middle['one process'] / middle['Ray'] - 1:.1%}"))
    return table((f"{model}, {count} pictures of 640 × 360, {' and '.join(outputs)}", "pictures/s"), *rows)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", default="Depthmap_Tiny")
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", action="append")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.model.lower() != "depthmap_tiny":
            prepare(folder, chosen.model)
        print(compared(folder, chosen.model, chosen.pictures, chosen.rounds, chosen.output or ["png16"]))


if __name__ == "__main__":
    main()
