"""What tests share that is no fixture: where things are, a real HTTP server, damage."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from depthmap.formats import pt
from depthmap.formats.arrays import Array, map_arrays
from depthmap.store import FileRecord, Stamp, Store, names

GOLDENS = Path(__file__).parent / "data" / "goldens"
PHOTO = Path(__file__).parents[1] / "examples" / "china.jpg"


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_checkpoint(tensors: dict[str, np.ndarray[Any, Any]], path: Path) -> None:
    """Write a checkpoint as ``torch.save`` does, where there is torch; else by our own writer, which is tested so."""
    arrays = {
        name: np.asarray(values) for name, values in tensors.items()
    }  # a sum of no dimension is no array
    if find_spec("torch"):
        import torch

        torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)
    else:
        pt.save({name: Array(str(values.dtype), values) for name, values in arrays.items()}, path)


def arrays_of(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors of a checkpoint as NumPy arrays."""
    return {name: array.values for name, array in map_arrays(path).items()}


def write_catalog(path: Path, **models: Path) -> Path:
    """Write a catalogue file that gives these models these files' sizes and digests."""
    entries = [{"name": n, "bytes": p.stat().st_size, "sha256": sha256(p)} for n, p in models.items()]
    path.write_text(json.dumps({"models": entries}))
    return path


class _Handler(SimpleHTTPRequestHandler):
    requests: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()


class FileServer:
    """A real HTTP server on loopback that serves a folder and notes what was asked."""

    def __init__(self, root: Path) -> None:
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"requests": self.requests})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root)))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


def seconds_of_threads(first: str, work: str) -> tuple[float, float]:
    """Run ``first``, which imports and warms up, then ``work``; return what other threads and its own took for work."""
    code = f"""
import time
{first}
before = time.process_time() - time.thread_time()
{work}
print(time.process_time() - time.thread_time() - before, time.thread_time())
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    others, own = map(float, done.stdout.split())
    return others, own


def flip(path: Path, position: int) -> None:
    """Flip one bit of a file in place."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@contextmanager
def rot(path: Path) -> Iterator[None]:
    """Let what is done to a file of the cache go unnoticed by its stamp, as what a disk does to it would.

    No program can set a file's ctime, so the record is set to the stamp that the file has in the end.
    """
    yield
    store = Store(path.parent)
    slug, format = names.parse(path.name) or ("", "")
    manifest = store.known(slug)
    assert manifest
    record = FileRecord(manifest.files[format].digest, Stamp.of(path))
    with store.lock(slug):
        store.write_manifest(slug, manifest.with_file(format, record))
