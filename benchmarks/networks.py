"""What each network costs, and Depth Anything V2 against the pipeline of transformers.

    python -m benchmarks.networks table [MODEL ...] [--rounds 3] [--page docs/performance.md]
    python -m benchmarks.networks pipeline [--rounds 10] [--page docs/performance.md]

``table`` measures models of the catalogue, by default one of each network, each with random numbers of its layout, by
ONNX Runtime, without compiling: the command ``depthmap predict`` as a process, then pictures one after another in one
process.
``pipeline`` gives both programs the same weights and a square photo, which both show the network at 518 × 518, and
lets them take turns. The model is compiled; the further pictures are said to be many.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import machine, page_cache
from .bench import clean
from .common import arguments, show_in, table
from .environment import Environment, peers
from .material import photo
from .memory import anonymous
from .processes import Process, until_end, until_line
from .series import alternate
from .ways import MANY, SCRIPTS

PHOTO = machine.ROOT / "examples" / "china.jpg"
"""640 × 427 pixels."""
ENGINE = "onnxruntime"
SMALL = "DepthAnythingV2_Small"
_MINE = "mine"
_SPREAD = 0.02


def random_file(folder: Path, network: str) -> Path:
    """Write random numbers under the names of a network's tensors; return the file."""
    import numpy as np

    from depthmap import formats
    from depthmap.checkpoints import expected
    from depthmap.formats.arrays import Array

    chosen = np.random.default_rng(0)

    def numbers(name: str, dtype: str, shape: tuple[int, ...]) -> Array:
        if dtype != "float32":  # counters of batches
            return Array(dtype, np.zeros(shape, dtype))
        if name.endswith("running_var"):
            return Array(dtype, np.ones(shape, np.float32))
        return Array(dtype, chosen.standard_normal(shape, np.float32) * np.float32(_SPREAD))

    path = folder / "random.safetensors"
    tensors = {name: numbers(name, *kind) for name, kind in expected(network).tensors.items()}
    formats.get("safetensors").save(tensors, path)
    return path


def cached(folder: Path, network: str, source: Path) -> dict[str, str]:
    """Import a file into a cache of its own; return the environment in which a process finds it."""
    from depthmap.cache import ModelCache

    cache = ModelCache(folder / "cache")
    cache.import_file(source, _MINE, ("pt",), network=network)
    page_cache.warm(tuple((folder / "cache").glob("*.pt")))
    return clean() | {"DEPTHMAP_CACHE_DIR": str(folder / "cache"), "DEPTHMAP_OFFLINE": "1"}


def _order(picture: Path = PHOTO, pictures: int = 1, engine: str = ENGINE) -> list[str]:
    keys = {"model": _MINE, "engine": engine, "used": engine, "pictures": pictures, "photo": picture}
    return [sys.executable, str(SCRIPTS / "estimator.py"), *(f"{k}={v}" for k, v in keys.items())]


def _steps(command: list[str]) -> list[str]:
    return [*command[:2], "steps", *command[2:]]


def costs(model: str, rounds: int) -> tuple[object, ...]:
    """Return a row of the table."""
    from depthmap import CATALOG

    spec = CATALOG[model.lower()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = cached(folder, spec.network, random_file(folder, spec.network))
        program = str(Path(sys.executable).with_name("depthmap"))
        command = [
            program,
            "predict",
            str(PHOTO),
            "--model",
            _MINE,
            "--engine",
            ENGINE,
            "-o",
            str(folder / "out"),
        ]
        first = statistics.median(until_end(command, environment) for _ in range(rounds))
        with Process(_steps(_order()), environment) as process:
            process.line()
            process.step("keep")
            process.step("depth")
            seconds = statistics.median(process.step("depth") for _ in range(rounds))
            memory = anonymous(process.pid)
    return (
        model,
        f"{(spec.bytes or 4 * spec.parameters) / 1e6:,.0f} MB",
        f"{first:.2f} s",
        f"{1 / seconds:.2f}",
        f"{memory / 1e6:,.0f} MB",
    )


def one_of_each() -> list[str]:
    """Return the first model of each network; the others, which have other numbers in it, cost the same."""
    from depthmap import CATALOG
    from depthmap.checkpoints import alike

    first: dict[str, str] = {}
    for spec in CATALOG.values():
        first.setdefault(alike(spec.network)[0], spec.name)
    return list(first.values())


def costs_table(models: list[str], rounds: int) -> str:
    """Return the table."""
    rows = []
    for model in models:
        rows.append(costs(model, rounds))
        print(*rows[-1], file=sys.stderr, flush=True)
    return table(("model", "file", "first depth", "pictures a second", "memory of its own"), *rows)


def against_pipeline(there: Environment, rounds: int) -> str:
    """Return the table of depthmap against transformers, both with the same weights."""
    from depthmap import CATALOG, ModelCache
    from depthmap.engines import installed, order

    fastest = next(name for name in order(MANY) if name in {engine.name for engine in installed()})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        theirs = folder / "transformers"
        machine_environment = clean() | {"HF_HUB_OFFLINE": "1"}
        until_end([there.python, str(SCRIPTS / "save_depth_anything.py"), str(theirs)], machine_environment)
        weights = theirs / "model.safetensors"
        own = cached(folder, CATALOG[SMALL.lower()].network, weights)
        ModelCache(folder / "cache").compile(_MINE)
        square = photo(folder)
        page_cache.warm((weights,))
        peer = [there.python, str(SCRIPTS / "pipeline.py"), f"folder={theirs}", f"photo={square}"]
        ways: Mapping[str, tuple[list[str], dict[str, str]]] = {
            "depthmap": (_order(square), own),
            "transformers": (peer, machine_environment),
        }
        first = alternate(
            {
                name: lambda c=[*c[:2], "depth", *c[2:]], e=e: until_line(c, e)  # type: ignore[misc]  # defaults bind now
                for name, (c, e) in ways.items()
            },
            rounds,
        )
        with (
            Process(_steps(_order(square, MANY, fastest)), own) as one,
            Process(_steps(peer), machine_environment) as other,
        ):
            for process in (one, other):
                process.line()
                process.step("keep")
                process.step("depth")
            steady = alternate(
                {"depthmap": lambda: one.step("depth"), "transformers": lambda: other.step("depth")}, rounds
            )
    rows = []
    for what, found in (("first depth of a fresh process", first), ("a further picture", steady)):
        medians = {name: statistics.median(values) for name, values in found.items()}
        ratio = statistics.median(
            t / d for d, t in zip(found["depthmap"], found["transformers"], strict=True)
        )
        rows.append(
            (what, f"{medians['depthmap']:.2f} s", f"{medians['transformers']:.2f} s", f"{ratio:.1f} ×")
        )
    return table(("", "depthmap", "`transformers.pipeline`", "sooner"), *rows)


def main() -> None:
    """Measure, and print or write the table."""
    parser = arguments(__doc__)
    parser.add_argument("what", choices=("table", "pipeline"))
    parser.add_argument("models", nargs="*", metavar="MODEL", help="by default one of each network")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    models = chosen.models or one_of_each()
    text = (
        costs_table(models, chosen.rounds)
        if chosen.what == "table"
        else against_pipeline(peers(), chosen.rounds)
    )
    print(text)
    if chosen.page:
        show_in(chosen.page, f"networks-{chosen.what}", f"\n{text}\n")


if __name__ == "__main__":
    main()
