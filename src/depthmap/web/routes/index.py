"""``GET /``: the routes, as JSON and as a page."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ... import __version__
from ..replies import Json, Success, success
from .base import REPLIES

router = APIRouter(responses=REPLIES)


def _routes(request: Request) -> list[tuple[str, str]]:
    paths = request.app.openapi()["paths"]
    return [
        (f"{method.upper()} {path}", operation["summary"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


@router.get("/", response_model=Success, summary="The routes")
def root(request: Request) -> Json:
    """Answer the routes and what they do."""
    about = {"name": "depthmap", "version": __version__, "docs": "/docs", "openapi": "/openapi.json"}
    return success(**about, routes=dict(_routes(request)))


@router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
def docs(request: Request) -> str:
    """Answer the routes as a page: plain, for a script from elsewhere could act in our name."""
    rows = "".join(f"<dt><code>{html.escape(r)}</code><dd>{html.escape(s)}" for r, s in _routes(request))
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>depthmap</title>"
    return f'{head}<h1>depthmap {__version__}</h1><dl>{rows}</dl><p><a href="/openapi.json">OpenAPI</a>'
