"""Tasks in, results out, by several processes.

Each opens the model's file for itself. What an engine maps of it is in memory once, whoever maps it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import Queue
from typing import TYPE_CHECKING, Any

from ..engines.cores import usable_cores
from ..errors import DepthmapError
from .jobs import Job
from .pipeline import Done, Task, Work, run
from .steps import failed

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

_WINDOW = 16
"""Tasks that a process has at a time: more than it works on, so that it never waits for the next."""


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables of the environment for what is started within."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def cores_each(workers: int) -> int:
    """Return how many cores each of so many processes takes."""
    return max(1, usable_cores() // workers)


def run_in_processes(
    tasks: Iterable[Task | Done], estimator: DepthEstimator, work: Work, workers: int
) -> Generator[Done, None, None]:
    """Yield what came of each task, as `pipeline.run` does, of so many processes.

    They open the model as ``estimator`` did. A process that dies takes down the few pictures that it had: they fail,
    and another process takes its place.

    Raises
    ------
    DepthmapError
        When a process cannot begin, or the disk is full.
    """
    crew = _Crew(Start.of(estimator, work), workers)
    try:
        yield from crew.results(tasks)
    finally:
        crew.end()


@dataclass(frozen=True)
class Start:
    """What a process needs to begin. The estimator is made in it, so that it can say what hinders that."""

    kind: type[DepthEstimator]
    state: dict[str, Any]
    work: Work

    @classmethod
    def of(cls, estimator: DepthEstimator, work: Work) -> Start:
        """Return what lets a process open the model as ``estimator`` did."""
        return cls(type(estimator), estimator.__getstate__(), work)

    def estimator(self) -> DepthEstimator:
        """Return the estimator; the model is opened."""
        made = self.kind.__new__(self.kind)
        made.__setstate__(self.state)
        return made


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    tasks: dict[int, Task] = field(default_factory=dict)
    begun: bool = False
    """It has loaded the model."""


class _Crew:
    def __init__(self, start: Start, workers: int) -> None:
        self.start = start
        self.cores = cores_each(workers)
        self.guard = threading.Lock()
        self.room: Queue[_Worker | None] = Queue()
        """A worker, once for each task that it can take."""
        self.passing: Queue[Done] = Queue(maxsize=256)
        """What is done already."""
        self.fed = False
        self.trouble: BaseException | None = None
        self.woken, self.waker = get_context("spawn").Pipe(duplex=False)
        self.workers = [self._start() for _ in range(workers)]

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.start), daemon=True)
        with environment(OMP_NUM_THREADS=str(self.cores)):
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        for _ in range(_WINDOW):
            self.room.put(worker)
        return worker

    def results(self, tasks: Iterable[Task | Done]) -> Iterator[Done]:
        threading.Thread(target=self._feed, args=(tasks,), name="depthmap-feed", daemon=True).start()
        while True:
            while not self.passing.empty():
                yield self.passing.get()
            if self.trouble:
                raise self.trouble
            if self.fed and self.passing.empty() and not any(worker.tasks for worker in self.workers):
                return
            for ready in connection.wait([self.woken, *(worker.pipe for worker in self.workers)]):
                if ready is self.woken:
                    self.woken.recv()
                else:
                    yield from self._receive(next(w for w in self.workers if w.pipe is ready))

    def _feed(self, tasks: Iterable[Task | Done]) -> None:
        try:
            for task in tasks:
                if isinstance(task, Done):
                    self.passing.put(task)
                    self._wake()
                    continue
                while not self._hand(task):
                    pass
        except BaseException as error:  # whatever it is, the one who waits for results raises it
            self.trouble = error
        self.fed = True
        self._wake()

    def _hand(self, task: Task) -> bool:
        """Give a task to whoever has room; not to one that has died meanwhile."""
        worker = self.room.get()
        if worker is None:
            raise DepthmapError("The run was ended")
        with self.guard:
            if worker not in self.workers:
                return False
            worker.tasks[task.number] = task
        with suppress(OSError):  # it has just died, and its pictures will be given up
            worker.pipe.send(task)
        return True

    def _wake(self) -> None:
        with suppress(OSError):
            self.waker.send(None)

    def _receive(self, worker: _Worker) -> Iterator[Done]:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        if isinstance(message, BaseException):
            raise message
        worker.begun = True
        if message is None:
            return
        number, result, sha256 = message
        with self.guard:
            task = worker.tasks.pop(number)
        self.room.put(worker)
        yield Done(task, replace(result, job=task.job), sha256)

    def _bury(self, worker: _Worker) -> Iterator[Done]:
        worker.process.join()
        died = DepthmapError(
            f"The process that worked on the picture ended (status {worker.process.exitcode})",
            remedy="Give it more memory or use fewer --workers, then run the same command again.",
        )
        if not worker.begun:
            raise died
        with self.guard:
            self.workers.remove(worker)
            lost = list(worker.tasks.values())
        self.workers.append(self._start())
        for task in lost:
            error = DepthmapError(died.what, task.job.name, died.remedy)
            yield Done(task, failed(task.job, error))

    def end(self) -> None:
        """End all processes; what they had begun is left out."""
        self.room.put(None)
        for worker in self.workers:
            with suppress(OSError):
                worker.pipe.close()
        for worker in self.workers:
            if worker.tasks:  # nobody waits for them any more, and files are whole or absent
                worker.process.kill()
            worker.process.join()


def _serve(pipe: Connection, start: Start) -> None:
    """Work, in a process of its own, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    try:
        estimator = start.estimator()
        pipe.send(None)
        for done in run(_received(pipe), estimator, start.work):
            # The parent has the task, and need not get its bytes back.
            pipe.send((done.task.number, replace(done.result, job=NO_JOB), done.sha256))
    except (BrokenPipeError, ConnectionResetError):  # the parent has gone
        return
    except BaseException as error:  # the parent raises it
        with suppress(OSError):
            pipe.send(error)


NO_JOB = Job(b"", "", {})
"""Stands for the job of a result that goes to whoever has it."""


def _received(pipe: Connection) -> Iterator[Task]:
    with suppress(EOFError, OSError):
        while True:
            yield pipe.recv()
