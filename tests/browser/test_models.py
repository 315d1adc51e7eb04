"""The page of models: a model comes from a local source, is used, checked and removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import PHOTO
from web.conftest import WebServer

from .visits import Visit

Visiting = Callable[..., Visit]
SMALL = "[data-slug=small]"
HERE = f"{SMALL}[data-status=cached]"
BAR = f"{SMALL} [role=progressbar]"


def _share(one: Visit) -> int:
    return int(one.page.get_attribute(BAR, "aria-valuenow") or 0)


def _begin(one: Visit) -> None:
    one.page.click("[aria-label='Download Small']")
    one.until(f"+document.querySelector(`{BAR}`)?.ariaValueNow > 5")


def test_a_download_shows_progress_pauses_goes_on_and_then_predicts_without_a_restart(
    visit: Visiting, own_server: WebServer
) -> None:
    one = visit(own_server, "/#models")
    _begin(one)
    one.page.click("[aria-label='Pause the download of Small']")
    one.page.wait_for_selector(f"{SMALL} [data-state=paused]")
    paused = _share(one)
    assert 0 < paused < 100
    assert "Paused at" in one.text(f"{SMALL} .model-job")
    one.page.wait_for_timeout(700)
    assert _share(one) == paused

    one.page.click("[aria-label='Resume the download of Small']")
    one.page.wait_for_selector(f"{SMALL} [data-state=running]")
    one.page.wait_for_selector(HERE)
    one.page.click("[data-page=depth]")
    one.page.select_option("#model", "Small")
    one.give(PHOTO)
    one.until("document.querySelector('#facts').textContent.includes('Small')")


def test_a_download_can_be_cancelled_and_leaves_nothing(visit: Visiting, own_server: WebServer) -> None:
    one = visit(own_server, "/#models")
    _begin(one)
    one.page.click("[aria-label='Cancel the download of Small']")
    one.page.wait_for_selector("[aria-label='Download Small']")
    one.page.wait_for_timeout(500)
    assert [path for path in own_server.cache_dir.rglob("*.part") if path.is_file()] == []


def test_a_model_is_verified_pinned_exported_and_deleted(
    visit: Visiting, own_server: WebServer, tiny_checkpoint: Path
) -> None:
    one = visit(own_server, "/#models")
    _begin(one)
    one.page.wait_for_selector(HERE)
    one.page.click("[aria-label='More about Small']")
    one.page.click(f"{SMALL} >> text=Verify")
    one.page.wait_for_selector("text=Every byte of Small is as it should be.")
    one.page.click(f"{SMALL} >> button:has-text('Pin')")
    one.page.wait_for_selector(f"{SMALL} .tag:has-text('pinned')")
    one.page.click(f"{SMALL} >> button:has-text('Unpin')")
    one.page.wait_for_selector(f"{SMALL} .tag:has-text('pinned')", state="detached")
    assert one.download(f"{SMALL} a:has-text('Export')").path().stat().st_size > 1_000_000

    one.page.click(f"{SMALL} >> button:has-text('Delete')")
    one.page.click("dialog >> text=Cancel")
    assert one.page.is_visible(HERE)
    one.page.click(f"{SMALL} >> button:has-text('Delete')")
    one.page.click("dialog .danger")
    one.page.wait_for_selector("[aria-label='Download Small']")
    assert [path for path in own_server.cache_dir.rglob("small.*") if path.suffix in (".pt", ".h5")] == []


def test_a_licence_is_to_be_accepted_before_a_download(visit: Visiting, own_server: WebServer) -> None:
    one = visit(own_server, "/#models")
    one.page.click("[aria-label='Download Closed']")
    assert "CC-BY-NC-4.0" in one.text("dialog")
    one.page.click("dialog >> text='Cancel'")
    assert own_server.client.get("/api/downloads").json()["downloads"] == []
    one.page.click("[aria-label='Download Closed']")
    one.page.click("dialog >> text=Accept and download")
    one.page.wait_for_selector("[data-slug=closed][data-status=cached]")


def test_a_file_of_weights_is_imported_by_dropping_it(
    visit: Visiting, own_server: WebServer, tiny_checkpoint: Path
) -> None:
    one = visit(own_server, "/#models")
    one.page.set_input_files("#model-file", {
        "name": "my model.pt", "mimeType": "application/octet-stream", "buffer": tiny_checkpoint.read_bytes(),
    })  # fmt: skip
    one.page.wait_for_selector("[data-slug=my_model][data-status=cached]")


def test_what_is_no_file_of_weights_is_refused_in_the_servers_words(
    visit: Visiting, own_server: WebServer
) -> None:
    one = visit(own_server, "/#models", refusals=True)
    one.files_dropped(("broken.pt", b"not a checkpoint"))
    one.page.wait_for_selector(".toast.error")
    assert one.page.locator("[data-slug=broken]").count() == 0


@pytest.mark.parametrize(
    ("which", "names"), [("short", {"Small"}), ("here", {"Depthmap_Tiny"}), ("all", {"DPT_Large"})]
)
def test_models_are_listed_as_suggested_here_and_all(
    visit: Visiting, server: WebServer, which: str, names: set[str]
) -> None:
    one = visit(server, "/#models")
    one.page.click(f"[data-which={which}]")
    shown = {
        text.strip()
        for text in one.page.locator(".model-name").evaluate_all("all => all.map(e => e.firstChild.data)")
    }
    assert names <= shown
    assert ("DPT_Large" in shown) != (which == "here")
    assert "of models" in one.text("#disk-used")
