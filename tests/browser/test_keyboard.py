"""Everything on the page can be done by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

from support import PHOTO
from web.conftest import WebServer

from .visits import Visit

Visiting = Callable[..., Visit]
DOCS = PHOTO.parents[1] / "docs"


def _focused(one: Visit) -> str:
    return str(
        one.page.evaluate(
            "(document.activeElement.ariaLabel || document.activeElement.textContent || '').trim()"
        )
    )


def _tab_to(one: Visit, wanted: str, most: int = 60) -> None:
    for _ in range(most):
        one.page.keyboard.press("Tab")
        if wanted in _focused(one):
            return
    raise AssertionError(f"Tab does not reach {wanted}")


def test_from_a_sample_to_metres_3d_and_a_file_without_a_mouse(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    keys = one.page.keyboard
    _tab_to(one, "Summer Palace")
    keys.press("Enter")
    one.wait()

    for steps, metres in ((9, "2"), (1, "15")):
        keys.press("k")
        for _ in range(steps):
            keys.press("ArrowDown")
        keys.press("Enter")
        keys.type(metres)
        keys.press("Tab")
    one.until("document.querySelector('#calibration').textContent.startsWith('Metres')")
    keys.press("m")
    for _ in range(9):
        keys.press("ArrowDown")
    keys.press("Enter")
    for _ in range(6):
        keys.press("ArrowRight")
    keys.press("Enter")
    assert re.fullmatch(r"[\d.]+ c?m", one.text("#pairs b"))

    keys.press("d")
    one.page.wait_for_selector("#scene[data-count]")
    keys.press("c")
    one.page.wait_for_selector("#scene", state="hidden")
    keys.press("3")
    assert _focused(one) == "Files"
    with one.page.expect_download() as waiting:
        _tab_to(one, "Download png16")
        keys.press("Enter")
    assert waiting.value.suggested_filename == "china_depth.png"


def test_the_question_mark_shows_the_keys_and_escape_closes_them(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    one.page.keyboard.press("?")
    one.page.wait_for_selector("dialog[open] .keys")
    one.page.keyboard.press("Escape")
    one.page.wait_for_selector("dialog", state="detached")


def test_g_goes_to_the_models_and_back(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    one.page.keyboard.press("g")
    one.page.wait_for_selector("#groups .model")
    one.page.keyboard.press("g")
    one.page.wait_for_selector("#empty")


def test_the_tables_of_keys_in_the_documentation_are_the_one_on_the_page(
    visit: Visiting, server: WebServer
) -> None:
    one = visit(server)
    one.page.keyboard.press("?")
    shown = one.page.locator(".keys tr td").all_text_contents()
    for page in ("page.md", "design.md"):
        table = (DOCS / page).read_text(encoding="utf-8").partition("| key | does |")[2].partition("\n\n")[0]
        rows = [line.split(" | ")[1].rstrip(" |") for line in table.splitlines() if line.count(" | ") == 1]
        assert [row.lower() for row in rows] == [text.lower() for text in shown], page


def test_a_dialog_keeps_the_focus_and_gives_it_back(visit: Visiting, server: WebServer) -> None:
    one = visit(server)
    one.page.focus("#help")
    one.page.keyboard.press("Enter")
    assert _focused(one) == "Close"
    one.page.keyboard.press("Enter")
    one.page.wait_for_selector("dialog", state="detached")
    assert one.page.evaluate("document.activeElement.id") == "help"
