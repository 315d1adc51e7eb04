"""Many machines, by Ray: tasks in and results out as elsewhere in this package.

Each actor opens the model from the cache of its node. The cache's lock lets one of a node's actors fetch it, once, and
all map that one copy. An actor has one core, and runs each picture alone on it: the bytes are those that a streamed
run writes on one machine with the same engine. Or it has a core and a GPU, or a part of one, and none beside it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from ..errors import DepthmapError
from ..extras import Extra
from .jobs import Result
from .pipeline import Done, Task, Work, read_task, write_read
from .steps import Read, estimated, failed
from .workers import NO_JOB, Start

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

RAY = Extra("ray", "ray", "Runs on several machines")
_WINDOW = 4
"""Tasks that an actor has at a time: one in the network, the others being read or written, or on their way."""
_TRIES = 3
"""Actors that may die of a task, or beside it, before it is given up."""
_TICK = 0.2  # seconds after which new tasks are looked for
_LOOK = 1.0  # seconds after which the cores of the cluster are counted again


class _Actor:
    """One picture after the other through the network; reading and writing go on beside it."""

    def __init__(self, start: Start) -> None:
        self.estimator = start.estimator()
        self.work = start.work
        self.network = threading.Lock()

    def ready(self) -> None:
        """Return once the model is loaded."""

    def do(self, task: Task) -> tuple[Result, bytes]:
        read, sha256 = read_task(task, self.work)
        if isinstance(read, Read):
            with self.network:
                ((read, depth),) = estimated([read], self.estimator)
            failure = isinstance(depth, DepthmapError)
            result = failed(task.job, depth) if failure else write_read(read, depth, self.work)
        else:
            result = read
        return replace(result, job=NO_JOB), sha256


def run_on_ray(
    tasks: Iterable[Task | Done],
    estimator: DepthEstimator,
    work: Work,
    address: str = "",
    num_gpus: float = 0,
) -> Generator[Done, None, None]:
    """Yield what came of each task, as `pipeline.run` does, of actors on all cores or GPUs of a Ray cluster.

    Outputs must go where all nodes can write. An actor that dies, or whose node does, loses nothing: others do its
    tasks. Cores and GPUs that join the cluster get actors.

    Parameters
    ----------
    address : str
        Of the cluster, as for ``ray.init``; empty: the one of the environment, else a new one on this machine.
    num_gpus : float
        What each actor takes: 0.5 lets two share a GPU. 0: there is an actor for each core, and it computes there.

    Raises
    ------
    MissingExtra
        When ray is not installed.
    DepthmapError
        When no node has so much of a GPU, no actor can begin, or the disk is full.
    """
    ray = RAY.load()
    mine = not ray.is_initialized()
    if mine:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
        ray.init(address=address or None, log_to_driver=False, include_dashboard=False)
    start = Start.of(estimator, work)
    if not num_gpus and start.state["device"] is None:
        start.state["device"] = "cpu"  # Ray lets actors that were given no GPU see all of their node
    pool = _Pool(ray, start, num_gpus)
    try:
        yield from pool.results(tasks)
    finally:
        pool.end()
        if mine:
            ray.shutdown()


class _Pool:
    def __init__(self, ray: Any, start: Start, num_gpus: float) -> None:
        self.ray = ray
        self.start = ray.put(start)
        self.gpus = num_gpus
        self.kind = ray.remote(_Actor).options(
            num_cpus=1, num_gpus=num_gpus or None, max_concurrency=_WINDOW, max_restarts=0
        )
        self.actors: dict[Any, int] = {}
        """How many tasks each has."""
        self.pending: dict[Any, tuple[Any, Task]] = {}
        self.starting: dict[Any, Any] = {}
        """Actors that load the model, by what says that they have. They get no tasks: their node may go before."""
        self.again: list[Task] = []
        self.fed = self.begun = False
        self.next_look = 0.0
        self.tries: Counter[int] = Counter()
        self.queue: Queue[Task | Done | BaseException | None] = Queue(maxsize=64)
        self.stopped = threading.Event()

    def results(self, tasks: Iterable[Task | Done]) -> Iterator[Done]:
        threading.Thread(target=self._feed, args=(tasks,), name="depthmap-feed", daemon=True).start()
        while True:
            self._grow()
            yield from self._hand_out()
            references = [*self.pending, *self.starting]
            if self.fed and not self.again and not self.pending:
                return
            if not references:
                time.sleep(_TICK)
                continue
            for reference in self.ray.wait(references, timeout=_TICK)[0]:
                if reference in self.starting:
                    self._begin(reference)
                else:
                    yield from self._receive(reference)

    def _hand_out(self) -> Iterator[Done]:
        """Give tasks to whoever has room, as far as there are some; what is done already passes through."""
        while room := self._roomy():
            if self.again:
                self._hand(room, self.again.pop())
                continue
            try:
                task = None if self.fed else self.queue.get_nowait()
            except Empty:
                return
            if task is None:
                self.fed = True
                return
            if isinstance(task, BaseException):
                raise task
            if isinstance(task, Done):
                yield task
            else:
                self._hand(room, task)

    def _feed(self, tasks: Iterable[Task | Done]) -> None:
        last: BaseException | None = None
        try:
            for task in tasks:
                self.queue.put(task)
                if self.stopped.is_set():
                    return
        except BaseException as error:  # whatever it is, the one who waits for results raises it
            last = error
        self.queue.put(last)

    def _grow(self) -> None:
        """Have as many actors as the cluster can hold. One that waits for a place that has gone is given up."""
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + _LOOK
        missing = self._places() - len(self.actors) - len(self.starting)
        for _ in range(missing):
            actor = self.kind.remote(self.start)
            self.starting[actor.ready.remote()] = actor
        for reference in list(self.starting)[missing:] if missing < 0 else ():
            self.ray.kill(self.starting.pop(reference))

    def _places(self) -> int:
        """Return how many actors the nodes have cores for, and GPUs if they are to have such.

        Raises
        ------
        DepthmapError
            When no node has the GPUs, nor has had any since the run began.
        """
        if not self.gpus:
            return int(self.ray.cluster_resources().get("CPU", 1))
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        places = sum(int(min(has.get("CPU", 0), has.get("GPU", 0) / self.gpus)) for has in nodes)
        if not (places or self.begun):
            what = f"No node of the cluster has a core and {self.gpus:g} GPUs for an actor"
            remedy = "Start a node that has, ask for less of a GPU, or for none: then actors run on cores."
            raise DepthmapError(what, remedy=remedy)
        return places

    def _begin(self, reference: Any) -> None:
        """Take an actor that has loaded the model, or see why it has not."""
        actor = self.starting.pop(reference)
        try:
            self.ray.get(reference)
            self.actors[actor] = 0
            self.begun = True
        except self.ray.exceptions.RayError as error:
            if not self.begun:
                what = f"No actor can begin: {str(error).strip().splitlines()[-1]}"
                remedy = "Install depthmap on each node, and see that its cache can be written."
                raise DepthmapError(what, remedy=remedy) from error

    def _roomy(self) -> Any:
        actor = min(self.actors, key=lambda actor: self.actors[actor], default=None)
        return actor if actor is not None and self.actors[actor] < _WINDOW else None

    def _hand(self, actor: Any, task: Task) -> None:
        self.actors[actor] += 1
        self.pending[actor.do.remote(task)] = actor, task

    def _receive(self, reference: Any) -> Iterator[Done]:
        actor, task = self.pending.pop(reference)
        if actor in self.actors:
            self.actors[actor] -= 1
        try:
            result, sha256 = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except self.ray.exceptions.RayError as error:
            yield from self._lost(actor, task, error)
            return
        yield Done(task, replace(result, job=task.job), sha256)

    def _lost(self, actor: Any, task: Task, error: Exception) -> Iterator[Done]:
        self.actors.pop(actor, None)
        self.tries[task.number] += 1
        if self.tries[task.number] < _TRIES:
            self.again.append(task)
            return
        what = f"The actors that worked on the picture ended: {str(error).splitlines()[0]}"
        remedy = "Give them more memory, then run the same command again."
        yield Done(task, failed(task.job, DepthmapError(what, task.job.name, remedy)))

    def end(self) -> None:
        """End the actors."""
        self.stopped.set()
        with suppress(Empty):
            while True:
                self.queue.get_nowait()
        for actor in (*self.actors, *self.starting.values()):
            self.ray.kill(actor)
