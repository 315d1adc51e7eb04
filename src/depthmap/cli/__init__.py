"""The command line: arguments and printing only.

`main` runs it. Exit statuses: 0 done, 1 failed, 2 wrong use, 3 some of many failed, 130 interrupted.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence

_OBJECTS = 20_000
"""New objects after which Python searches for garbage. Imports make objects that stay, and with its own 700 the search
takes an eighth of their time."""


def main(args: Sequence[str] | None = None, *, command: str = "", prog: str = "depthmap") -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    args : sequence of str, optional
        By default those of the process, which is then taken to be ours: it ends with the command.
    command : str
        One of the commands, to be run as if it were a program.
    prog : str
        What the program is called in its help.
    """
    if args is None:
        gc.set_threshold(_OBJECTS)
    from .root import run

    try:
        return run(args, command, prog)
    finally:
        if args is None:
            gc.freeze()  # at its end Python would look through all that was imported once more
