"""What serving costs beside the inference: a 640 × 480 upload with the embedded model, and a bare endpoint.

    python benchmarks/serving.py [--requests 200]

Three things are done alternately, with a new picture each time: ``POST /api/predict?outputs=png16`` of
``depthmap serve``; the same upload to a bare Starlette endpoint that only decodes the picture and encodes a depth map
of its size as the same kind of file; and the inference alone, of a decoded picture, in the bare server's process.

The overhead is the median of the first less those of the other two.

Then crowds of a hundred send a picture each at once, and the server says what it has in memory after each crowd.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import httpx

WIDTH, HEIGHT = 640, 480
MODEL = "Depthmap_Tiny"
CROWD = 100
WARM = 10
"""Requests before those that are counted."""
LIMIT_MS = 25.0


def bare() -> None:
    """Serve the bare endpoint, and the inference alone, until told to stop."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    import depthmap
    from depthmap.images import read
    from depthmap.outputs import OUTPUTS, Options
    from depthmap.web.server import listen

    estimator = depthmap.DepthEstimator(MODEL, pictures=8)
    held: dict[str, Any] = {}

    async def decode_and_encode(request: Request) -> Response:
        read(await request.body())
        stream = io.BytesIO()
        OUTPUTS["png16"].encode(stream, held["depth"], Options())
        return Response(stream.getvalue(), media_type="image/png")

    async def infer(request: Request) -> Response:
        photo = read(await request.body())
        start = time.perf_counter()
        held["depth"] = estimator.depth(photo)
        return Response(str(time.perf_counter() - start))

    routes = [Route("/bare", decode_and_encode, methods=["POST"]), Route("/infer", infer, methods=["POST"])]
    sockets = listen("127.0.0.1", 0)
    print(f"answers on http://127.0.0.1:{sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning")).run(sockets=sockets)


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """Run a server; give its address, which it says on stderr."""
    environment = {**os.environ, "DEPTHMAP_MODEL": MODEL}
    with subprocess.Popen(
        [sys.executable, *command], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            found = (re.search(r"answers on (http://\S+)", line) for line in process.stderr)
            address = next(match[1] for match in found if match)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield address
        finally:
            process.terminate()


def pictures(count: int) -> Iterator[bytes]:
    """Yield JPEGs of which no two are equal: JPEG lets anything follow the picture."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    ramp = np.linspace(0, 200, WIDTH * HEIGHT * 3).reshape(HEIGHT, WIDTH, 3)
    stream = io.BytesIO()
    Image.fromarray((ramp + random.uniform(0, 55, ramp.shape)).astype(np.uint8)).save(
        stream, "JPEG", quality=90
    )
    for number in range(count):
        yield stream.getvalue() + number.to_bytes(4, "little")


def posted(client: httpx.Client, url: str, data: bytes) -> tuple[float, httpx.Response]:
    """Return the seconds of a request, and its answer."""
    start = time.perf_counter()
    reply = client.post(url, content=data)
    seconds = time.perf_counter() - start
    if reply.status_code != 200:
        raise SystemExit(f"{url} answered {reply.status_code}: {reply.text}")
    return seconds, reply


def measure(requests: int) -> dict[str, list[float]]:
    """Return the seconds of each way, in their order."""
    taken: dict[str, list[float]] = {"predict": [], "bare": [], "inference": []}
    with (
        serving("-m", "depthmap", "serve", "--port", "0") as ours,
        serving(__file__, "--bare") as other,
        httpx.Client(timeout=120, trust_env=False) as client,
    ):
        for data in pictures(WARM + requests):
            taken["inference"].append(float(posted(client, f"{other}/infer", data)[1].text))
            taken["predict"].append(posted(client, f"{ours}/api/predict?outputs=png16", data)[0])
            taken["bare"].append(posted(client, f"{other}/bare", data)[0])
    return {way: seconds[WARM:] for way, seconds in taken.items()}


def crowds(count: int) -> Iterator[tuple[int, int, float]]:
    """Yield how many of a crowd were answered, how many told to come again, and the megabytes then in memory."""
    with serving("-m", "depthmap", "serve", "--port", "0") as ours:
        sent = pictures(CROWD * count)
        for _ in range(count):
            crowd = list(islice(sent, CROWD))
            with ThreadPoolExecutor(CROWD) as pool:
                statuses = Counter(pool.map(partial(status, f"{ours}/api/predict"), crowd))
            if set(statuses) - {200, 503}:
                raise SystemExit(f"the server answered {statuses}")
            figures = httpx.get(f"{ours}/api/metrics", trust_env=False).text
            resident = re.search(r"^depthmap_resident_memory_bytes (\d+)", figures, re.MULTILINE)
            yield statuses[200], statuses[503], int(resident[1]) / 1e6 if resident else 0.0


def status(url: str, data: bytes) -> int:
    """Send a picture over a connection of its own; return the status."""
    return httpx.post(url, content=data, timeout=300, trust_env=False).status_code


def percentile(seconds: list[float], share: float) -> float:
    """Return the milliseconds that this share of them does not exceed."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--crowds", type=int, default=10)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        bare()
        return
    taken = measure(given.requests)
    print(f"{WIDTH} × {HEIGHT}, {MODEL}, {given.requests} requests of each, alternately; milliseconds\n")
    print("| | p50 | p99 |\n|---|---:|---:|")
    for way, seconds in taken.items():
        print(f"| {way} | {percentile(seconds, 0.5):.1f} | {percentile(seconds, 0.99):.1f} |")
    medians = {way: 1000 * statistics.median(seconds) for way, seconds in taken.items()}
    overhead = medians["predict"] - medians["bare"] - medians["inference"]
    print(f"\noverhead at p50: {overhead:.1f} ms (at most {LIMIT_MS:g})\n")
    print("| crowd of 100 | answered | told to come again | in memory, MB |\n|---:|---:|---:|---:|")
    for number, (answered, refused, megabytes) in enumerate(crowds(given.crowds), 1):
        print(f"| {number} | {answered} | {refused} | {megabytes:.0f} |", flush=True)
    if overhead > LIMIT_MS:
        raise SystemExit("the overhead is too large")


if __name__ == "__main__":
    main()
