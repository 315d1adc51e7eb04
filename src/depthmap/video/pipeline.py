"""A film into films of depth: frames are decoded ahead and encoded behind, while the network runs.

Between the three threads are bounded queues, so memory is the same whatever the length.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..depth import Depth
from ..images import Photo
from ..outputs import Options
from ..outputs.publishing import explained
from .looks import GROUP
from .packages import PYAV
from .parts import Parts
from .reading import Film, Frame
from .stages import Sink, Stage, in_order
from .steady import AsTheyAre, Steadied, Steady
from .writing import Piece, Shape

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

Report = Callable[[int], None]

_BATCHES = ((1_000_000, 4), (4_000_000, 2))
"""Frames of at most so many pixels share a forward pass in such numbers. All divide `GROUP`, so that a run that goes
on makes the same batches."""
_ROOM = 2
"""Batches that wait between two threads."""


class _Made(NamedTuple):
    frame: Frame
    depth: Depth


@dataclass
class Work:
    """What came of going through a film.

    ``frames`` is how many there are, of which ``kept`` were there already; ``end`` is the tick at which the last ends.
    ``inference`` is the time in the network, of ``seconds`` in all. ``stopped`` is None, or what ended it too early.
    """

    frames: int = 0
    kept: int = 0
    shots: int = 0
    end: int = 0
    seconds: float = 0.0
    inference: float = 0.0
    stopped: BaseException | None = None


class Writer:
    """Makes depths steady and writes them into pieces, each of which can be gone on from.

    Parameters
    ----------
    parts : Parts
        Where the pieces go.
    done : int
        How many pieces are there already.
    names : sequence of str
        The outputs.
    shape : Shape
        Of the films.
    steady : bool
        False: each frame as the network gives it.
    options : Options
        How the outputs look.
    report : callable
        Told how many frames are done.
    """

    def __init__(
        self,
        parts: Parts,
        done: int,
        names: Sequence[str],
        shape: Shape,
        *,
        steady: bool,
        options: Options,
        report: Report,
    ) -> None:
        self.pieces = done
        self.frames = done * GROUP
        self.shots = 0
        self.end = 0
        before = parts.state(done - 1) if done else None
        self._steady = Steady(before) if steady else AsTheyAre()
        self._parts, self._names, self._shape = parts, names, shape
        self._options, self._report = options, report
        self._waiting: deque[tuple[int, int]] = deque()
        self._piece: Piece | None = None
        self._rows: list[tuple[float, ...]] = []
        if done:
            self._look_back(done)

    def take(self, batch: Sequence[_Made]) -> None:
        """Take frames in order."""
        for frame, depth in batch:
            self._waiting.append((frame.time, frame.duration))
            for ready in self._steady.push(depth):
                self._write(ready)

    def finish(self) -> None:
        """Write what waits for its look-ahead, and the last piece."""
        for ready in self._steady.flush():
            self._write(ready)
        if self._rows:
            self._close()

    def _look_back(self, done: int) -> None:
        last = self._parts.rows(done - 1)[-1]
        self.end, self.shots = int(last[0] + last[1]), int(last[-1]) + 1

    def _write(self, ready: Steadied) -> None:
        with exporting(self._parts.folder):
            if self._piece is None:
                self._piece = Piece(self._parts, self.pieces, self._names, self._shape)
            time, duration = self._waiting.popleft()
            options = self._options._replace(limits=ready.limits if ready.is_steady else None)
            self._piece.write(self.frames + 1, time, duration, ready.depth, options)
            self._rows.append((time, duration, *ready.line, *ready.limits, ready.shot))
            self.frames, self.shots, self.end = self.frames + 1, ready.shot + 1, time + duration
            if len(self._rows) == GROUP:
                self._close()
        self._report(self.frames)

    def _close(self) -> None:
        if self._piece is not None:
            with exporting(self._parts.folder):
                self._piece.close()
                self._parts.finish(self.pieces, self._steady.state, np.array(self._rows, np.float64))
        self._piece, self._rows = None, []
        self.pieces += 1


def work(film: Film, estimator: DepthEstimator, writer: Writer, limit: int | None = None) -> Work:
    """Let a writer have the depth of a film's frames, from the one that it needs next.

    Parameters
    ----------
    film : Film
        It is not closed.
    estimator : DepthEstimator
        What makes depth of the frames.
    writer : Writer
        Runs in a thread of its own.
    limit : int, optional
        Only so many frames, from the first.

    Returns
    -------
    Work
        Also after Ctrl-C, which ends a camera's film in good order, and any other too early.
    """
    done, began = Work(kept=writer.frames), time.perf_counter()
    left = None if limit is None else max(0, limit - writer.frames)
    frames = film.read(writer.frames)
    batches = _batches(frames if film.is_live else islice(frames, left), _size(film))
    try:
        with (
            Stage(batches, _ROOM, "depthmap-read", drop=film.is_live) as reader,
            Sink(writer.take, _ROOM, "depthmap-write") as sink,
        ):
            wanted = (
                islice(reader, left) if film.is_live else iter(reader)
            )  # of a camera, those that were in time
            try:
                _estimate(wanted, film, estimator, sink, done)
            except KeyboardInterrupt:
                if not film.is_live:
                    raise
                reader.end()
                _estimate(iter(reader), film, estimator, sink, done)
        writer.finish()
    except KeyboardInterrupt as reason:
        done.stopped = reason
    done.frames, done.shots, done.end = writer.frames, writer.shots, writer.end
    done.seconds = time.perf_counter() - began
    return done


def _estimate(
    batches: Iterator[list[Frame]],
    film: Film,
    estimator: DepthEstimator,
    sink: Sink[Sequence[_Made]],
    done: Work,
) -> None:
    """Give each batch's depth to the sink."""

    def made(batch: list[Frame]) -> tuple[list[_Made], float]:
        start = time.perf_counter()
        depths = estimator.depths([Photo(frame.pixels, film.name) for frame in batch], len(batch))
        return list(map(_Made, batch, depths)), time.perf_counter() - start

    at_once = 1 if film.is_live else estimator.callers
    for frames, seconds in in_order(made, batches, at_once, "depthmap-predict"):
        done.inference += seconds / at_once
        sink.put(frames)


def _size(film: Film) -> int:
    pixels = film.width * film.height
    return 1 if film.is_live else next((size for most, size in _BATCHES if pixels <= most), 1)


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, size)):
        yield batch


@contextmanager
def exporting(where: object) -> Iterator[None]:
    """Say of what the system or FFmpeg refuses to write what it is and what to do.

    Raises
    ------
    ExportError, InsufficientDiskSpace
        In place of the OSError.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, where) from error
    except PYAV.load().error.FFmpegError as error:
        raise explained(OSError(getattr(error, "errno", 0), str(error)), where) from error
