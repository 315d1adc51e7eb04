"""A reader of server-sent events that shares no code with the server: by the letter of the HTML standard."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Event:
    name: str
    data: Any


def events(url: str, **headers: str) -> Iterator[Event]:
    """Yield what a stream of events says, until it ends; closing the iterator closes the connection."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=60)
    try:
        connection.request("GET", parts.path, headers={"Accept": "text/event-stream", **headers})
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        assert reply.headers.get_content_type() == "text/event-stream"
        name, lines = "", []
        for raw in reply:
            line = raw.decode("utf-8").rstrip("\r\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if lines:
                    yield Event(name or "message", json.loads("\n".join(lines)))
                name, lines = "", []
            elif field == "event":
                name = value
            elif field == "data":
                lines.append(value)
            else:
                assert field == "", f"a field that nobody knows: {line}"
    finally:
        connection.close()
