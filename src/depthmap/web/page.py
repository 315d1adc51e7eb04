"""The page for people: what ``make frontend`` has built, and the sample pictures that it offers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.routing import Match
from starlette.types import Scope

from .replies import Failure, Json, Success, success

STATIC = Path(__file__).with_name("static")
"""What Vite writes; see ``frontend/vite.config.ts``."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Scripts and styles are files of ours, nothing goes to another host, and no text can become a script."""
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""The name of such a file has a digest of its content."""
# by hand: on Windows a registry that any program may write to would say what a script is
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Sample(NamedTuple):
    """A picture to begin with."""

    title: str
    credit: str


SAMPLES = {
    "china.jpg": Sample("Summer Palace", "danielbuechele, CC BY 2.0"),
    "coffee.jpg": Sample("A cup on a table", "Rachel Michetti, CC0"),
}
"""By file name, in ``static/samples``."""


class BrowserRoute(APIRoute):
    """Is there only for who would rather have HTML than JSON; others get what the next route says."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is meant."""
        if scope["type"] == "http" and not _wants_html(scope):
            return Match.NONE, {}
        return super().matches(scope)


def _wants_html(scope: Scope) -> bool:
    """Tell whether an Accept header names HTML; browsers do when a person opens an address, programs do not."""
    accepted = [value for name, value in scope["headers"] if name.lower() == b"accept"]
    return any(b"text/html" in value.lower() for value in accepted)


@cache
def _built() -> dict[str, Path]:
    """Return the scripts and styles by name: nothing else of the disk can be asked for."""
    return {path.name: path for path in STATIC.iterdir() if path.suffix in _TYPES} if STATIC.is_dir() else {}


router = APIRouter(responses={"default": {"model": Failure}})
_page = APIRouter(route_class=BrowserRoute)


@_page.get("/", include_in_schema=False)
def page() -> FileResponse:
    """Answer the page."""
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


@router.get("/static/{name}", include_in_schema=False)
def static(name: str) -> FileResponse:
    """Answer a script or a style of the page, to be kept for ever."""
    path = _built().get(name)
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=FOR_EVER)


@router.get("/api/samples", response_model=Success, tags=["samples"], summary="Pictures to begin with")
def samples() -> Json:
    """Answer name, title and credit of each."""
    return success(samples=[{"name": name, **sample._asdict()} for name, sample in SAMPLES.items()])


@router.get(
    "/api/samples/{name}",
    response_class=FileResponse,
    responses={200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}},
    tags=["samples"],
    summary="One of the pictures to begin with",
)
def sample(name: str) -> FileResponse:
    """Answer the picture, a JPEG."""
    if name not in SAMPLES:
        raise HTTPException(404)
    return FileResponse(STATIC / "samples" / name, media_type="image/jpeg")


router.include_router(_page)
