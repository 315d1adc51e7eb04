"""A real browser before a real server: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from depthmap.settings import Settings
from faults.servers import HostileServer, slow
from support import sha256
from web.conftest import WebServer

from .visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = os.environ.get("DEPTHMAP_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = [
    name
    for name, there in (
        ("Chromium (apt-get install chromium)", CHROMIUM),
        ("Playwright (pip install 'depthmap[browser]')", importlib.util.find_spec("playwright")),
    )
    if not there
]
ARGUMENTS = (
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
"""WebGL without a graphics chip, and a camera that shows a test picture."""
RATE = 3_000_000
"""Bytes a second at which the local source of models sends: a download takes some three seconds."""
TERMS = "CC-BY-NC-4.0"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screens", help="write pictures of the page into this folder, such as docs/images")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark these tests; without a browser they are skipped, but in CI they fail."""
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker("browser")
        if MISSING and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason=f"the page is not tested: no {' and no '.join(MISSING)}"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert not MISSING, f"CI tests the page, and lacks {' and '.join(MISSING)}"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def source(tiny_checkpoint: Path) -> Iterator[HostileServer]:
    """A server of models that takes its time."""
    server = HostileServer(tiny_checkpoint, slow(RATE))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def settings(
    tmp_path_factory: pytest.TempPathFactory, source: HostileServer, tiny_checkpoint: Path
) -> Settings:
    """Settings under which two models can be downloaded from that server; the cache is empty."""
    root = tmp_path_factory.mktemp("page")
    common = {
        "network": "depthmap_tiny",
        "path": source.name,
        "base": source.url,
        "bytes": tiny_checkpoint.stat().st_size,
        "sha256": sha256(tiny_checkpoint),
        "input_size": 256,
        "resize": "upper_bound",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "short": True,
    }
    closed = {"name": "Closed", "licence": "CC-BY-NC-4.0; not for commercial use", "terms": TERMS}
    small = {"name": "Small", "licence": "MIT", "about": "quick, for a first look"}
    (root / "catalog.json").write_text(json.dumps({"models": [{**common, **small}, {**common, **closed}]}))
    return Settings(cache_dir=root / "cache", catalog=root / "catalog.json", retries=0)


@pytest.fixture(scope="session")
def server(settings: Settings) -> Iterator[WebServer]:
    """A server whose models no test changes."""
    server = WebServer(settings, warm=True)
    yield server
    server.stop()


@pytest.fixture
def own_server(settings: Settings, tmp_path: Path) -> Iterator[WebServer]:
    """A server with a cache of the test's own."""
    server = WebServer(replace(settings, cache_dir=tmp_path / "models"))
    yield server
    server.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open the page as a visitor; in the end, no visit has seen an error or asked another host for anything."""
    visits: list[Visit] = []

    def open_page(server: WebServer, address: str = "/", **options: Any) -> Visit:
        visits.append(Visit(browser, server, address, **options))
        return visits[-1]

    yield open_page
    for one in visits:
        one.close()
    assert [problem for one in visits for problem in one.problems] == []


@pytest.fixture(scope="module")
def result(browser: Browser, server: WebServer) -> Iterator[Visit]:
    """A visit with a picture whose depth is found, for tests that leave it as it is."""
    from support import PHOTO

    one = Visit(browser, server)
    one.give(PHOTO)
    yield one
    one.close()
    assert one.problems == []
