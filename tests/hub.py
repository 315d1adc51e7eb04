"""A real server that answers as Hugging Face's hub does, and the one that it sends on to for the bytes.

The hub is at 127.0.0.1, the other at localhost, so that the two are different hosts to a client.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from depthmap.catalog import EMBEDDED
from faults.servers import HostileServer
from support import sha256

REPOSITORY = "owner/name"
COMMIT = "c0ffee" + 34 * "0"
HEADERS, POINTER, NOTHING = "headers", "pointer", "nothing"
"""How a hub states the digest of its file."""


@dataclass(frozen=True)
class Asked:
    """A request that the hub got."""

    method: str
    path: str
    authorization: str


class Hub(ThreadingHTTPServer):
    """A repository with one file, which `put` may replace at any time.

    ``states`` is how it states the digest; ``gated`` a status with which it refuses whoever shows no token; ``limited``
    so many requests are answered with 429; ``moved``: the repository has another name by now; ``lie``: the digest that
    it states instead of the right one; ``headless``: it does not answer HEAD.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, source: Path, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.folder = folder / "blobs"
        self.folder.mkdir()
        self.requests: list[Asked] = []
        self.states, self.gated, self.limited, self.lie = HEADERS, 0, 0, ""
        self.moved = self.headless = False
        self.commit = COMMIT
        self.put(source)
        self.cdn = HostileServer(self.folder)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.base = f"{self.url}{REPOSITORY}/resolve/main/"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def put(self, source: Path, commit: str = COMMIT) -> None:
        """Let another file be the repository's."""
        self.sha256, self.commit = sha256(source), commit
        self.size = source.stat().st_size
        blob = self.folder / self.sha256
        if not blob.exists():
            shutil.copyfile(source, blob)

    def heads(self) -> int:
        """Return how often the hub was asked what it states in headers."""
        return sum(asked.method == "HEAD" for asked in self.requests)

    def entry(self, **more: Any) -> dict[str, Any]:
        """Return the catalogue's entry of the file: without size and digest."""
        plain = {"embedded": "", "bytes": 0, "sha256": "", "hub_names": []}
        return {**EMBEDDED.to_dict(), **plain, "name": "Small", "base": self.base, "path": self.name, **more}

    def write_catalog(self, target: Path, **more: Any) -> Path:
        """Write a catalogue file that has the entry."""
        target.write_text(json.dumps({"models": [self.entry(**more)]}))
        return target

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; anything else is a mistake of this server."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End both servers."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        self.cdn.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def _handle(self) -> None:
        hub = self.server
        token = self.headers.get("Authorization", "")
        hub.requests.append(Asked(self.command, self.path, token))
        if hub.headless and self.command == "HEAD":
            return self._send(405, {"Allow": "GET"})
        if hub.limited:
            hub.limited -= 1
            return self._send(429, {"Retry-After": "1"})
        if hub.gated and token != "Bearer hf_right":
            code = "GatedRepo" if hub.gated == 403 or not token else "RepoNotFound"
            message = f"Access to model {REPOSITORY} is restricted."
            return self._send(hub.gated, {"X-Error-Code": code, "X-Error-Message": message})
        repository = "new/name" if hub.moved else REPOSITORY
        if hub.moved and self.path.startswith(f"/{REPOSITORY}/"):
            return self._send(307, {"Location": self.path.replace(REPOSITORY, repository, 1)})
        answers = {
            f"/{repository}/resolve/main/{hub.name}": self._resolve,
            f"/{repository}/raw/main/{hub.name}": self._raw,
        }
        if self.path not in answers:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        return answers[self.path]()

    def _resolve(self) -> None:
        hub = self.server
        if hub.states == NOTHING:  # a file that is not large stays in git, under git's own name
            content = (hub.folder / hub.sha256).read_bytes()
            name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            return self._send(200, {"ETag": f'"{name}"', "X-Repo-Commit": hub.commit}, content)
        headers = {
            "Location": f"http://localhost:{hub.cdn.server_port}/{hub.sha256}?Expires=1&Signature=secret",
            "X-Repo-Commit": hub.commit,
            "Accept-Ranges": "bytes",
        }
        if hub.states == HEADERS:
            headers |= {"X-Linked-Etag": f'"{hub.lie or hub.sha256}"', "X-Linked-Size": str(hub.size)}
        return self._send(302, headers, b"Found. Redirecting")

    def _raw(self) -> None:
        hub = self.server
        if hub.states == NOTHING:
            return self._send(200, {}, (hub.folder / hub.sha256).read_bytes())
        lines = (
            "version https://git-lfs.github.com/spec/v1",
            f"oid sha256:{hub.sha256}",
            f"size {hub.size}",
            "",
        )
        return self._send(200, {}, "\n".join(lines).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
