"""The page is for everybody: axe-core finds nothing, and it fits a small screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import PHOTO
from web.conftest import WebServer

from .visits import NARROW, WIDE, Visit

Visiting = Callable[..., Visit]
AXE = PHOTO.parents[1] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


def _violations(one: Visit) -> list[str]:
    found = one.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{v['id']}: {node['html'][:160]}" for v in found for node in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_no_violation_in_any_state(
    visit: Visiting, server: WebServer, scheme: str, size: tuple[int, int]
) -> None:
    one = visit(server, scheme=scheme, size=size)
    one.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {"empty": _violations(one)}
    one.give(PHOTO)
    for tab in ("view", "measure", "files", "code"):
        one.tab(tab)
        found[tab] = _violations(one)
    one.page.click("#tab-measure")
    one.page.click("#mark")
    found["marking"] = _violations(one)
    one.click_pixel(320, 300, (640, 427))
    found["marked"] = _violations(one)
    one.page.click("[data-view='3d']")
    one.page.wait_for_selector("#scene[data-count]")
    one.tab("view")
    found["3d"] = _violations(one)
    one.page.click("#help")
    found["keys"] = _violations(one)
    one.page.keyboard.press("Escape")
    one.page.click("[data-page=models]")
    one.page.click("[aria-label='More about Depthmap_Tiny']")
    found["models"] = _violations(one)
    assert {state: violations for state, violations in found.items() if violations} == {}


@pytest.mark.parametrize("address", ["/", "/#models"])
def test_a_page_of_360_pixels_does_not_scroll_sideways(
    visit: Visiting, server: WebServer, address: str
) -> None:
    one = visit(server, address, size=NARROW)
    for _ in range(2):
        assert one.page.evaluate("document.scrollingElement.scrollWidth") <= NARROW[0]
        if address == "/":
            one.give(PHOTO)


def test_every_picture_and_control_has_a_name(result: Visit) -> None:
    nameless = result.page.evaluate(
        """[...document.querySelectorAll("button, input, select, canvas[role=img], [role=slider]")].filter((e) =>
            !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.getAttribute("aria-labelledby"))
        ).map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_the_end_of_a_prediction_is_said_aloud(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    one.give(Path(PHOTO))
    assert one.text("#live") == "The depth of china.jpg is found."


def test_colours_can_be_chosen_and_are_kept(visit: Visiting, server: WebServer) -> None:
    one = visit(server, scheme="light")

    def ground() -> str:
        return str(one.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground()
    one.page.click("#theme")
    assert ground() == light, "light was chosen"
    one.page.click("#theme")
    dark = ground()
    assert dark != light
    one.page.reload()
    assert ground() == dark
