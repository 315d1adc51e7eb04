"""A server of pages, and an environment without proxies."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from fetching.pages import Page, Pages


@pytest.fixture(scope="session")
def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 100, 50)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network may be asked, directly."""
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)


@pytest.fixture
def serve_pages() -> Iterator[Callable[..., Pages]]:
    """Start servers; they stop with the test."""
    started: list[Pages] = []

    def start(pages: dict[str, Page], **options: object) -> Pages:
        started.append(Pages(pages, **options))  # type: ignore[arg-type]  # the options are Pages' own
        return started[-1]

    yield start
    for server in started:
        server.stop()
