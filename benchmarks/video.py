"""Films: how much depth flickers, how fast they are made, and how much memory that takes.

    python -m benchmarks.video flicker [--frames 60] [--page docs/video.md]
    python -m benchmarks.video rate [--frames 300] [--rounds 5] [--page docs/video.md]
    python -m benchmarks.video memory [--frames 10000] [--page docs/video.md]

All with the embedded model. ``flicker`` takes films of 640 × 360 with noise and changing exposure: a photo that stands
still, slow pans over photos, and a rendered room whose depth is known. Shown maps lie between 0 and 1, each alone
between its own minimum and maximum, or steady in the range of the shot; flicker is the mean change of a point from
frame to frame, and the moving camera is followed.
``rate`` makes a film of depth of an H.264 film of 640 × 360, and lets the network alone see the same frames, in
turns. ``memory`` makes films of two lengths in processes of their own, and prints the peaks.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import machine
from .common import arguments, show_in, table

if TYPE_CHECKING:
    import numpy as np

    from depthmap.depth import Depth
    from depthmap.estimator import DepthEstimator
    from depthmap.video import Steadied

    Pixels = np.ndarray[Any, Any]

SIZE = (640, 360)
MODEL = "Depthmap_Tiny"
EXAMPLES = machine.ROOT / "examples"
PHOTOS = ("china.jpg", "coffee.png", "chelsea.png")


class Scene(NamedTuple):
    """A film, how many pixels its camera moves in a frame, and its true metres where they are known."""

    name: str
    frames: Sequence[Pixels]
    step: float
    metres: Sequence[Pixels] = ()


def photo(name: str, width: int, height: int) -> Pixels:
    """Return a photo at a size; it is wide enough for a pan where ``width`` is more."""
    import numpy as np
    from PIL import Image

    with Image.open(EXAMPLES / name) as picture:
        whole = picture.convert("RGB")
        scale = max(width / whole.width, height / whole.height)
        shown = whole.resize(
            (round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS
        )
    top, left = (shown.height - height) // 2, (shown.width - width) // 2
    return np.asarray(shown)[top : top + height, left : left + width]


def filmed(pictures: Sequence[Pixels], noise: float, exposure: float) -> list[Pixels]:
    """Return pictures as a sensor has them: with noise, in an exposure that goes up and down."""
    import numpy as np

    random = np.random.default_rng(0)
    found = []
    for number, picture in enumerate(pictures):
        exposed = picture * (1 + exposure * np.sin(number / 3))
        found.append(np.clip(exposed + random.normal(0, noise, picture.shape), 0, 255).astype(np.uint8))
    return found


def scenes(frames: int) -> Iterator[Scene]:
    """Yield the films in which flicker is measured."""
    from raycast import room  # the tests'

    width, height = SIZE
    for name in PHOTOS:
        yield Scene(f"{name}, still", filmed([photo(name, *SIZE)] * frames, 5, 0.15), 0)
    for name in PHOTOS:
        for step in (1, 2):
            wide = photo(name, width + step * frames, height)
            views = [wide[:, n * step : n * step + width] for n in range(frames)]
            yield Scene(f"{name}, pan of {step} px a frame", filmed(views, 5, 0.15), step)
    for name, eye in (
        ("room, still", 0.0),
        *((f"room, the camera slides {cm} cm a frame", cm / 100) for cm in (1, 3)),
    ):
        rooms = [room(width, height, eye=n * eye) for n in range(frames)]
        yield Scene(name, filmed([r.picture for r in rooms], 5, 0.15), 0, [r.metres for r in rooms])


def flicker(maps: Sequence[Pixels], step: float) -> float:
    """Return the mean change of a point from frame to frame."""
    import numpy as np

    moved = int(step)
    return float(
        np.mean(
            [
                np.abs(after[:, : after.shape[1] - moved] - before[:, moved:]).mean()
                for before, after in pairwise(maps)
            ]
        )
    )


def error(inverse: Pixels, metres: Pixels) -> float:
    """Return the error of inverse depth against the truth, of its spread, after the best scale and shift."""
    import numpy as np

    truth = 1 / metres
    scale, shift = np.polyfit(inverse.ravel(), truth.ravel(), 1)
    return float(np.abs(scale * inverse + shift - truth).mean() / truth.std())


def steadied(maps: Sequence[Depth]) -> list[Steadied]:
    """Return the maps as the product makes them steady."""
    from depthmap.video import Steady

    steady = Steady()
    return [ready for depth in maps for ready in steady.push(depth)] + list(steady.flush())


def _alone(depth: Depth) -> Pixels:
    low, high = float(depth.values.min()), float(depth.values.max())
    shown: Pixels = (depth.values - low) / (high - low)
    return shown


def _shown(ready: Steadied) -> Pixels:
    low, high = ready.limits
    shown: Pixels = ((ready.depth.inverse_depth - low) / (high - low)).clip(0, 1)
    return shown


def flicker_table(frames: int) -> str:
    """Return the table of flicker."""
    import numpy as np

    from depthmap.estimator import DepthEstimator
    from depthmap.images import Photo

    estimator = DepthEstimator(MODEL, "cpu", pictures=frames)
    rows = []
    for scene in scenes(frames):
        maps = estimator.depths([Photo(frame) for frame in scene.frames], 4)
        ready = steadied(maps)
        alone, steady = (
            flicker([show(one) for one in found], scene.step)
            for show, found in ((_alone, maps), (_shown, ready))
        )
        single, joint = (
            [
                np.mean([error(values, metres) for values, metres in zip(found, scene.metres, strict=True)])
                for found in ([one.values for one in maps], [one.depth.values for one in ready])
            ]
            if scene.metres
            else (None, None)
        )
        of_error = "" if single is None else f"{single:.3f} → {joint:.3f}"
        rows.append((scene.name, f"{alone:.4f}", f"{steady:.4f}", f"{steady / alone:.2f} ×", of_error))
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return table(("film", "flicker, frame by frame", "steady", "ratio", "error against the truth"), *rows)


def _film(path: Path, frames: int) -> Path:
    """Write a film of H.264 that pans to and fro over a photo, with sound."""
    from video.films import write  # the tests'

    width, height = SIZE
    span = 100
    wide = photo(PHOTOS[0], width + span, height)
    places = (abs(n % (2 * span) - span) for n in range(frames))
    return write(path, (wide[:, left : left + width] for left in places), sound=frames / 25)


def _alone_seconds(estimator: DepthEstimator, film: Path) -> float:
    """Return the seconds that the network alone takes for all frames of a film, which are in memory."""
    from depthmap.images import Photo
    from depthmap.video import open_film
    from depthmap.video.stages import in_order

    with open_film(film) as opened:
        photos = [Photo(frame.pixels) for frame in opened.read()]
    batches = (photos[first : first + 4] for first in range(0, len(photos), 4))
    start = time.perf_counter()
    for _ in in_order(lambda batch: estimator.depths(batch, 4), batches, estimator.callers, "alone"):
        pass
    return time.perf_counter() - start


def _made_seconds(estimator: DepthEstimator, film: Path, out: Path, name: str, steady: bool) -> float:
    from depthmap.video import make, open_film, plan

    start = time.perf_counter()
    with open_film(film) as opened:
        make(opened, film, plan(film.stem, out, (name,)), estimator, steady=steady)
    return time.perf_counter() - start


def rate_table(frames: int, rounds: int) -> str:
    """Return the table of frames a second, and which part of those of inference alone that is."""
    from depthmap.engines.cores import callers
    from depthmap.estimator import DepthEstimator

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        film = _film(folder / "in.mp4", frames)
        estimator = DepthEstimator(MODEL, "cpu", pictures=frames, callers=callers())

        def making(name: str, ending: str, steady: bool = True) -> Callable[[], float]:
            return lambda: _made_seconds(estimator, film, folder / f"out{ending}", name, steady)

        ways: dict[str, Callable[[], float]] = {
            "inference alone": lambda: _alone_seconds(estimator, film),
            "`-f colour`": making("colour", ".mp4"),
            "`-f colour --no-steady`": making("colour", ".mp4", False),
            "`-f grey16`": making("grey16", ".mkv"),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                found[name].append(way())
                print(name, f"{frames / found[name][-1]:.1f}", file=sys.stderr, flush=True)
    whole = found["inference alone"]
    rows = []
    for name, seconds in found.items():
        ratio = statistics.median(alone / made for alone, made in zip(whole, seconds, strict=True))
        rows.append((name, f"{frames / statistics.median(seconds):.1f}", f"{ratio:.2f} ×"))
    return table(("way", f"frames a second, by {estimator.engine}", "of inference alone"), *rows)


def peak(film: Path, out: Path) -> int:
    """Return the largest amount of memory, in bytes, that making a film takes."""
    code = (
        "import resource, sys; from depthmap.cli import main; main(['video', *sys.argv[1:], '-q']);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, str(film), "-o", str(out), "--model", MODEL, "--size", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024


def memory_table(frames: int) -> str:
    """Return the table of peaks."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for length in (frames // 20, frames):
            film = _film(folder / f"{length}.mp4", length)
            rows.append((f"{length:,}", f"{peak(film, folder / 'out.mp4') / 1e6:.0f} MB"))
            print(*rows[-1], file=sys.stderr, flush=True)
    return table(("frames of 640 × 360", "peak memory of the process"), *rows)


def main() -> None:
    """Measure, and print or write the table."""
    parser = arguments(__doc__)
    parser.add_argument("what", choices=("flicker", "rate", "memory"))
    parser.add_argument("--frames", type=int, help="by default 60, 300 and 10000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "flicker":
        text = flicker_table(chosen.frames or 60)
    elif chosen.what == "rate":
        text = rate_table(chosen.frames or 300, chosen.rounds)
    else:
        text = memory_table(chosen.frames or 10_000)
    print(text)
    if chosen.page:
        show_in(chosen.page, f"video-{chosen.what}", f"\n{text}\n")


if __name__ == "__main__":
    main()
