"""What the repair of a damaged file costs, beside a full download.

    python benchmarks/repair.py [--model DPT_Large] [--flips 1 10 100] [--page docs/reliability.md]

A stand-in of the published checkpoint (its size and layout, synthetic numbers) is cached as ``.pt`` and ``.h5``.
Bytes of the ``.pt`` at random places (fixed seed) are changed, and `ModelCache.repair` mends it: once with the intact
``.h5`` beside it, once without, from an HTTP server on loopback that takes ranges. The server counts what it sends;
what is there afterwards is compared with the published file, byte for byte.
"""

from __future__ import annotations

import filecmp
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common import CountingServer, arguments, need_room, prepare, show_in, table, use

SEED = 0


def change(path: Path, count: int) -> None:
    """Change so many bytes of a file, at places that the seed gives."""
    places = random.Random(SEED).sample(range(path.stat().st_size), count)
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 0xFF]))


def repaired(model: str, server: CountingServer, flips: int) -> tuple[int, float]:
    """Damage the cached .pt and repair it; return the bytes that the server sent, and the seconds."""
    from depthmap.cache import ModelCache

    cache = ModelCache()
    path = cache.shelf.cached(model.lower())["pt"]
    change(path, flips)
    server.sent = 0
    start = time.perf_counter()
    cache.repair(model)
    seconds = time.perf_counter() - start
    if not filecmp.cmp(path, server.path, shallow=False):
        raise SystemExit(f"{path} is not the published file after its repair")
    return server.sent, seconds


def downloaded(model: str, folder: Path, server: CountingServer) -> tuple[int, float]:
    """Download the .pt into an empty cache; return the bytes that the server sent, and the seconds."""
    from depthmap.cache import ModelCache

    server.sent = 0
    start = time.perf_counter()
    ModelCache(folder / "empty").download(model, ("pt",))
    return server.sent, time.perf_counter() - start


def rows(model: str, folder: Path, server: CountingServer, flips: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the table's rows, its head first."""
    from depthmap.cache import ModelCache

    full, taken = downloaded(model, folder, server)
    beside = {count: repaired(model, server, count) for count in flips}
    ModelCache().shelf.cached(model.lower())["h5"].unlink()
    alone = {count: repaired(model, server, count) for count in flips}
    head = ("bytes changed", "fetched, `.h5` intact", "fetched, no `.h5`", "a full download", "ratio")
    return [
        head,
        *(
            (
                f"{count}",
                cost(*beside[count]),
                cost(*alone[count]),
                cost(full, taken),
                f"{full / alone[count][0]:,.0f} ×",
            )
            for count in flips
        ),
    ]


def cost(fetched: int, taken: float) -> str:
    """Return bytes and seconds as the table has them."""
    return f"{fetched:,} bytes, {taken:.1f} s"


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--model", default="DPT_Large")
    parser.add_argument("--flips", type=int, nargs="+", default=(1, 10, 100))
    parser.add_argument("--page", type=Path, help="put the table between the markers of this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        need_room(folder, options.model, 6)
        server = CountingServer(prepare(folder, options.model))
        use(folder, mirror=server.url)
        text = table(*rows(options.model, folder, server, options.flips))
    print(text)
    if options.page:
        show_in(options.page, "repair", text)


if __name__ == "__main__":
    main()
