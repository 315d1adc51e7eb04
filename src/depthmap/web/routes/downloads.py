"""Downloads as jobs, which go on when nobody looks."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from ..events import EventStream, changes
from ..jobs import Job
from ..replies import Json, Success, success
from .base import REPLIES, Jobs, JsonRoute

router = APIRouter(prefix="/api/downloads", tags=["downloads"], route_class=JsonRoute, responses=REPLIES)


class DownloadRequest(BaseModel):
    """What a download takes."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(max_length=100)
    formats: list[Literal["pt", "h5"]] = Field(["pt", "h5"], min_length=1, max_length=2)
    accept_licence: StrictBool = Field(
        False, description="Accept the model's licence, if it asks for that before a download."
    )
    allow_unverified: StrictBool = Field(
        False, description="Also download a model of which nobody states the SHA-256."
    )


def _reply(job: Job, status: int = 200) -> Json:
    reply = success(download=job.shown())
    reply.status_code = status
    return reply


@router.post("", response_model=Success, status_code=202, summary="Download a model into the cache")
def start(request: DownloadRequest, jobs: Jobs) -> Json:
    """Answer the download; that which the model has already, if it has not ended."""
    job = jobs.start(
        request.model,
        tuple(dict.fromkeys(request.formats)),
        accept_licence=request.accept_licence,
        allow_unverified=request.allow_unverified,
    )
    return _reply(job, 202)


@router.get("", response_model=Success, summary="The downloads")
def downloads(jobs: Jobs) -> Json:
    """Answer every download, the oldest first."""
    return success(downloads=[job.shown() for job in jobs.files.all()])


@router.get("/events", response_class=EventStream, summary="What becomes of the downloads, as it happens")
def all_events(jobs: Jobs) -> EventStream:
    """Answer an event for each download, and one whenever one changes."""
    return EventStream(changes(jobs.files.all, jobs.stopped, until_ended=False))


@router.get("/{id}", response_model=Success, summary="One download")
def download(id: str, jobs: Jobs) -> Json:
    """Answer the download."""
    return _reply(jobs.files.get(id))


@router.get("/{id}/events", response_class=EventStream, summary="What becomes of a download, as it happens")
def events(id: str, jobs: Jobs) -> EventStream:
    """Answer an event now and whenever it changes; the last one when it has ended."""
    jobs.files.get(id)

    def look() -> list[Job]:
        job = jobs.files.find(id)
        return [job] if job else []  # somebody may have had it forgotten

    return EventStream(changes(look, jobs.stopped, until_ended=True))


@router.post("/{id}/pause", response_model=Success, summary="Stop a download for now")
def pause(id: str, jobs: Jobs) -> Json:
    """Answer the download; what came stays."""
    return _reply(jobs.pause(id))


@router.post(
    "/{id}/resume", response_model=Success, summary="Go on with a download that was stopped or failed"
)
def resume(id: str, jobs: Jobs) -> Json:
    """Answer the download."""
    return _reply(jobs.resume(id))


@router.delete("/{id}", response_model=Success, summary="End a download, or forget one that has ended")
def cancel(id: str, jobs: Jobs) -> Json:
    """Answer the download as it was at last; what came of one that was not done is removed."""
    return _reply(jobs.cancel(id))
