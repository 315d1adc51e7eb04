"""What the benchmarks share: stand-ins of published checkpoints, a server that counts, tables on pages."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import runpy
import shutil
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the hostile server and the means of damage are the tests'

SCRIPT = TESTS / "data" / "goldens" / "synthetic_checkpoint.py"


# -- stand-ins ----------------------------------------------------------------------------------------------------


def stand_in(folder: Path, model: str) -> Path:
    """Make a file of a published checkpoint's name, layout and size, with synthetic numbers; return its path."""
    from depthmap.catalog import CATALOG

    path = folder / CATALOG[model.lower()].path.rsplit("/", 1)[-1]
    runpy.run_path(str(SCRIPT))["main"](model, path)
    return path


def sha256(path: Path) -> str:
    """Return the digest of a file that may be larger than memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_catalog(target: Path, model: str, published: Path, **more: str) -> Path:
    """Write a catalogue that gives a model the size and the digest of a stand-in."""
    entry = {"name": model, "bytes": published.stat().st_size, "sha256": sha256(published), **more}
    target.write_text(json.dumps({"models": [entry]}))
    return target


def use(folder: Path, mirror: str = "") -> None:
    """Let this process find catalogue, mirror (by default the folder itself) and cache in a folder."""
    os.environ["DEPTHMAP_CATALOG"] = str(folder / "catalog.json")
    os.environ["DEPTHMAP_MIRRORS"] = mirror or folder.as_uri()
    os.environ["DEPTHMAP_CACHE_DIR"] = str(folder / "cache")


def prepare(folder: Path, model: str, formats: Sequence[str] = ("pt", "h5")) -> Path:
    """Make a stand-in, its catalogue and the cache that has it in these formats; return the published file."""
    from depthmap.cache import ModelCache

    published = stand_in(folder, model)
    write_catalog(folder / "catalog.json", model, published)
    use(folder)
    ModelCache().download(model, formats)
    return published


# -- a server -----------------------------------------------------------------------------------------------------


class CountingServer(ThreadingHTTPServer):
    """Serves one file under every path, with single ranges; ``sent`` is the number of its bytes that went out."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Ranges)
        self.path = path
        self.sent = 0
        self.guard = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Ranges(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        size = self.server.path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2] or size), size - 1)) if asked else (0, size - 1)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        with self.server.path.open("rb") as file:
            file.seek(first)
            left = last + 1 - first
            while left:
                block = file.read(min(left, 1 << 16))
                self.wfile.write(block)
                left -= len(block)
                with self.server.guard:
                    self.server.sent += len(block)


# -- tables -------------------------------------------------------------------------------------------------------


def table(*rows: tuple[object, ...]) -> str:
    """Return a table in Markdown; the first row is its head."""
    head, *others = rows
    lines = [head, ("---",) * len(head), *others]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def show_in(page: Path, name: str, text: str) -> None:
    """Put a text between the markers of that name of a page.

    Raises
    ------
    SystemExit
        When it has no such markers.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    content = page.read_text(encoding="utf-8")
    if begin not in content or end not in content:
        raise SystemExit(f"{page} has no '{begin}' and '{end}'")
    before, after = content.split(begin)[0], content.split(end)[1]
    page.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is a module's docstring."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def need_room(folder: Path, model: str, copies: int) -> None:
    """End with a clear word where a folder's disk has no room for so many copies of a model's file."""
    from depthmap.catalog import CATALOG

    size = copies * CATALOG[model.lower()].bytes
    if (free := shutil.disk_usage(folder).free) < size:
        raise SystemExit(f"{folder} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed; set TMPDIR")
