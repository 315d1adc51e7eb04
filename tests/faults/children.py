"""The fork server's side: read a request, fork, let the child do it, reply with how it ended.

Nothing runs in the server itself but imports, so no thread is lost by the fork.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from depthmap.errors import DepthmapError

from .operations import OPERATIONS
from .shim import Orders, arm


def main() -> None:
    """Serve requests, one JSON a line, until stdin ends."""
    library = ctypes.CDLL(sys.argv[1]) if sys.argv[1] else None
    gc.freeze()  # so that a collection in a child does not touch, and copy, every page
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the children print must not look like a reply
    for line in sys.stdin:
        reply = _fork(json.loads(line), library)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _fork(request: Mapping[str, Any], library: ctypes.CDLL | None) -> dict[str, Any]:
    reading, writing = os.pipe()
    said = os.fstat(2).st_size
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(request, library, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer, hung = _answer(pipe.fileno(), request["seconds"])
    if hung:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    stderr = Path("/proc/self/fd/2").read_bytes()[said:][-2000:].decode(errors="replace")
    if hung:
        return {"end": "hung", "status": status, "stderr": stderr}
    if status == -signal.SIGKILL and not answer:
        return {"end": "killed", "status": status}
    if status or not answer:
        return {"end": "crashed", "status": status, "stderr": stderr}
    return dict(json.loads(answer))


def _answer(pipe: int, seconds: float) -> tuple[bytes, bool]:
    """Return what the child said, and whether it still had not ended after so many seconds."""
    answer = b""
    while select.select([pipe], [], [], seconds)[0]:
        block = os.read(pipe, 1 << 16)
        if not block:
            return answer, False
        answer += block
    return answer, True


def _child(request: Mapping[str, Any], library: ctypes.CDLL | None, pipe: int) -> None:
    """Do what the request says, write the answer to ``pipe``, and end the process."""
    status = 1
    try:
        os.environ.update(request["environment"])
        os.umask(request["umask"])
        if request["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"], resource.RLIM_INFINITY))
        if request["user"]:
            os.setgroups([])
            os.setgid(request["user"])
            os.setuid(request["user"])
        run = OPERATIONS[request["operation"]]
        if library and request["orders"]:
            arm(library, Orders(**request["orders"]))
        answer = _tried(run, request["arguments"])
        gc.collect()  # what the operation left open is closed, or crashes, while the fault lasts
        if library:
            answer["boundaries"] = library.shim_disarm()
        if request["again"] and answer["end"] == "failed":
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            answer["again"] = _tried(run, request["arguments"])
        os.write(pipe, json.dumps(answer).encode())
        status = 0
    except BaseException as error:  # the child must never return into the server's loop
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def _tried(run: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"end": "done", "value": run(**arguments)}
    except Exception as error:
        return {"end": "failed", "error": _described(error)}


def _described(error: Exception) -> dict[str, Any]:
    ours = isinstance(error, DepthmapError)
    return {
        "class": type(error).__name__,
        "message": str(error),
        "where": getattr(error, "where", ""),
        "remedy": getattr(error, "remedy", ""),
        "ours": ours,
    }


if __name__ == "__main__":
    main()
