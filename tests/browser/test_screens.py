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
LONGEST = 1080
"""Pixels along the longer side: it keeps a picture at some 150 kB."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "name"), [(WIDE, "wide"), (NARROW, "narrow")], ids=["wide", "narrow"])
def test_screens(
    visit: Visiting,
    own_server: WebServer,
    request: pytest.FixtureRequest,
    scheme: str,
    size: tuple[int, int],
    name: str,
) -> None:
    folder = request.config.getoption("--screens", default=None)
    if not folder:
        pytest.skip("only with --screens FOLDER")
    one = visit(own_server, scheme=scheme, size=size, motion="reduce")

    def shoot(state: str) -> None:
        one.page.mouse.move(1, 1)
        one.page.wait_for_timeout(300)
        picture = Image.open(io.BytesIO(one.page.screenshot())).convert("RGB")
        path = Path(folder) / f"page_{state}_{name}_{scheme}.png"
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        palette = picture.quantize(256, kmeans=1)
        picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)

    shoot("empty")
    one.give(PHOTO.with_name("coffee.png"), PHOTO, PHOTO.with_name("chelsea.png"))
    one.until("document.querySelectorAll('.thumb[data-state=done]').length === 3")
    shoot("compare")
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
    one.page.click("[aria-label='Download Small']")
    one.page.wait_for_selector("[data-slug=small][data-status=cached]")
    one.page.click("[aria-label='More about Small']")
    one.page.click("[aria-label='Download Closed']")
    one.page.click("dialog .primary")
    one.until("+document.querySelector('[data-slug=closed] [role=progressbar]')?.ariaValueNow > 30")
    one.page.click("[aria-label='Pause the download of Closed']")
    one.page.wait_for_selector("[data-slug=closed] [data-state=paused]")
    shoot("models")
