"""Hostile files, and the ways by which they come in.

`ATTACKS` is the table of them: each has a name, says what it tries, and makes its file at the time of the test.
`run_all` pushes each through all its doors, every time in a process of its own whose memory, time and output are
bounded, and tells what was lost, if anything.
"""

from . import checkpoints, hdf5s, headers, manifests, pickles, places  # noqa: F401  # they fill the table
from .running import run_all, run_controls
from .table import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack", "run_all", "run_controls"]
