"""The routes that say how the server is: for people, for Prometheus, and for what restarts it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from ... import __version__
from ...engines.cores import usable_cores
from ...engines.memory import resident
from ...errors import DepthmapError
from ..metrics import CONTENT_TYPE, label, metric
from ..predicting import Predictor
from ..replies import Failure, Json, Success, failure, success
from .base import Cache, Predicting

_START = time.monotonic()


router = APIRouter(prefix="/api", tags=["status"], responses={"default": {"model": Failure}})


class NotReady(DepthmapError):
    """The default model is not loaded yet."""


@router.get("/status", response_model=Success, summary="What is loaded, what waits, and how the server is")
def status(predictor: Predicting, cache: Cache) -> Json:
    """Answer version, uptime, device, memory, loaded models, the queue, and the cache's health."""
    models, queue = predictor.models, predictor.queue
    default = models.default_slug()
    loaded = [
        {
            "model": held.spec.name,
            "engine": held.estimator.engine,
            "bytes": held.spec.memory,
            "idle_seconds": round(held.idle, 3),
            "default": held.spec.slug == default,
        }
        for held in models
    ]
    devices = [str(held.estimator.device) for held in models]
    return success(
        version=__version__,
        uptime_seconds=round(time.monotonic() - _START, 3),
        device=devices[0] if devices else None,
        cpu_count=usable_cores(),
        memory={"limit_bytes": models.limit, "used_bytes": models.used},
        loaded=loaded,
        queue={"waiting": queue.waiting, "running": queue.running, "limit": queue.limit},
        health=cache.stats()["cache_health"],
    )


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Figures for Prometheus",
)
async def metrics(predictor: Predicting) -> Response:
    """Answer them in its text format. They are those of the process that answers."""
    text = "\n".join([*_gauges(predictor), *predictor.counts.lines()])
    return Response(text + "\n", headers={"Content-Type": CONTENT_TYPE})


def _gauges(predictor: Predictor) -> Iterable[str]:
    models, queue, results = predictor.models, predictor.queue, predictor.results
    named = {label("model", held.spec.name): held.spec.memory for held in models}
    for name, about, values in (
        ("info", "Which version runs", {label("version", __version__): 1.0}),
        ("uptime_seconds", "Seconds since the process started", {"": round(time.monotonic() - _START, 3)}),
        ("queue_waiting", "Predictions that wait", {"": queue.waiting}),
        ("queue_running", "Predictions under way", {"": queue.running}),
        ("queue_limit", "Predictions that may wait", {"": queue.limit}),
        ("model_memory_bytes", "About what each loaded model takes", named),
        ("memory_limit_bytes", "What the loaded models may take", {"": models.limit or 0}),
        ("results_bytes", "What the results that are kept take", {"": results.held}),
        ("resident_memory_bytes", "What the process has in memory", {"": resident()}),
    ):
        yield from metric(name, "gauge", about, values)


@router.get("/healthz", response_model=Success, summary="Whether the server is alive")
async def healthz() -> Json:
    """Answer as long as the server answers at all."""
    return success()


@router.get(
    "/readyz",
    response_model=Success,
    responses={503: {"model": Failure}},
    summary="Whether the default model is loaded",
)
def readyz(predictor: Predicting) -> Json:
    """Answer 200 once it is, until then 503."""
    state = predictor.models.state
    if state == "ready":
        return success()
    return failure(NotReady(f"The default model is not ready, but {state}", "", "Wait, or see the log."), 503)
