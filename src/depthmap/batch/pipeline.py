"""Tasks in, results out, in one process: pictures are read and written by other threads while the network runs.

A bounded number of pictures is under way. On a CPU several threads run the network, each on its share of the cores: a
core that works on a picture of its own waits for nobody. Each picture is then a batch of its own, so its bytes do not
depend on which others came beside it. On a GPU one thread runs what waits of one network size together.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING

from ..engines import TORCH
from ..engines.cores import callers
from ..errors import DepthmapError, ImageError
from ..fetching import is_url, stand_in
from ..images import photo_of
from ..outputs import Options
from ..outputs.publishing import staged_in
from .jobs import Job, Result
from .reading import read_item
from .sources import Item
from .steps import Begin, Finish, Read, estimated, failed, write

if TYPE_CHECKING:
    from ..depth import Depth
    from ..estimator import DepthEstimator

_READERS, _WRITERS = 2, 2
_SPARE = 4  # pictures that are read, or wait to be written, beside those in the network
_TICK = 0.5  # seconds after which a thread that waits looks whether the run was stopped


@dataclass(frozen=True)
class Task:
    """A picture and its files.

    ``known`` is the digest of the bytes of which the files were made, if they are there; ``number`` tells a run's tasks
    apart.
    """

    item: Item
    job: Job
    known: bytes = b""
    number: int = 0


@dataclass(frozen=True)
class Done:
    """What came of a task; ``sha256`` is its picture's, 32 bytes, or empty when that was not read."""

    task: Task
    result: Result
    sha256: bytes = b""


@dataclass(frozen=True)
class Work:
    """What is done with each picture. It can be pickled if ``begin`` and ``finish`` can."""

    options: Options
    batch_size: int = 4
    allow_private: bool = False
    begin: Begin | None = None
    finish: Finish | None = None
    staging: Path | None = None
    """A folder on the file system of the outputs, where files are written before they get their names."""


def run(tasks: Iterable[Task | Done], estimator: DepthEstimator, work: Work) -> Generator[Done, None, None]:
    """Yield what came of each task, as they end. What is done already passes through.

    Tasks are taken in another thread, as far as there is room for them.

    Raises
    ------
    InsufficientDiskSpace
        When the disk is full: the next picture would find no more room.
    """
    pipeline = _Pipeline(estimator, work)
    try:
        yield from pipeline.results(tasks)
    finally:
        pipeline.stop()


