"""What is answered: always JSON with ``"success"``; a failure says what, and the remedy, and nothing of our insides."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from .. import errors
from .exports import ExportRefused
from .jobs import UnknownDownload
from .limits import TooLong
from .queue import QueueFull
from .uploads import NotAPicture

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Set on each reply that does not set them itself."""
STATUS: dict[type[Exception], int] = {
    errors.DepthmapError: 500,
    errors.UsageError: 400,
    ExportRefused: 403,
    UnknownDownload: 404,
    errors.UnknownModel: 404,
    errors.ModelUnavailable: 409,
    errors.LicenceNotAccepted: 403,
    errors.CacheError: 500,
    errors.InsufficientDiskSpace: 507,
    errors.BudgetExceeded: 507,
    errors.CacheBusy: 503,
    errors.FileError: 500,
    errors.UnsafeFile: 422,
    errors.UnrecognisedFile: 422,
    errors.ExportError: 409,
    errors.DownloadError: 502,
    errors.NetworkTimeout: 504,
    errors.ImageError: 422,
    NotAPicture: 415,
    errors.MissingExtra: 501,
    QueueFull: 503,
}
"""The status of each error; one that is not here has that of its nearest base."""
_RETRY_AFTER = 5  # seconds, where nobody knows better
_GONE = 499  # nobody reads it; access logs call it so since nginx

REFUSALS: dict[int, tuple[str, str, str]] = {
    400: ("UsageError", "The body is not JSON", """Send JSON, as in curl -d '{"confirm": true}'."""),
    401: (
        "TokenNeeded",
        "The server answers only to who has its token",
        "Open the link that it printed when it started, or send the header 'Authorization: Bearer TOKEN'.",
    ),
    403: (
        "CrossSiteRequest",
        "A page of another site made this request",
        "Call the API from its own page, or from a program that sends no Origin header.",
    ),
    404: ("NotFound", "There is nothing at this address", "GET / lists the routes."),
    405: ("MethodNotAllowed", "This address does not accept this method", "GET / lists the routes."),
    406: (
        "NotAcceptable",
        "The server has nothing of the kinds in the Accept header",
        "Name the outputs instead, as in ?outputs=png16; GET /api/outputs lists them.",
    ),
    408: (
        "RequestTimeout",
        "The body did not arrive in time, or too slowly",
        "Send it again, or raise DEPTHMAP_TIMEOUT.",
    ),
    413: ("BodyTooLarge", "The body is too long", "Send less."),
    415: (
        "UnsupportedMediaType",
        "The body is of a kind that is not taken here",
        "Send a form as curl -F image=@photo.jpg does, or the picture as the body.",
    ),
    421: (
        "HostRefused",
        "The server does not answer to the name in the Host header",
        "Use localhost, or give the server this name when you start it.",
    ),
    500: (
        "InternalError",
        "Something went wrong in the server",
        "Please report the details in its log.",
    ),
    503: (
        "ServerStopped",
        "The server stopped while it was working on the request",
        "Start it again, and check what was done.",
    ),
}
"""Error, message and remedy of what is not our own errors' to say, by status."""


class Json(JSONResponse):
    """JSON in ASCII: paths may hold bytes that are no UTF-8."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, allow_nan=False).encode("ascii")


class Success(BaseModel):
    """What a reply to a request that was done holds, besides the fields of its route."""

    success: bool = True


class Failure(BaseModel):
    """The reply to a request that was not done."""

    success: bool = False
    error: str
    message: str
    remedy: str
    where: str = ""


def success(**fields: Any) -> Json:
    """Return the reply to a request that was done."""
    return Json({"success": True, **fields})


def refusal(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None, *, remedy: str = ""
) -> Json:
    """Return the reply to a request that was refused with an HTTP status."""
    name, message, usual = REFUSALS.get(status, ("HttpError", detail, "GET / lists the routes."))
    remedy = remedy or usual
    fields = {
        "success": False,
        "error": name,
        "message": f"{message}. {remedy}",
        "where": "",
        "remedy": remedy,
    }
    return Json(fields, status, headers)


def status_of(error: errors.DepthmapError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS[base] for base in type(error).__mro__ if base in STATUS)


def failure(error: errors.DepthmapError, status: int = 0) -> Json:
    """Return the reply to a request that failed, by default with the status of its error."""
    status = status or status_of(error)
    seconds = error.seconds if isinstance(error, QueueFull) else _RETRY_AFTER
    headers = {"Retry-After": str(seconds)} if status == 503 else None
    return Json({"success": False, **error.as_dict()}, status, headers)


async def _depthmap_error(request: Request, error: Any) -> Json:
    return failure(error)


async def _http_error(request: Request, error: Any) -> Json:
    remedy = error.detail if isinstance(error, TooLong) else ""
    return refusal(error.status_code, str(error.detail), error.headers, remedy=remedy)


async def _gone(request: Request, error: Any) -> Response:
    return Response(status_code=_GONE)


async def _invalid(request: Request, error: Any) -> Json:
    """Say which fields are wrong; what was sent is not repeated."""
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return refusal(400)
    texts = [f"{'.'.join(map(str, p['loc'][1:])) or 'the body'}: {p['msg']}"[:200] for p in problems[:3]]
    wrong = errors.UsageError("; ".join(texts), "", "/openapi.json describes what each route accepts.")
    return Json({"success": False, **wrong.as_dict()}, 422)


async def _internal_error(request: Request, error: Any) -> Json:
    return refusal(500, headers=HEADERS)  # this reply passes by the guards; the traceback goes to the log


HANDLERS: dict[Any, Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    errors.DepthmapError: _depthmap_error,
    HTTPException: _http_error,
    RequestValidationError: _invalid,
    ClientDisconnect: _gone,
    Exception: _internal_error,
}
