"""Figures for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends, in seconds."""


class Counts:
    """What has happened since the server started: answers by their status, and the seconds of each step.

    All of it is counted in the event loop, by one task at a time.
    """

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.left = 0
        self._sums: Counter[str] = Counter()
        self._buckets: dict[str, Counter[float]] = {}

    def took(self, seconds: Mapping[str, float]) -> None:
        """Count the seconds of the steps of one answer."""
        for step, value in seconds.items():
            buckets = self._buckets.setdefault(step, Counter())
            buckets.update([float("inf"), *(top for top in BUCKETS if value <= top)])
            self._sums[step] += value  # type: ignore[assignment]  # a Counter of floats adds as well

    def lines(self) -> Iterable[str]:
        """Yield the lines of both."""
        yield from metric(
            "predictions_total",
            "counter",
            "Answers to requests for predictions, by status",
            {f'status="{status}"': count for status, count in sorted(self.answers.items())},
        )
        yield from metric(
            "predictions_left_total", "counter", "Clients that went away before", {"": self.left}
        )
        yield from _head("step_seconds", "histogram", "Seconds of the steps of a prediction")
        for step, buckets in self._buckets.items():
            for top in (*BUCKETS, float("inf")):
                shown = "+Inf" if top == float("inf") else f"{top:g}"
                yield f'depthmap_step_seconds_bucket{{step="{step}",le="{shown}"}} {buckets[top]}'
            yield f'depthmap_step_seconds_sum{{step="{step}"}} {self._sums[step]:.6f}'
            yield f'depthmap_step_seconds_count{{step="{step}"}} {buckets[float("inf")]}'


def metric(name: str, kind: str, about: str, values: Mapping[str, float]) -> Iterable[str]:
    """Yield the lines of one metric; ``values`` are by their labels, "" where it has none."""
    yield from _head(name, kind, about)
    for labels, value in values.items():
        yield f"depthmap_{name}{f'{{{labels}}}' if labels else ''} {value}"


def label(name: str, text: str) -> str:
    """Return a label with its text escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'


def _head(name: str, kind: str, about: str) -> Iterable[str]:
    yield f"# HELP depthmap_{name} {about}"
    yield f"# TYPE depthmap_{name} {kind}"
