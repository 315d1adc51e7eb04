"""Pictures of the page for the documentation: ``make screens``."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support import PHOTO
from web.conftest import WebServer

from .visits import NARROW, WIDE, Visit

Visiting = Callable[..., Visit]
COLOURS = 192
"""So many colours of a screenshot are told apart: it keeps a picture below 150 kB."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "name"), [(WIDE, "wide"), (NARROW, "narrow")], ids=["wide", "narrow"])
def test_screens(
    visit: Visiting,
    server: WebServer,
    request: pytest.FixtureRequest,
    scheme: str,
    size: tuple[int, int],
    name: str,
) -> None:
    folder = request.config.getoption("--screens", default=None)
    if not folder:
        pytest.skip("only with --screens FOLDER")
    one = visit(server, scheme=scheme, size=size, motion="reduce")

    def shoot(state: str) -> None:
        one.page.mouse.move(1, 1)
        one.page.wait_for_timeout(300)
        picture = Image.open(io.BytesIO(one.page.screenshot())).convert("RGB")
        path = Path(folder) / f"page_{state}_{name}_{scheme}.png"
        if raw := __import__("os").environ.get("RAW"):
            picture.save(Path(raw) / path.name)
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)

    shoot("empty")
    one.give(PHOTO.with_name("coffee.png"), PHOTO, PHOTO.with_name("chelsea.png"))
    one.until("document.querySelectorAll('.thumb[data-state=done]').length === 3")
    shoot("compare")
    for tab in ("files", "code"):
        one.tab(tab)
        shoot(tab)
    one.tab("measure")
    for (x, y), metres in (((300, 330), "0.4"), ((560, 40), "1.1")):
        one.page.click("#mark")
        one.click_pixel(x, y, (600, 400))
        one.page.keyboard.type(metres)
        one.page.keyboard.press("Tab")
    one.until("document.querySelector('#calibration').textContent.startsWith('Metres')")
    one.page.click("#measure")
    for x, y in ((96, 250), (445, 240)):
        one.click_pixel(x, y, (600, 400))
    shoot("measure")
    one.tab("view")
    one.page.click("[data-view='3d']")
    one.page.wait_for_selector("#scene[data-count]")
    one.page.focus("#scene")
    for key in ["ArrowLeft"] * 3 + ["ArrowDown"] * 2:
        one.page.keyboard.press(key)
    shoot("3d")
    one.page.click("[data-page=models]")
    one.page.click("[aria-label='More about Depthmap_Tiny']")
    shoot("models")
    one.page.keyboard.press("?")
    shoot("keys")
