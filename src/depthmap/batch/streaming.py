"""Pictures without end: sources stream, results are given as they come, and only counts are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DepthmapError, ExportError, InsufficientDiskSpace, UsageError
from ..fetching import hide_login, is_remote, is_url
from ..outputs import Options, require
from .clusters import RAY, run_on_ray
from .jobs import Job, Result, Tally
from .manifest import FOLDER, Known, Manifest
from .naming import identity, in_shard
from .pipeline import Done, Task, Work, run
from .sinks import Folder, Sink, open_sink
from .sources import Item, Source, items
from .steps import Begin, Finish, failed
from .workers import run_in_processes

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

Notify = Callable[[Result], None]
_ALL = (1, 1)


@dataclass(frozen=True)
class Order:
    """What is to be made of pictures, and how.

    Attributes
    ----------
    out : str
        A folder, or a URL that fsspec knows.
    outputs : sequence of str
        Names of `depthmap.outputs.OUTPUTS`.
    options : Options
        How they look.
    shard : (int, int)
        ``(i, n)``: only the i-th of n parts, i from 1 on. A picture's part follows from its path alone.
    overwrite : bool
        Also do what the manifest says is done.
    manifest : Path, optional
        Its file; by default in ``out``, if that is a folder. Without one nothing is skipped.
    workers : int
        Processes; 1 is this one.
    ray : str, optional
        Address of a Ray cluster whose machines do it; see `clusters.run_on_ray`.
    num_gpus : float
        What each actor of Ray takes of a GPU, or how many it takes. The network runs one picture at a time there.
    batch_size : int
        Pictures of one network size that a GPU runs at once.
    allow_private : bool
        Let http and https URLs lead to private addresses too.
    begin, finish : callable, optional
        See `depthmap.batch.run`; several workers need what can be pickled.
    settings : mapping
        As builtins, all on which ``begin`` and ``finish`` depend: with others a picture is done again.
    """

    out: str
    outputs: Sequence[str]
    options: Options = Options()  # noqa: RUF009  # it cannot be changed
    shard: tuple[int, int] = _ALL
    overwrite: bool = False
    manifest: Path | None = None
    workers: int = 1
    ray: str | None = None
    num_gpus: float = 0
    batch_size: int = 4
    allow_private: bool = False
    begin: Begin | None = None
    finish: Finish | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise UsageError or MissingExtra when it cannot be done."""
        number, of = self.shard
        if not 1 <= number <= of:
            raise UsageError("There is no such shard", f"{number}/{of}", "Give i/n with i from 1 to n.")
        if self.ray is not None:
            RAY.check()
        elif self.num_gpus:
            what = "Only actors of Ray are given GPUs"
            raise UsageError(what, f"{self.num_gpus:g} GPUs", "Add --ray, or choose a device by --device.")
        for name in self.outputs:
            if needed := require(name).needs:
                needed.check()

    @property
    def manifest_file(self) -> Path | None:
        """The manifest's file."""
        if self.manifest or is_remote(self.out):
            return self.manifest
        number, of = self.shard
        name = "manifest.sqlite" if of == 1 else f"manifest-{number}-of-{of}.sqlite"
        return Path(self.out) / FOLDER / name


def planned(sources: Sequence[Source], order: Order) -> Iterator[Job | Done]:
    """Yield what is to be done with each picture of the shard; nothing but names is read, and nothing is made.

    What hinders a source comes as a failure.
    """
    order.check()
    sink = open_sink(order.out, order.outputs)
    for item in items(sources):
        if item.error:
            yield _failure(item, item.error)
        elif in_shard(item.path, order.shard):
            yield _job(item, sink)


def stream(
    sources: Sequence[Source], estimator: DepthEstimator, order: Order, notify: Notify | None = None
) -> Tally:
    """Estimate the depth of all pictures of sources; note and pass over those that fail.

    Parameters
    ----------
    sources : sequence of Source
        See `sources.open_sources`. They can be gone through once.
    estimator : DepthEstimator
        Made for as many ``callers`` as `engines.cores.callers` says.
    order : Order
        What is to be made of each.
    notify : callable, optional
        Called, in this thread, with each result as it comes.

    Returns
    -------
    Tally
        Also after Ctrl-C or on a full disk: finished files stay, and ``stopped`` says why it ended.

    Raises
    ------
    UsageError, MissingExtra
        When the order cannot be carried out.
    CacheBusy, ExportError
        When the manifest cannot be used.
    """
    order.check()
    return _Stream(sources, estimator, order, notify or (lambda result: None)).tally


