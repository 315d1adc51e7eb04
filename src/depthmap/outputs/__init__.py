"""Writing depth maps: one small class per output, and the table of them.

Nothing here loads NumPy or Pillow before something is written, so that commands can list the outputs at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .anaglyph import Anaglyph
from .base import Output
from .colour import Colour
from .exr import Exr
from .glb import Glb
from .normal import Normal
from .npy import Npy
from .npz import Npz
from .options import Options
from .pfm import Pfm
from .ply import Ply
from .png16 import Png16
from .side_by_side import SideBySide
from .stereo import Stereo
from .tiff import Rgbd, Tiff

if TYPE_CHECKING:
    from ..depth import Depth

__all__ = [
    "DEFAULT_OUTPUTS",
    "OUTPUTS",
    "Output",
    "Options",
    "Anaglyph",
    "Colour",
    "Exr",
    "Glb",
    "Normal",
    "Npy",
    "Npz",
    "Pfm",
    "Ply",
    "Png16",
    "Rgbd",
    "SideBySide",
    "Tiff",
    "Stereo",
    "require",
    "save",
    "split_names",
]

OUTPUTS: dict[str, Output] = {
    output.name: output
    for output in (
        Png16(),
        Colour(),
        Npy(),
        Npz(),
        Pfm(),
        Tiff(),
        Exr(),
        Rgbd(),
        Ply(),
        Glb(),
        Normal(),
        SideBySide(),
        Stereo(),
        Anaglyph(),
    )
}
"""Every output by its name; where several share a file name's ending, the first is meant by it."""


DEFAULT_OUTPUTS = ("png16", "colour")
"""What is written of a picture where nobody names an output."""


def split_names(values: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a person gave, each once: repeated, separated by commas, in upper or lower case."""
    names = (name.strip().lower() for value in values for name in value.split(","))
    return tuple(dict.fromkeys(names))


def require(name: str) -> Output:
    """Return the output of that name.

    Raises
    ------
    UsageError
        With the names there are.
    """
    if name not in OUTPUTS:
        raise UsageError("No output has this name", name, f"Known outputs: {', '.join(OUTPUTS)}.")
    return OUTPUTS[name]


def save(
    depth: Depth,
    path: str | PathLike[str],
    outputs: str | Sequence[str] | None = None,
    options: Options | None = None,
) -> list[Path]:
    """Write a depth map to one file or to several.

    Parameters
    ----------
    depth
        As an estimator gives it; an array becomes one by `depthmap.Depth`.
    path
        Without ``outputs`` the file, whose ending (.png, .npy, .tiff, ...) says what is written. Else a stem, to
        which each output appends its suffix: "photo" gives "photo_depth.png"; a path that already has the
        ending of a single output is that file.
    outputs
        One name or several of `OUTPUTS`.
    options
        How they are to look.

    Returns
    -------
    list of Path
        The files that were written, each of them whole.

    Raises
    ------
    UsageError
        When an output or an ending is unknown, or an argument does not fit it.
    ExportError, InsufficientDiskSpace
        When a file cannot be written.
    """
    target = Path(path)
    plan = _plan(target, [outputs] if isinstance(outputs, str) else outputs)
    for file, output in plan.items():
        output.write(file, depth, options)
    return list(plan)


def _plan(target: Path, names: Sequence[str] | None) -> dict[Path, Output]:
    if names is None:
        return {target: by_ending(target)}
    chosen = [require(name) for name in names]
    if len(chosen) == 1 and target.suffix.lower() == Path(chosen[0].suffix).suffix:
        return {target: chosen[0]}
    return {target.with_name(target.name + output.suffix): output for output in chosen}


def by_ending(target: Path) -> Output:
    """Return the output that a file name's ending means.

    Raises
    ------
    UsageError
        With the endings there are.
    """
    endings: dict[str, Output] = {}
    for output in OUTPUTS.values():
        endings.setdefault(Path(output.suffix).suffix, output)
    if target.suffix.lower() not in endings:
        remedy = f"Give a path that ends in {', '.join(endings)}, or name the outputs: {', '.join(OUTPUTS)}."
        raise UsageError("The ending of the path says no output", target, remedy)
    return endings[target.suffix.lower()]
