"""Many pictures: `run` estimates the depth of all of them, whatever becomes of one.

`plan` says which files come of which picture, `run_jobs` does it. `stream` takes pictures without end from `sources`,
keeps a manifest of what is done, and no more than counts in memory.
"""

from __future__ import annotations

from ..engines.cores import callers
from .datasets import on_ray
from .jobs import Job, Result, Summary, Tally
from .local import Factory, run, run_jobs
from .patterns import expand
from .planning import Plan, plan
from .sources import open_sources
from .spark import udf
from .streaming import Order, planned, stream

__all__ = [
    "run",
    "run_jobs",
    "plan",
    "expand",
    "stream",
    "planned",
    "on_ray",
    "udf",
    "open_sources",
    "callers",
    "Order",
    "Plan",
    "Job",
    "Result",
    "Summary",
    "Tally",
    "Factory",
]
