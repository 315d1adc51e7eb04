"""How long DPT_Large takes to be ready, and what memory that costs: ours beside the usual ways.

    python benchmarks/load.py [--model DPT_Large] [--rounds 5] [--json FILE]

A stand-in of the published checkpoint (same layout, synthetic numbers) is made in a temporary folder. Every way runs
in one process after all imports, in turn (A B C D, A B C D, ...), so that the machine's noise meets all of them; the
medians and their ratios to our ``.pt`` are printed. What is private memory is measured once more per way, each in a
fresh process.

Ways: ours from ``.pt`` and ``.h5`` (as `depthmap.load` does it: stamp checked, network built on the meta device,
tensors mapped); torch.hub's, step by step from public calls: build with random numbers, ``torch.load``,
``load_state_dict``; safetensors: meta device, ``load_file``, ``load_state_dict(assign=True)``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import arguments, need_room, prepare, use

WAYS = ("depthmap .pt", "depthmap .h5", "torch.hub's way", "safetensors + meta")


def prepare_all(folder: Path, model: str) -> None:
    """Make the published file, the cache that has it, and the safetensors file."""
    from safetensors.torch import save_file

    from depthmap import formats

    published = prepare(folder, model)
    save_file({k: v.clone() for k, v in formats.load(published).items()}, folder / "model.safetensors")


def ways(folder: Path, model: str) -> dict[str, Callable[[], Any]]:
    """Return each way as a function that gives a ready network; everything is imported here."""
    import h5py  # noqa: F401 - the clocks start after the imports
    import safetensors.torch
    import torch

    from depthmap import loader, networks
    from depthmap.cache import ModelCache

    caches = {"pt": folder / "pt", "h5": folder / "h5"}
    network = ModelCache().spec(model).network
    published = next(folder.glob("*.pt"))

    def ours(format: str) -> Callable[[], Any]:
        return lambda: loader.load(model, ModelCache(caches[format])).network

    def hub() -> Any:
        net = randomly_initialised(networks.build(network))
        net.load_state_dict(torch.load(published, map_location="cpu"), strict=False)
        return net.eval()

    def safe() -> Any:
        net = networks.build(network)
        state = safetensors.torch.load_file(folder / "model.safetensors")
        net.load_state_dict({name: state[name] for name in net.state_dict()}, assign=True)
        return net

    return dict(zip(WAYS, (ours("pt"), ours("h5"), hub, safe), strict=True))


def randomly_initialised(network: Any) -> Any:
    """Give a network memory and the random numbers with which torch's layers begin."""
    from torch import nn

    network = network.to_empty(device="cpu")
    for module in network.modules():
        for kind in (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.LayerNorm, nn.BatchNorm2d, nn.GroupNorm):
            if isinstance(module, kind):
                kind.reset_parameters(module)
    return network


def split_caches(folder: Path, model: str) -> None:
    """Make one cache that has only the .pt and one that has only the .h5, by hard links."""
    from depthmap.cache import ModelCache

    whole = ModelCache(folder / "cache")
    for format in ("pt", "h5"):
        cache = ModelCache(folder / format)
        cache.cache_dir.mkdir()
        for kind, path in whole.shelf.cached(model.lower()).items():
            if kind in (format, "pkl"):
                os.link(path, cache.cache_dir / path.name)


def private_growth(folder: Path, model: str, way: str) -> float:
    """Return by how many MB private memory grows in a fresh process that loads the network in one way."""
    done = subprocess.run(
        [sys.executable, __file__, "--model", model, "--private", way, "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def private_memory() -> float:
    """Return the process's private memory in MB (Linux)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def measure(folder: Path, model: str, rounds: int) -> dict[str, Any]:
    """Return medians in ms, ratios and private memory by way."""
    functions = ways(folder, model)
    times: dict[str, list[float]] = {way: [] for way in functions}
    for number in range(rounds + 1):
        for way, function in functions.items():
            start = time.perf_counter()
            network = function()
            seconds = time.perf_counter() - start
            del network
            if number:  # the first round warms the page cache
                times[way].append(seconds * 1000)
    medians = {way: statistics.median(values) for way, values in times.items()}
    return {
        way: {
            "median_ms": round(median, 1),
            "min_ms": round(min(times[way]), 1),
            "max_ms": round(max(times[way]), 1),
            "ratio": round(median / medians[WAYS[0]], 1),
            "private_mb": round(private_growth(folder, model, way)),
        }
        for way, median in medians.items()
    }


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--model", default="DPT_Large")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--private", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.private:
        use(options.folder)
        function = ways(options.folder, options.model)[options.private]
        before = private_memory()
        network = function()
        print(private_memory() - before, flush=True)
        del network
        return
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        need_room(folder, options.model, 5)
        prepare_all(folder, options.model)
        split_caches(folder, options.model)
        table = measure(folder, options.model, options.rounds)
    print(
        f"{options.model} to ready network, warm, after imports; {platform.machine()}, {os.cpu_count()} cores"
    )
    print(f"{'way':20s} {'median':>9s} {'min':>9s} {'max':>9s} {'ratio':>7s} {'private memory':>15s}")
    for way, row in table.items():
        print(
            f"{way:20s} {row['median_ms']:6.0f} ms {row['min_ms']:6.0f} ms {row['max_ms']:6.0f} ms "
            f"{row['ratio']:6.1f}x {row['private_mb']:12d} MB"
        )
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
