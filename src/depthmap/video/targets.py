"""Which files a film becomes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import ExportError, UsageError
from .looks import LOOKS, NUMBERS, NUMBERS_SUFFIX, SEQUENCES

DEFAULT = next(iter(LOOKS))


class Target(NamedTuple):
    """A file, or of a sequence the folder, and the name of what goes there."""

    name: str
    path: Path


def plan(stem: str, out: Path, names: Sequence[str]) -> list[Target]:
    """Return what is to be written.

    Parameters
    ----------
    stem : str
        What the film's file is called, without its ending.
    out : Path
        With one output a file or, for a sequence, a folder; else the folder that the files go to.
    names : sequence of str
        Names of `LOOKS`, `SEQUENCES` and `NUMBERS`. None: what the ending of ``out`` says, or colours.

    Raises
    ------
    UsageError
        When a name is unknown, or an ending does not fit.
    ExportError
        When a folder for a sequence has files already.
    """
    names = list(dict.fromkeys(names)) or [_by_ending(out)]
    for name in names:
        if name not in LOOKS and name not in SEQUENCES and name != NUMBERS:
            raise UsageError("No output of a film has this name", name, f"Known: {', '.join(known())}.")
    if len(names) == 1 and (names[0] in SEQUENCES or (out.suffix and not out.is_dir())):
        targets = [Target(names[0], out)]
    elif out.suffix and not out.is_dir():
        what = f"{out} is one file, and {len(names)} outputs are asked for"
        raise UsageError(what, remedy="Name a folder.")
    else:
        targets = [Target(name, out / (stem + _suffix(name))) for name in names]
    for target in targets:
        _check(target)
    return targets


def known() -> tuple[str, ...]:
    """Return the names of all outputs."""
    return (*LOOKS, *SEQUENCES, NUMBERS)


def _suffix(name: str) -> str:
    return LOOKS[name].suffix if name in LOOKS else NUMBERS_SUFFIX if name == NUMBERS else f"_{name}"


def _by_ending(out: Path) -> str:
    ending = out.suffix.lower()
    if not ending or out.is_dir():
        return DEFAULT
    if ending == ".npz":
        return NUMBERS
    # Of what may be in such a file, the one for which it is the usual kind.
    fitting = [look for look in LOOKS.values() if ending in look.kinds]
    usual = [look for look in fitting if Path(look.suffix).suffix == ending]
    if not fitting:
        endings = dict.fromkeys(ending for look in LOOKS.values() for ending in look.kinds)
        remedy = f"Give a file that ends in {', '.join(endings)}, or a folder and the outputs: {', '.join(known())}."
        raise UsageError("The ending of the file says no kind of film", out, remedy)
    return (usual or fitting)[0].name


def _check(target: Target) -> None:
    name, path = target
    if name in SEQUENCES:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ExportError(
                "The frames need a folder of their own, and this one has files", path, "Name another."
            )
        return
    endings = LOOKS[name].kinds if name in LOOKS else {".npz": ""}
    if path.suffix.lower() not in endings:
        raise UsageError(
            f"A film of {name} cannot be in such a file", path, f"It ends in {', '.join(endings)}."
        )
