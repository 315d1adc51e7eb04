"""Render training data: ``python -m training.render --assets FOLDER --out DATA --source outdoor --frames 500``.

Runs where ``bpy``, ``OpenEXR`` and ``moderngl`` are installed; the source ``close`` needs none of them, but other
sources in DATA/train: their pictures stand behind what is close. Scenes are numbered from ``--seed`` on; the command
goes on where it was stopped, and ends when the scenes from that seed on have given at least ``--frames`` frames in
DATA/train/SOURCE.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .close import closeup
from .frames import Folder
from .parameters import FIRST_SEED, QUICK, VIEWS

STERILE = 20
"""So many scenes in a row without a frame are a fault."""


def render(out: Folder, seed: int, frames: int, produce: Callable[[int], str]) -> int:
    """Render scenes that are not finished until they have given enough frames; return how many."""
    number = sterile = 0
    for scene in itertools.count(seed):
        if number >= frames:
            break
        if scene not in out.finished:
            start = time.monotonic()
            fate = produce(scene)
            print(f"{scene} {fate}, {time.monotonic() - start:.0f} s", flush=True)
            sterile = 0 if out.finished[scene] else sterile + 1
            if sterile == STERILE:
                raise RuntimeError(f"{STERILE} scenes in a row gave no frame")
        number += out.finished[scene]
    return number


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="training.render", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--assets", type=Path, required=True, help="what training.render.assets unpacked")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", choices=sorted(VIEWS), required=True)
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="the first scene")
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="by OpenGL, without light between surfaces")
    options = parser.parse_args(arguments)
    if options.seed < FIRST_SEED:
        parser.error(f"seeds below {FIRST_SEED} were used by the first data and its validation scenes")
    if options.quick and options.source not in QUICK:
        parser.error(f"--quick knows the sun and the sky only: {', '.join(QUICK)}")
    return options


def producer(options: argparse.Namespace, out: Folder) -> Callable[[int], str]:
    """Return what makes the scenes of a source."""
    if options.source == "close":
        return closeup.producer(options.assets, out)
    from .produce import Producer  # here, since it needs Blender

    return Producer(options.assets, out, options.source, options.threads, options.quick)


def main() -> None:
    """Render what the command line asks for."""
    options = parse(sys.argv[1:])
    out = Folder(options.out / "train" / options.source)
    produce = producer(options, out)
    print(f"{render(out, options.seed, options.frames, produce)} frames in {out.path}")


if __name__ == "__main__":
    main()