class _Pipeline:
    def __init__(self, estimator: DepthEstimator, work: Work) -> None:
        self.estimator = estimator
        self.work = work
        on_gpu = str(estimator.device) != "cpu"
        predictors = 1 if on_gpu or estimator.engine == TORCH else callers()
        self.batch_size = work.batch_size if on_gpu else 1
        self.room = threading.Semaphore(2 * max(predictors, self.batch_size) + _SPARE)
        self.ended: Queue[Done | BaseException | None] = Queue(maxsize=256)
        self.stopped = threading.Event()
        self.guard = threading.Lock()
        self.waiting: dict[tuple[int, int], deque[tuple[Task, Read, bytes]]] = {}
        self.under_way = 0
        self.readers = ThreadPoolExecutor(_READERS, "depthmap-read")
        self.predictors = ThreadPoolExecutor(predictors, "depthmap-predict")
        self.writers = ThreadPoolExecutor(_WRITERS, "depthmap-write")
        self.fetching: set[str] = set()

    def results(self, tasks: Iterable[Task | Done]) -> Iterator[Done]:
        # A daemon: nothing can end its wait for a source that is silent.
        threading.Thread(target=self._feed, args=(tasks,), name="depthmap-feed", daemon=True).start()
        while (done := self.ended.get()) is not None:
            if isinstance(done, BaseException):
                raise done
            yield done

    def stop(self) -> None:
        """Begin nothing any more, and wait for what cannot be left halfway."""
        self.stopped.set()
        if self.fetching:
            from ..fetching.fetcher import give_up

            give_up(self.fetching)
        for pool in (self.readers, self.predictors, self.writers):
            pool.shutdown(cancel_futures=True)

    def _feed(self, tasks: Iterable[Task | Done]) -> None:
        try:
            for task in tasks:
                if isinstance(task, Done):
                    self._put(task)
                elif self._has_room():
                    with self.guard:
                        self.under_way += 1
                    self._next(self.readers, self._read, task)
                if self.stopped.is_set():
                    return
            while self.under_way and not self.stopped.is_set():
                self._has_room()
            self._put(None)
        except BaseException as error:  # whatever it is, the one who waits for results raises it
            self._put(error)

    def _has_room(self) -> bool:
        while not self.stopped.is_set():
            if self.room.acquire(timeout=_TICK):
                return True
        return False

    def _put(self, done: Done | BaseException | None) -> None:
        while not self.stopped.is_set():
            with suppress(Full):
                self.ended.put(done, timeout=_TICK)
                return

    def _end(self, done: Done) -> None:
        self._put(done)
        with self.guard:
            self.under_way -= 1
        self.room.release()

    def _next(self, pool: ThreadPoolExecutor, step: Callable[..., None], *args: object) -> None:
        def guarded() -> None:
            try:
                step(*args)
            except BaseException as error:
                self._put(error)

        with suppress(RuntimeError):  # the pool has been shut down
            pool.submit(guarded)

    def _read(self, task: Task) -> None:
        place = task.item.place
        if is_url(place):
            self.fetching.add(place)
        read, sha256 = read_task(task, self.work)
        self.fetching.discard(place)
        if isinstance(read, Result):
            self._end(Done(task, read, sha256))
            return
        height, width = read.photo.pixels.shape[:2]
        with self.guard:
            size = self.estimator.network_size(width, height)
            self.waiting.setdefault(size, deque()).append((task, read, sha256))
        self._next(self.predictors, self._predict)

    def _predict(self) -> None:
        batch = self._batch()
        found = {id(read): (task, sha256) for task, read, sha256 in batch}
        for read, depth in estimated([read for _, read, _ in batch], self.estimator) if batch else ():
            task, sha256 = found[id(read)]
            if isinstance(depth, DepthmapError):
                self._end(Done(task, failed(task.job, depth)))
            else:
                self._next(self.writers, self._write, task, read, depth, sha256)

    def _batch(self) -> list[tuple[Task, Read, bytes]]:
        """Take what waits of one network size: of the one of which most waits."""
        with self.guard:
            if not self.waiting:
                return []
            size = max(self.waiting, key=lambda size: len(self.waiting[size]))
            queue = self.waiting[size]
            batch = [queue.popleft() for _ in range(min(len(queue), self.batch_size))]
            if not queue:
                del self.waiting[size]
            return batch

    def _write(self, task: Task, read: Read, depth: Depth, sha256: bytes) -> None:
        self._end(Done(task, write_read(read, depth, self.work), sha256))


def read_task(task: Task, work: Work) -> tuple[Read | Result, bytes]:
    """Return a picture in memory, or what came of it already, and the digest of its bytes (empty: not read)."""
    start = time.perf_counter()
    sha256 = b""
    try:
        data = read_item(task.item, allow_private=work.allow_private)
        sha256 = hashlib.sha256(data).digest()
        if task.known == sha256:
            return Result(task.job, "skipped"), sha256
        photo = photo_of(data, task.job.name, _file_name(task.item.place))
        if work.begin:
            photo = work.begin(photo)
    except DepthmapError as error:
        return failed(task.job, error), sha256
    except MemoryError:
        what = "There is too little memory for the picture"
        return failed(task.job, ImageError(what, task.job.name, "Save it smaller.")), sha256
    return Read(task.job, photo, {"read": time.perf_counter() - start}), sha256


def _file_name(place: str) -> str:
    return (stand_in(place) if is_url(place) else Path(place)).name


def write_read(read: Read, depth: Depth, work: Work) -> Result:
    """Write the files of a picture, where nobody sees pieces of them; see `steps.write`."""
    finish = work.finish or (lambda depth: depth)
    with staged_in(work.staging) if work.staging else nullcontext():
        return write(read, depth, finish, work.options)