class _Stream:
    def __init__(
        self, sources: Sequence[Source], estimator: DepthEstimator, order: Order, notify: Notify
    ) -> None:
        self.order = order
        self.sink: Sink = open_sink(order.out, order.outputs)
        self.tally = Tally()
        self.manifest = _manifest(order, estimator)
        staging = _staging(order, self.sink)
        work = Work(order.options, order.batch_size, order.allow_private, order.begin, order.finish, staging)
        tasks = self._tasks(sources)
        ended = _run(tasks, estimator, work, order)
        try:
            for done in ended:
                self._note(done, notify)
        except (KeyboardInterrupt, InsufficientDiskSpace) as reason:
            self.tally.stopped = reason
        finally:
            ended.close()
            if self.manifest:
                self.manifest.close()
            if staging:
                shutil.rmtree(staging, ignore_errors=True)

    def _note(self, done: Done, notify: Notify) -> None:
        item = done.task.item
        if self.manifest and done.sha256 and done.result.status != "failed":
            self.manifest.note(item.path, item.tag, done.sha256)
        self.tally.add(done.result)
        notify(done.result)

    def _tasks(self, sources: Sequence[Source]) -> Iterator[Task | Done]:
        for number, item in enumerate(items(sources)):
            if item.error:
                yield _failure(item, item.error)
            elif in_shard(item.path, self.order.shard):
                yield self._task(item, number)

    def _task(self, item: Item, number: int) -> Task | Done:
        job, known = _job(item, self.sink), self._known(item)
        if known and known.tag == item.tag:
            return Done(Task(item, job), Result(job, "skipped"))
        loaded = item.loaded()
        if loaded.error:
            return _failure(item, loaded.error)
        return Task(loaded, job, known.sha256 if known else b"", number)

    def _known(self, item: Item) -> Known | None:
        """Return what the manifest holds of a picture whose files are there."""
        if self.order.overwrite or not self.manifest:
            return None
        known = self.manifest.known(item.path)
        return known if known and self.sink.has(item.path) else None


def _run(
    tasks: Iterator[Task | Done], estimator: DepthEstimator, work: Work, order: Order
) -> Generator[Done, None, None]:
    if order.ray is not None:
        return run_on_ray(tasks, estimator, work, order.ray, order.num_gpus)
    if order.workers > 1:
        return run_in_processes(tasks, estimator, work, order.workers)
    return run(tasks, estimator, work)


def _job(item: Item, sink: Sink) -> Job:
    picture = item.place if is_url(item.place) else Path(item.place)
    return Job(picture, hide_login(item.place), sink.targets(item.path))


def _failure(item: Item, error: DepthmapError) -> Done:
    job = Job(item.place, hide_login(item.place), {})
    return Done(Task(replace(item, load=None), job), failed(job, error))


def _manifest(order: Order, estimator: DepthEstimator) -> Manifest | None:
    file = order.manifest_file
    if file is None:
        return None
    settings = {
        "model": estimator.sha256 or estimator.spec.name,
        "size": estimator.size,
        "outputs": sorted(order.outputs),
        "options": order.options._asdict(),
        **order.settings,
    }
    return Manifest(file, settings, sorted(file.parent.glob("manifest*.sqlite")))


def _staging(order: Order, sink: Sink) -> Path | None:
    """Return an empty folder beside the outputs: what an earlier run that was killed left in it is removed."""
    file = order.manifest_file
    if not isinstance(sink, Folder) or file is None:
        return None
    mark = identity(str(file.absolute())).hex()[:8]
    staging = sink.folder / FOLDER / f"{file.stem}-{mark}.partial"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
    except OSError as error:
        what = f"The directory cannot be written: {error.strerror}"
        raise ExportError(what, sink.folder, "Choose another place.") from error
    return staging
