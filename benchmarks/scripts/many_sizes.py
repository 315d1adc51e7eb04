"""Pictures of many sizes by one estimator: how much memory the process takes more than after the first picture.

    python SCRIPT ENGINE SIZES PICTURES

prints a line of JSON: the sizes of the network's input that occurred, the memory after the first picture, and what the
process then had more: at the most, and in the end; bytes that are shared with no file (Linux).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np

from depthmap import DepthEstimator, transforms

SIDES = (100, 1000)
MODEL = "Depthmap_Tiny"


def resident() -> int:
    """Return the bytes of memory that this process has besides files."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def main(engine: str, sizes: int, pictures: int) -> None:
    """Predict so many pictures, each of another size."""
    chosen = random.Random(0)
    shapes: dict[tuple[int, int], None] = {}
    while len(shapes) < sizes:
        shapes[chosen.randint(*SIDES), chosen.randint(*SIDES)] = None
    estimator = DepthEstimator(MODEL, device="cpu", engine=engine, pictures=pictures)
    estimator.predict(np.zeros((SIDES[1], SIDES[1], 3), np.uint8))
    first = resident()
    found: list[int] = []
    seen = set()
    for height, width in shapes:
        estimator.predict(np.zeros((height, width, 3), np.uint8))
        found.append(resident() - first)
        seen.add(transforms.network_size(width, height, estimator.spec))
        if len(found) % 100 == 0:
            print(
                engine, f"{len(found)} sizes, at most {max(found):,} bytes more", file=sys.stderr, flush=True
            )
    print(json.dumps({"inputs": len(seen), "first": first, "most": max(found), "last": found[-1]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
