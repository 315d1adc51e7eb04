"""Films of depth of a film: all of it, from the first frame to the finished files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..outputs import Options
from ..outputs.publishing import publish
from .joining import join
from .looks import LOOKS, NUMBERS, SEQUENCES
from .packages import PYAV
from .parts import COLUMNS, Parts
from .pipeline import Work, Writer, exporting, work
from .reading import Film
from .sound import Sound
from .targets import Target
from .writing import Shape

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

Notify = Callable[[int, int], None]

_SAMPLE = 2**20
"""Bytes at either end of a film by which it is known again; its size is compared too."""


@dataclass
class Summary:
    """What came of a film.

    ``damage`` says why the film ended before its end, if it did; ``silent`` names the codecs of the sound that the
    files cannot hold.
    """

    work: Work
    targets: Sequence[Target]
    damage: str = ""
    silent: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether the files are there."""
        return self.work.stopped is None


def make(
    film: Film,
    source: Path | None,
    targets: Sequence[Target],
    estimator: DepthEstimator,
    *,
    steady: bool = True,
    resume: bool = False,
    limit: int | None = None,
    options: Options | None = None,
    notify: Notify | None = None,
) -> Summary:
    """Make films of depth.

    Parameters
    ----------
    film : Film
        It is read from its beginning, and not closed.
    source : Path, optional
        Its file, from which the sound comes; a camera has none.
    targets : sequence of Target
        What is to be written; `targets.plan` makes them. They lie in one folder.
    estimator : DepthEstimator
        What makes depth of the frames.
    steady : bool
        False: each frame as the network gives it, in a range of its own. See `steady`.
    resume : bool
        Go on from the pieces of a run that was killed. The files become those of a run that was not, byte for byte.
    limit : int, optional
        Only so many frames, from the first.
    options : Options, optional
        How the outputs look.
    notify : callable, optional
        Called in another thread with how many frames are done, and about how many there are (0: nobody knows).

    Returns
    -------
    Summary
        Also after Ctrl-C. Then what is done is kept for ``resume``; but a camera's film ends with Ctrl-C, and is whole.

    Raises
    ------
    UsageError
        When the pieces that are there were made otherwise.
    ExportError, InsufficientDiskSpace
        When something cannot be written.
    """
    options = options or Options()
    parts = Parts(targets[0].path)
    about = _about(film, source, targets, estimator, steady, limit, options)
    total = min(film.frames or limit or 0, limit or film.frames)
    with parts.held():
        writer = Writer(
            parts,
            parts.begin(about, resume=resume),
            [target.name for target in targets],
            Shape.of(film),
            steady=steady,
            options=options,
            report=lambda done: notify(done, max(total, done) if total else 0) if notify else None,
        )
        done = work(film, estimator, writer, limit)
        summary = Summary(done, targets)
        if not summary.is_whole:
            return summary
        if limit is None or done.frames < limit:
            summary.damage = film.damage
        end = None if limit is None else done.end * film.time_base
        with exporting(targets[0].path):
            _publish(parts, writer.pieces, film, source, end, about, summary)
    parts.remove()
    return summary


def _publish(
    parts: Parts,
    pieces: int,
    film: Film,
    source: Path | None,
    end: Fraction | None,
    about: dict[str, Any],
    summary: Summary,
) -> None:
    """Let the files appear under their names."""
    for name, path in summary.targets:
        if name in LOOKS:
            films = [parts.film(number, name) for number in range(pieces)]
            with Sound(source, film.start, end) as sound:
                join(
                    films, name, path, sound, {"comment": json.dumps({**about, "pixels": LOOKS[name].about})}
                )
            summary.silent = sound.left_out
        elif name == NUMBERS:
            rows = np.concatenate([parts.rows(number) for number in range(pieces)])
            publish(path, partial(_write_numbers, rows=rows, base=film.time_base, about=about))
    for name, path in summary.targets:
        if name in SEQUENCES:
            if path.exists():  # an empty folder
                path.rmdir()
            parts.frames(name).rename(path)


def _write_numbers(
    stream: IO[bytes], rows: np.ndarray[Any, Any], base: Fraction, about: dict[str, Any]
) -> None:
    columns = dict(zip(COLUMNS, rows.T, strict=True))
    for name in ("time", "duration"):
        columns[name] = columns[name] * float(base)
    np.savez(stream, facts=np.array(json.dumps(about)), **columns)


def _about(
    film: Film,
    source: Path | None,
    targets: Sequence[Target],
    estimator: DepthEstimator,
    steady: bool,
    limit: int | None,
    options: Options,
) -> dict[str, Any]:
    """Return what a film of depth is made of, as builtins: two runs with the same make the same."""
    return {
        "software": f"depthmap {__version__}",
        "picture": film.name,
        "digest": _digest(source),
        "kind": estimator.spec.kind,
        "model": estimator.spec.name,
        "sha256": estimator.sha256,
        "engine": estimator.engine,
        "size": estimator.size,
        "steady": steady,
        "frames": limit,
        "outputs": [target.name for target in targets],
        "colours": options.colours,
        "pyav": PYAV.load().__version__,
    }


def _digest(source: Path | None) -> str:
    """Return a digest of a file's size, beginning and end."""
    if source is None:
        return ""
    with source.open("rb") as file:
        size = file.seek(0, 2)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size - _SAMPLE)):
            file.seek(start)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
