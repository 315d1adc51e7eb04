"""Many pictures: how fast a streamed run is, and how much memory it takes.

    python -m benchmarks.batches                              the embedded model
    python -m benchmarks.batches --model MiDaS_small          a synthetic checkpoint of its size
    python -m benchmarks.batches --memory 1000 100000         peak memory for so many tiny pictures

Three things take turns, so that a machine that slows down slows all: a loop that reads, estimates and writes one
picture after the other; a streamed run; and the network alone on inputs that are prepared. The page tells rates and
their ratios, the medians over the rounds.
"""

from __future__ import annotations

import io
import json
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .common import TESTS, arguments, prepare, table

PHOTO = TESTS.parent / "examples" / "china.jpg"
_PEAK = """
import resource, sys
from depthmap.cli import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def make_pictures(folder: Path, count: int, width: int, height: int) -> None:
    from PIL import Image

    folder.mkdir()
    with Image.open(PHOTO) as photo:
        for number in range(count):
            box = (number % 40, number % 30, photo.width - 40 + number % 40, photo.height - 30 + number % 30)
            photo.resize((width, height), box=box).save(folder / f"{number:05d}.jpg", quality=90)


def naive(pictures: Path, out: Path, model: str, outputs: list[str]) -> float:
    """Return the pictures per second of the loop that anybody would write."""
    from depthmap import DepthEstimator

    estimator = DepthEstimator(model, "cpu")
    estimator.depth(next(pictures.iterdir()))
    out.mkdir(exist_ok=True)
    paths = sorted(pictures.iterdir())
    start = time.perf_counter()
    for path in paths:
        estimator.depth(path).save(out / path.stem, outputs)
    return len(paths) / (time.perf_counter() - start)


def streamed(
    pictures: Path, out: Path, model: str, outputs: list[str], workers: int = 1, ray: str | None = None
) -> float:
    """Return the pictures per second of a streamed run, from when its processes, if it has some, have begun."""
    from depthmap import DepthEstimator
    from depthmap.batch import Order, callers, open_sources, stream

    estimator = DepthEstimator(model, "cpu", pictures=1000, callers=callers())
    estimator.depth(next(pictures.iterdir()))
    order = Order(str(out), outputs, workers=workers, ray=ray, overwrite=True)
    times: list[float] = []
    tally = stream(
        open_sources([pictures]), estimator, order, lambda result: times.append(time.perf_counter())
    )
    assert tally.count("done") == tally.ended == len(times), tally
    # The processes that begin cost the same for ten pictures and for millions.
    skipped = len(times) // 10 if workers > 1 or ray is not None else 0
    return (len(times) - 1 - skipped) / (times[-1] - times[skipped])


def alone(pictures: Path, model: str) -> float:
    """Return how many pictures per second the network alone does, as a streamed run calls it."""
    from depthmap import DepthEstimator
    from depthmap.batch import callers
    from depthmap.estimator import _inputs
    from depthmap.images import read_photo

    estimator = DepthEstimator(model, "cpu", pictures=1000, callers=callers())
    inputs = [
        [array[None] for array in _inputs(read_photo(path), estimator._seen)] for path in pictures.iterdir()
    ]
    with ThreadPoolExecutor(callers()) as pool:
        list(pool.map(lambda arrays: estimator._run(*arrays)[0].shape, inputs[: callers()]))
        start = time.perf_counter()
        list(pool.map(lambda arrays: estimator._run(*arrays)[0].shape, inputs))
    return len(inputs) / (time.perf_counter() - start)


def rates(folder: Path, model: str, count: int, rounds: int, outputs: list[str], workers: int) -> str:
    pictures = folder / "pictures"
    make_pictures(pictures, count, 640, 360)
    found: dict[str, list[float]] = {"naive": [], "streamed": [], "network alone": []}
    for number in range(rounds):
        found["naive"].append(naive(pictures, folder / f"n{number}", model, outputs))
        found["streamed"].append(streamed(pictures, folder / f"s{number}", model, outputs, workers))
        found["network alone"].append(alone(pictures, model))
        print({name: round(values[-1], 2) for name, values in found.items()}, file=sys.stderr)
        for made in ("n", "s"):
            shutil.rmtree(folder / f"{made}{number}")
    middle = {name: statistics.median(values) for name, values in found.items()}
    rows = [(name, f"{value:.1f}") for name, value in middle.items()]
    rows.append(("streamed / naive", f"{middle['streamed'] / middle['naive']:.2f}"))
    rows.append(("streamed / network alone", f"{middle['streamed'] / middle['network alone']:.2f}"))
    head = (
        f"{model}, {count} pictures of 640 × 360, {' and '.join(outputs)}, {workers} process(es)",
        "pictures/s",
    )
    return table(head, *rows)


def make_archive(path: Path, count: int) -> None:
    """Write a tar of so many tiny pictures."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.resize((32, 24)).save(buffer, "JPEG")
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            member = tarfile.TarInfo(f"{number // 1000:03d}/{number:06d}.jpg")
            member.size = len(buffer.getvalue())
            archive.addfile(member, io.BytesIO(buffer.getvalue()))
            archive.members = []  # type: ignore[attr-defined]  # else it keeps the header of each


def peak(archive: Path, out: Path) -> tuple[int, float]:
    """Return the peak memory in MB of a command over an archive, and its seconds."""
    command = [sys.executable, "-c", _PEAK, "batch", str(archive), "-o", str(out), "-q", "--jsonl"]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as lines:
        done = subprocess.run(
            [*command, "-m", "depthmap_tiny", "--size", "32", "-f", "png16"],
            stdout=lines,
            stderr=subprocess.PIPE,
        )
        seconds = time.perf_counter() - start
        assert done.returncode == 0, done.stderr
        lines.seek(0)
        assert all(json.loads(line)["status"] in ("done", "skipped") for line in lines)
    return int(done.stderr.split()[-1]) // 1000, seconds


def memory(folder: Path, counts: list[int]) -> str:
    rows = []
    for count in counts:
        archive, out = folder / f"{count}.tar", folder / f"out{count}"
        make_archive(archive, count)
        first, seconds = peak(archive, out)
        again, skipping = peak(archive, out)
        rows.append((f"{count:,}", first, f"{count / seconds:.0f}", again, f"{count / skipping:.0f}"))
        print(rows[-1], file=sys.stderr)
        shutil.rmtree(out)
    return table(("pictures", "peak, MB", "pictures/s", "peak when all are skipped, MB", "pictures/s"), *rows)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", default="Depthmap_Tiny")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--output", action="append")
    parser.add_argument("--memory", type=int, nargs="+", metavar="COUNT")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.memory:
            print(memory(folder, chosen.memory))
            return
        if chosen.model.lower() != "depthmap_tiny":
            prepare(folder, chosen.model)
        outputs = chosen.output or ["png16"]
        print(rates(folder, chosen.model, chosen.pictures, chosen.rounds, outputs, chosen.workers))


if __name__ == "__main__":
    main()
