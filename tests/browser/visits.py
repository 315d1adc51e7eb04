"""One person's visit to the page, and what a browser lets a test see of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from web.conftest import WebServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Download, Page

WIDE, MIDDLE, NARROW = (1440, 900), (1000, 640), (360, 760)
SECONDS = 30_000
"""How long something may take before it counts as not happening, in milliseconds."""


class Visit:
    """A page of its own, without what earlier visits left. ``problems`` has errors, and requests to other hosts."""

    def __init__(
        self,
        browser: Browser,
        server: WebServer,
        address: str = "/",
        *,
        size: tuple[int, int] = MIDDLE,
        scheme: str = "light",
        motion: str = "no-preference",
        refusals: bool = False,
    ) -> None:
        self.server = server
        self.problems: list[str] = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,  # type: ignore[arg-type]  # one of Playwright's literals
            reduced_motion=motion,  # type: ignore[arg-type]  # as above
            permissions=["camera", "clipboard-read", "clipboard-write"],
            accept_downloads=True,
        )
        self.context.set_default_timeout(SECONDS)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self._heard(message, refusals))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.goto(server.url + address)
        for listed in ("#samples img", "#groups .model"):
            self.page.wait_for_selector(listed, state="attached")

    def _heard(self, message: Any, refusals: bool) -> None:
        refused = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type == "error" and not (refusals and refused):
            self.problems.append(message.text)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("blob", "data") and f"{parts.scheme}://{parts.netloc}" != self.server.url:
            self.problems.append(f"asked {url}")

    def close(self) -> None:
        self.context.close()

    def give(self, *pictures: Path) -> None:
        """Give pictures, and wait for the depth of the one on screen."""
        self.page.set_input_files("#file", list(map(str, pictures)))
        self.wait()

    def wait(self) -> None:
        """Wait until the picture on screen has its depth."""
        self.page.wait_for_selector("#panel:not([hidden])")
        self.page.wait_for_selector("#cover[hidden]", state="attached")

    def until(self, expression: str) -> None:
        """Wait until JavaScript is true; Playwright's own way is an `eval` in the page, which the policy forbids."""
        for _ in range(SECONDS // 50):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"it never came true: {expression}")

    def tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}")

    def text(self, selector: str) -> str:
        return (self.page.text_content(selector) or "").strip()

    def shot(self, selector: str) -> NDArray[np.uint8]:
        """Return what is seen of an element, sRGB (H, W, 3)."""
        png = self.page.locator(selector).screenshot(animations="disabled")
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def pixels(self, canvas: str) -> NDArray[np.uint8]:
        """Return the pixels of a canvas as they are in it, (H, W, 3)."""
        width, height, values = self.page.evaluate(
            """(id) => {
                const canvas = document.querySelector(id);
                const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                let text = "";
                for (let at = 0; at < data.length; at += 32768)
                    text += String.fromCharCode(...data.subarray(at, at + 32768));
                return [canvas.width, canvas.height, btoa(text)];
            }""",
            canvas,
        )
        import base64

        return np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width, 4)[..., :3]

    def at(self, x: float, y: float, depth: tuple[int, int]) -> tuple[float, float]:
        """Return where on the screen a pixel of a map of this width and height is."""
        box = self.page.locator("#frame").bounding_box()
        assert box
        return box["x"] + (x + 0.5) / depth[0] * box["width"], box["y"] + (y + 0.5) / depth[1] * box["height"]

    def click_pixel(self, x: float, y: float, depth: tuple[int, int]) -> None:
        self.page.mouse.click(*self.at(x, y, depth))

    def download(self, selector: str) -> Download:
        """Click something that saves a file; return the file."""
        with self.page.expect_download(timeout=SECONDS) as waiting:
            self.page.click(selector)
        return waiting.value

    def files_dropped(self, *files: tuple[str, bytes], event: str = "drop") -> None:
        """Let files be dropped onto the page, or pasted into it."""
        given: Sequence[list[Any]] = [[name, list(content)] for name, content in files]
        self.page.evaluate(
            """([files, event]) => {
                const data = new DataTransfer();
                for (const [name, bytes] of files) data.items.add(new File([new Uint8Array(bytes)], name));
                const init = { bubbles: true, cancelable: true };
                document.body.dispatchEvent(event === "paste"
                    ? new ClipboardEvent("paste", { ...init, clipboardData: data })
                    : new DragEvent(event, { ...init, dataTransfer: data }));
            }""",
            [given, event],
        )


def differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the share of pixels that clearly differ."""
    return float((np.abs(one.astype(int) - other).max(axis=-1) > 16).mean())
