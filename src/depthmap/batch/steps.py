"""What is done with a picture that was read: its depth is estimated, and its files are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..depth import Depth
from ..errors import DepthmapError, ExportError, InsufficientDiskSpace
from ..images import Photo
from ..outputs import OUTPUTS, Options
from .jobs import Job, Result

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

Begin = Callable[[Photo], Photo]
Finish = Callable[[Depth], Depth]


@dataclass
class Read:
    """A picture in memory."""

    job: Job
    photo: Photo
    seconds: dict[str, float]


def failed(job: Job, error: DepthmapError) -> Result:
    """Return the result of a picture of which nothing came."""
    return Result(job, "failed", error=error)


def estimated(batch: Sequence[Read], estimator: DepthEstimator) -> Iterator[tuple[Read, Any]]:
    """Yield the depth of each picture, or the error; a batch that is too much is tried one by one."""
    start = time.perf_counter()
    try:
        depths: list[Any] = list(estimator.depths([entry.photo for entry in batch], len(batch)))
    except (DepthmapError, RuntimeError, MemoryError) as error:
        if len(batch) > 1:
            for entry in batch:
                yield from estimated([entry], estimator)
            return
        depths = [error if isinstance(error, DepthmapError) else _too_much(batch[0], error)]
    for entry, depth in zip(batch, depths, strict=True):
        entry.seconds["predict"] = (time.perf_counter() - start) / len(batch)
        yield entry, depth


def _too_much(entry: Read, error: BaseException) -> DepthmapError:
    what = f"The network failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return DepthmapError(what, entry.job.name, "Use a smaller model, or the CPU.")


def write(entry: Read, depth: Depth, finish: Finish, options: Options) -> Result:
    """Write the files of a picture, and return what came of it.

    Raises
    ------
    InsufficientDiskSpace
        When the disk is full: the next picture would find no more room.
    """
    job, start = entry.job, time.perf_counter()
    try:
        finished = finish(depth)
        for name, target in job.files.items():
            if isinstance(target, Path):
                _make_directory(target.parent)
            OUTPUTS[name].write(target, finished, options)
    except InsufficientDiskSpace:
        raise
    except DepthmapError as error:
        return failed(job, error)
    return Result(
        job, "done", depth.width, depth.height, {**entry.seconds, "write": time.perf_counter() - start}
    )


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"The directory cannot be created: {error.strerror}", path, "Choose another place."
        ) from error
