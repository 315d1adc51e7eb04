"""What is to be done with one picture, what came of it, and of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DepthmapError
from ..fetching import is_url, stand_in
from ..outputs.publishing import Target

STATUSES = ("done", "skipped", "failed")


@dataclass(frozen=True)
class Job:
    """One picture (a path, a URL, or its encoded bytes) and the file, or the stream, of each output."""

    picture: Path | str | bytes
    name: str
    files: Mapping[str, Target]

    @property
    def short_name(self) -> str:
        """What the picture's file is called, without its folders."""
        if isinstance(self.picture, bytes):
            return self.name
        return (stand_in(self.picture) if is_url(self.picture) else Path(self.picture)).name

    @property
    def paths(self) -> list[Path]:
        """The files; streams are left out."""
        return [Path(target) for target in self.files.values() if not hasattr(target, "write")]

    @property
    def targets(self) -> list[str]:
        """The files as results name them: paths, and URLs of what goes to a store."""
        named = (
            getattr(target, "url", None if hasattr(target, "write") else target)
            for target in self.files.values()
        )
        return [str(target) for target in named if target is not None]

    def is_done(self) -> bool:
        """Tell whether all files are there, none of them older than the picture; of a URL nobody asks its age."""
        if isinstance(self.picture, bytes) or len(self.paths) < len(self.files):
            return False
        try:
            oldest = min(path.stat().st_mtime_ns for path in self.paths)
            age = self.picture.stat().st_mtime_ns if isinstance(self.picture, Path) else 0
            return all(path.is_file() for path in self.paths) and oldest >= age
        except OSError:
            return False


@dataclass(frozen=True)
class Result:
    """What came of one picture.

    ``status`` is "done", "skipped" (its files were there) or "failed" (``error`` says why); ``seconds`` holds the
    time of "read", "predict" (its share of the forward pass) and "write".
    """

    job: Job
    status: str
    width: int = 0
    height: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: DepthmapError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as builtins, for JSON."""
        entry: dict[str, Any] = {"picture": self.job.name, "status": self.status}
        if self.error:
            return {**entry, **self.error.as_dict()}
        entry["files"] = self.job.targets
        if self.width:
            entry.update(width=self.width, height=self.height)
        return {**entry, "seconds": {step: round(value, 4) for step, value in self.seconds.items()}}


@dataclass
class Summary:
    """What came of all pictures, in the order in which they ended.

    ``stopped`` is None, or what ended the run before its time: KeyboardInterrupt, or a full disk.
    """

    results: list[Result] = field(default_factory=list)
    stopped: BaseException | None = None

    @property
    def ended(self) -> int:
        """How many pictures came to an end."""
        return len(self.results)

    def count(self, status: str) -> int:
        """Return how many pictures ended like this."""
        return sum(result.status == status for result in self.results)

    def seconds(self, step: str) -> float:
        """Return the time that a step took, over all pictures."""
        return sum(result.seconds.get(step, 0.0) for result in self.results)


@dataclass
class Tally:
    """What came of pictures without end: only counts and sums; else as a `Summary`."""

    statuses: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    stopped: BaseException | None = None

    def add(self, result: Result) -> None:
        """Count a picture."""
        self.statuses[result.status] += 1
        for step, seconds in result.seconds.items():
            self.times[step] += seconds  # type: ignore[assignment]  # a counter of seconds

    @property
    def ended(self) -> int:
        """How many pictures came to an end."""
        return self.statuses.total()

    def count(self, status: str) -> int:
        """Return how many pictures ended like this."""
        return self.statuses[status]

    def seconds(self, step: str) -> float:
        """Return the time that a step took, over all pictures."""
        return float(self.times[step])
