"""Pictures to send, and ways to send them."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
from PIL import Image

from .conftest import WebServer

PREDICT = "/api/predict"


def picture(width: int = 64, height: int = 48, kind: str = "PNG", seed: int = 0) -> bytes:
    """Return an encoded picture: a ramp with some noise."""
    random = np.random.default_rng(seed)
    pixels = np.linspace(0, 200, width * height * 3).reshape(height, width, 3)
    stream = io.BytesIO()
    Image.fromarray((pixels + random.uniform(0, 55, pixels.shape)).astype(np.uint8)).save(stream, kind)
    return stream.getvalue()


def send(server: WebServer, data: bytes = b"", *, accept: str = "*/*", **query: Any) -> httpx.Response:
    """Send a picture as the body."""
    return server.client.post(
        PREDICT, content=data or picture(), params=query, headers={"Accept": accept}, timeout=120
    )


def send_form(
    server: WebServer, data: bytes = b"", *, name: str = "photo.png", accept: str = "*/*", **fields: Any
) -> httpx.Response:
    """Send a picture as a form does."""
    files = {"image": (name, data or picture())}
    return server.client.post(PREDICT, files=files, data=fields, headers={"Accept": accept}, timeout=120)


def values(reply: httpx.Response) -> np.ndarray:
    """Return the depth of a reply that is an NPY file."""
    assert reply.status_code == 200, reply.text
    return np.load(io.BytesIO(reply.content), allow_pickle=False)
