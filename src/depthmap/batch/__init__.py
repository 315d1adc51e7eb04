"""Many pictures: `run` estimates the depth of all of them, whatever becomes of one.

`plan` says which files come of which picture, `run_jobs` does it.
"""

from __future__ import annotations

from .jobs import Job, Result, Summary
from .local import Factory, run, run_jobs
from .patterns import expand
from .planning import Plan, plan

__all__ = ["run", "run_jobs", "plan", "expand", "Plan", "Job", "Result", "Summary", "Factory"]
