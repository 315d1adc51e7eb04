"""What can be said of jobs before a model is loaded in vain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DepthmapError, ImageError
from ..fetching import check, is_url
from ..outputs import OUTPUTS
from ..settings import from_environment
from .jobs import Job
from .patterns import is_pattern


def require_packages(jobs: Sequence[Job]) -> None:
    """Raise MissingExtra when an output needs a package that is not installed."""
    for name in dict.fromkeys(name for job in jobs for name in job.files):
        if needed := OUTPUTS[name].needs:
            needed.check()


def hopeless(job: Job) -> DepthmapError | None:
    """Return why a picture cannot be read, where that is known without reading it."""
    if isinstance(job.picture, Path) and not job.picture.exists():
        if is_pattern(job.picture):
            return ImageError("No picture matches", job.name, "Check the pattern and its directory.")
        return ImageError("There is no such picture or directory", job.name, "Check the path.")
    if is_url(job.picture):
        try:
            check(job.picture, offline=from_environment().offline)
        except ImageError as error:
            return error
    return None
