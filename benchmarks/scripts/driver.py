"""Getting from nothing to a depth map in a process of its own: as far as is asked, or step by step as told.

    python SCRIPT imports|depth|steps KEY=VALUE ...

Each other file here is one way; it imports the modules of this folder and what its users would import, no more. With
"imports" or "depth" a line is printed as soon as that is reached. With "steps" a line is printed after the imports;
then each line of standard input is a step, answered by a line with the seconds that it took.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import Any


class Way:
    """One way. ``order`` has the keys model, photo and side, and those that the way itself needs."""

    def __init__(self, order: dict[str, str]) -> None:
        self.order = order

    def imports(self) -> None:
        """Import what this way needs."""
        raise NotImplementedError

    def load(self) -> Any:
        """Return a network, ready to run."""
        raise NotImplementedError

    def depth(self, network: Any, photo: str) -> Any:
        """Return the depth of a picture's file, in the picture's size."""
        raise NotImplementedError

    def run(self, network: Any, batch: Any) -> Any:
        """Run the network on normalised RGB, a NumPy array (1, 3, h, w)."""
        raise NotImplementedError

    def whole(self) -> Any:
        """Do it all, once: what a script of a user does."""
        self.imports()
        return self.depth(self.load(), self.order["photo"])


def main(kind: type[Way]) -> None:
    """Do what the command line says, in one way."""
    until, *pairs = sys.argv[1:]
    way = kind(dict(pair.split("=", 1) for pair in pairs))
    if until == "depth":
        depth = way.whole()
        say(f"{depth.shape}")
        return
    way.imports()
    say("ready")
    if until == "steps":
        _Steps(way).take()


class _Steps:
    """The steps that can be told: ``load`` (and forget), ``keep`` (load, and keep), ``depth``, ``run`` (the kept)."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.network: Any = None
        self.batch: Any = None

    def take(self) -> None:
        for line in sys.stdin:
            step = getattr(self, line.strip())
            start = time.perf_counter()
            result = step()
            seconds = time.perf_counter() - start
            del result  # when the clock has stopped, and before the next process is told to start its own
            gc.collect()
            say(f"{seconds:.9f}")

    def load(self) -> Any:
        return self.way.load()

    def keep(self) -> None:
        self.network = self.way.load()

    def depth(self) -> Any:
        return self.way.depth(self.network, self.way.order["photo"])

    def prepare(self) -> None:
        import numpy as np

        side = int(self.way.order["side"])
        self.batch = np.random.default_rng(0).standard_normal((1, 3, side, side), dtype=np.float32)

    def run(self) -> Any:
        return self.way.run(self.network, self.batch)


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)
