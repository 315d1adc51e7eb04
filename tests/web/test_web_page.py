"""The page is served to browsers, its files to be kept for ever, and nothing in it can come from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from depthmap.web import page
from support import PHOTO

from .conftest import WebServer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MOST_BYTES = 900_000
SCRIPTS_AND_STYLES = re.compile(r'(?:src|href)="(/static/[^"]+)"')


def html(server: WebServer) -> httpx.Response:
    return server.client.get("/", headers=BROWSER)


def test_a_browser_gets_the_page_and_a_program_the_routes(shared: WebServer) -> None:
    assert html(shared).headers["content-type"] == "text/html; charset=utf-8"
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert shared.client.get("/", headers=headers).json()["success"]


def test_the_page_allows_no_script_style_or_request_but_its_own(shared: WebServer) -> None:
    policy = html(shared).headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_has_no_script_or_style_within(shared: WebServer) -> None:
    text = html(shared).text
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"<style|\bstyle=|\bon[a-z]+=", text) == []


def test_the_files_of_the_page_have_digests_in_their_names_and_may_be_kept_for_ever(
    shared: WebServer,
) -> None:
    names = SCRIPTS_AND_STYLES.findall(html(shared).text)
    assert len(names) >= 3
    for name in names:
        assert re.search(r"-[\w-]{8}\.(js|css|svg)$", name)
        reply = shared.client.get(name)
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["/static/index.html", "/static/../page.py", "/static/..%2fpage.py", "/static/samples", "/static/"],
)
def test_nothing_else_of_the_disk_is_served(shared: WebServer, path: str) -> None:
    assert shared.client.get(path).status_code == 404


def test_the_samples_are_small_pictures(shared: WebServer) -> None:
    samples = shared.client.get("/api/samples").json()["samples"]
    assert [sample["name"] for sample in samples] == list(page.SAMPLES)
    for sample in samples:
        reply = shared.client.get(f"/api/samples/{sample['name']}")
        assert reply.headers["content-type"] == "image/jpeg"
        assert len(reply.content) < 60_000
    assert shared.client.get("/api/samples/nothing.jpg").status_code == 404


def test_the_samples_are_those_of_the_examples() -> None:
    examples = {path.stem: path for path in PHOTO.parent.iterdir() if path.suffix in (".jpg", ".png")}
    for name in page.SAMPLES:
        with (
            Image.open(page.STATIC / "samples" / name) as sample,
            Image.open(examples[Path(name).stem]) as original,
        ):
            assert sample.size == original.size
            difference = ImageChops.difference(sample.convert("RGB"), original.convert("RGB"))
        assert max(ImageStat.Stat(difference).mean) < 6


def test_what_is_built_has_at_most_900_kb() -> None:
    sizes = [path.stat().st_size for path in page.STATIC.rglob("*") if path.is_file()]
    assert 0 < sum(sizes) <= MOST_BYTES
