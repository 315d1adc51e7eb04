"""What sizes cost: memory over pictures of many sizes, and time over the sizes at which a network sees them.

    python -m benchmarks.sizes memory [--sizes 2000] [--page docs/performance.md]
    python -m benchmarks.sizes time [--model Depthmap_Tiny DPT_Hybrid] [--page docs/performance.md]

``memory`` gives each engine a process, and as many pictures as sizes; see ``scripts/many_sizes.py``. It exits 1 where
the process grows by more than `BOUND`. ``time`` lets sizes take turns on one core, takes the least time
of the processor, and compares each map with that of the network's
own size. Checkpoints are stand-ins but for the embedded model, whose maps alone say something: of its error against
the map at its own size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .bench import clean
from .common import arguments, show_in, table
from .material import EMBEDDED
from .series import alternate
from .ways import MANY, SCRIPTS

BOUND = 200_000_000
"""Bytes by which a process may grow over pictures of whatever sizes."""
SIDES = (128, 256, 384, 512, 640)
OWN = 384
"""The size at which all models of the table were trained."""


def memory(engine: str, sizes: int, pictures: int) -> dict[str, int]:
    """Predict pictures of so many sizes in a process of its own; return what it says of its memory."""
    command = (sys.executable, str(SCRIPTS / "many_sizes.py"), engine, str(sizes), str(pictures))
    done = subprocess.run(command, env=clean(), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def memory_table(sizes: int) -> tuple[str, bool]:
    """Return the table, and whether all engines keep to the bound."""
    rows, kept = [], True
    for engine in ("onnxruntime", "openvino", "torch"):
        for pictures, expected in ((1, "one"), (MANY, "many")):
            found = memory(engine, sizes, pictures)
            first, *more = (f"{found[key] / 1e6:,.0f} MB" for key in ("first", "most", "last"))
            signed = (value if value.startswith("-") else f"+{value}" for value in more)
            rows.append((engine, expected, f"{sizes:,}", found["inputs"], first, *signed))
            kept &= found["most"] <= BOUND
    head = (
        "engine",
        "`pictures`",
        "sizes",
        "of the network's input",
        "after the first",
        "then at most",
        "at the end",
    )
    return table(head, *rows), kept


def time_table(models: Sequence[str], rounds: int, folder: Path) -> str:
    """Return a table of sizes by models: the processor's seconds on one core, and how far maps differ."""
    rows = []
    for model in models:
        rows += _times(model, rounds, folder)
    return table(("model", "engine", "`--size`", "CPU seconds", "against its own size", "map differs"), *rows)


def _times(model: str, rounds: int, folder: Path) -> list[tuple[object, ...]]:
    import numpy as np
    from PIL import Image

    from depthmap import DepthEstimator

    if model != EMBEDDED:
        from .common import prepare

        prepare(folder, model, ("pt",))
    with Image.open(Path(__file__).parents[1] / "examples" / "china.jpg") as photo:
        picture = np.asarray(photo.convert("RGB"))
    estimators = {side: DepthEstimator(model, device="cpu", size=side) for side in SIDES}
    maps = {side: estimator.predict(picture) for side, estimator in estimators.items()}

    def turn(side: int) -> float:
        start = time.process_time()
        estimators[side].predict(picture)
        return time.process_time() - start

    values = alternate({str(side): lambda side=side: turn(side) for side in SIDES}, rounds)
    seconds = {side: min(values[str(side)]) for side in SIDES}
    own = maps[OWN]
    return [
        (
            model,
            estimators[side].engine,
            side,
            f"{seconds[side]:.3g}",
            f"{seconds[side] / seconds[OWN]:.2f} ×",
            f"{abs(maps[side] - own).mean() / own.std():.1%}" if model == EMBEDDED else "–",
        )
        for side in SIDES
    ]


def main() -> int:
    """Print the table that is asked for, and put it on the page."""
    parser = arguments(__doc__)
    parser.add_argument("what", choices=("memory", "time"))
    parser.add_argument("--sizes", type=int, default=2000)
    parser.add_argument("--model", nargs="+", default=[EMBEDDED, "DPT_Hybrid"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    kept = True
    if chosen.what == "memory":
        text, kept = memory_table(chosen.sizes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DEPTHMAP_CACHE_DIR"] = folder
            os.environ["OMP_NUM_THREADS"] = "1"
            text = time_table(chosen.model, chosen.rounds, Path(folder))
    print(text, end="")
    if chosen.page:
        show_in(chosen.page, f"sizes-{chosen.what}", f"\n{text}\n")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
