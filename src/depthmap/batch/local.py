"""The local loop: pictures are read ahead and written behind, while the network runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..errors import DepthmapError, ImageError, InsufficientDiskSpace
from ..fetching import is_url
from ..images import read_photo
from ..outputs import Options
from .jobs import Job, Result, Summary
from .planning import plan
from .preflight import hopeless, require_packages
from .steps import Begin, Finish, Read, estimated, failed, write

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

Factory = Callable[[], "DepthEstimator"]
Notify = Callable[[Result], None]

_THREADS = 2  # decoders and encoders: they need little beside the network
_AHEAD = 4  # pictures read before they are needed, and written after
_HELD = 100_000_000  # pixels of pictures that wait for others of their network size


def run(
    images: Iterable[str | PathLike[str]],
    outputs: Sequence[str],
    directory: str | PathLike[str],
    *,
    estimator: Factory | None = None,
    recursive: bool = False,
    overwrite: bool = False,
    batch_size: int = 4,
    allow_private: bool = False,
    notify: Notify | None = None,
    begin: Begin | None = None,
    finish: Finish | None = None,
    options: Options | None = None,
) -> Summary:
    """Estimate the depth of many pictures; note and skip those that fail.

    Parameters
    ----------
    images : iterable of path
        Pictures, directories of pictures, URLs of pictures, and patterns such as ``photos/*.jpg``.
    outputs : sequence of str
        Names of `depthmap.outputs.OUTPUTS`.
    directory : path
        Where the files go; see `plan`.
    estimator : callable, optional
        Makes the estimator once the first picture needs it; by default ``DepthEstimator()``.
    recursive : bool
        Look for pictures below the directories too.
    overwrite : bool
        False: skip a picture if all its files exist and are not older than it; one from a URL at any age.
    batch_size : int
        How many pictures of one network size to run in one forward pass.
    allow_private : bool
        Let URLs lead to private addresses too; see `images.read`.
    notify : callable, optional
        Called, in this thread, with each result as it comes.
    begin : callable, optional
        Changes each `Photo` before it is estimated, for example by a camera that is known; called in other threads.
    finish : callable, optional
        Changes each `Depth` before it is written, for example by a calibration; called in other threads.
    options : Options, optional
        How the outputs look.

    Returns
    -------
    Summary
        Also after Ctrl-C or on a full disk: finished files stay, and ``stopped`` says why it ended.

    Raises
    ------
    ImageError, UsageError
        Like `plan`, before anything is done.
    MissingExtra
        If an output needs a package that is not installed.
    DepthmapError
        If the model is not available.
    """
    jobs = plan(images, outputs, directory, recursive=recursive).jobs
    return run_jobs(
        jobs,
        estimator,
        overwrite=overwrite,
        batch_size=batch_size,
        allow_private=allow_private,
        notify=notify,
        begin=begin,
        finish=finish,
        options=options,
    )


def run_jobs(
    jobs: Sequence[Job],
    estimator: Factory | None = None,
    *,
    overwrite: bool = False,
    batch_size: int = 4,
    allow_private: bool = False,
    notify: Notify | None = None,
    begin: Begin | None = None,
    finish: Finish | None = None,
    options: Options | None = None,
) -> Summary:
    """Do jobs; see `run`."""
    require_packages(jobs)
    loop = _Loop(
        batch_size,
        notify or (lambda result: None),
        partial(_read, allow_private=allow_private, begin=begin or (lambda photo: photo)),
        finish or (lambda depth: depth),
        options or Options(),
    )
    todo = []
    for job in jobs:
        if not overwrite and job.is_done():
            loop.end(Result(job, "skipped"))
        elif error := hopeless(job):
            loop.end(failed(job, error))
        else:
            todo.append(job)
    if todo:
        loop.work(todo, (estimator or _default)())
    return loop.summary


def _default() -> DepthEstimator:
    from ..estimator import DepthEstimator

    return DepthEstimator()


@dataclass
class _Loop:
    batch_size: int
    notify: Notify
    read: Callable[[Job], Read | Result]
    finish: Finish
    options: Options
    summary: Summary = field(default_factory=Summary)
    waiting: dict[tuple[int, int], list[Read]] = field(default_factory=dict)
    writing: deque[Future[Result]] = field(default_factory=deque)

    def end(self, result: Result) -> None:
        self.summary.results.append(result)
        self.notify(result)

    def work(self, jobs: Sequence[Job], estimator: DepthEstimator) -> None:
        pool = ThreadPoolExecutor(_THREADS, "depthmap-batch")
        try:
            self._each(jobs, estimator, pool)
        except (KeyboardInterrupt, InsufficientDiskSpace) as reason:
            self.summary.stopped = reason
            _give_up_fetching(jobs)
        finally:
            pool.shutdown(cancel_futures=True)
        if self.summary.stopped:
            self._collect_written()

    def _each(self, jobs: Sequence[Job], estimator: DepthEstimator, pool: ThreadPoolExecutor) -> None:
        for result in _ahead(pool, self.read, jobs):
            if isinstance(result, Result):
                self.end(result)
                continue
            height, width = result.photo.pixels.shape[:2]
            size = estimator.network_size(width, height)
            self.waiting.setdefault(size, []).append(result)
            if len(self.waiting[size]) >= self.batch_size:
                self._predict(size, estimator, pool)
            elif sum(r.photo.pixels.size for batch in self.waiting.values() for r in batch) > 3 * _HELD:
                self._predict(max(self.waiting, key=lambda size: len(self.waiting[size])), estimator, pool)
        for size in list(self.waiting):
            self._predict(size, estimator, pool)
        self._drain(0)

    def _predict(self, size: tuple[int, int], estimator: DepthEstimator, pool: ThreadPoolExecutor) -> None:
        batch = self.waiting.pop(size)
        for entry, depth in estimated(batch, estimator):
            if isinstance(depth, DepthmapError):
                self.end(failed(entry.job, depth))
            else:
                self.writing.append(pool.submit(write, entry, depth, self.finish, self.options))
                self._drain(_AHEAD)

    def _drain(self, allowed: int) -> None:
        while len(self.writing) > allowed:
            result = self.writing[0].result()  # still in the queue meanwhile: Ctrl-C must not lose it
            self.writing.popleft()
            self.end(result)

    def _collect_written(self) -> None:
        """After a stop: note what still got written."""
        for future in self.writing:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.end(future.result())


def _ahead(pool: ThreadPoolExecutor, function: Callable[[Job], Any], jobs: Sequence[Job]) -> Iterator[Any]:
    """Yield the results in order, a few of them begun before they are asked for."""
    begun: deque[Future[Any]] = deque()
    for job in jobs:
        begun.append(pool.submit(function, job))
        if len(begun) > _AHEAD:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _give_up_fetching(jobs: Sequence[Job]) -> None:
    """End what is still being fetched, which would keep the user waiting after Ctrl-C."""
    if urls := {job.picture for job in jobs if is_url(job.picture)}:
        from ..fetching.fetcher import give_up

        give_up(urls)


def _read(job: Job, allow_private: bool, begin: Begin) -> Read | Result:
    start = time.perf_counter()
    try:
        photo = begin(read_photo(job.picture, allow_private=allow_private))
    except DepthmapError as error:
        return failed(job, error)
    except MemoryError:
        return failed(
            job, ImageError("There is too little memory for the picture", job.name, "Save it smaller.")
        )
    return Read(job, photo, {"read": time.perf_counter() - start})
