"""Write weights as they ship: ``python -m training.export --weights training/runs/NAME/ema.pt``.

Weights become float16, all else (norms, biases) stays float32: half the size, and the statistics of
the norms keep their range. The file is torch's zip format, stored, so that it can be mapped in place.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from depthmap.catalog import EMBEDDED
from depthmap.networks import build, fill_in_float32

from .evaluate import SHIPPED

LIMIT = 9_900_000
"""Bytes that the weights may take; the package may spend 10 MB on the model, and a graph shall fit too."""


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict with weights as float16, in the network's order, contiguous."""
    return {k: (v.half() if v.ndim >= 2 else v).contiguous() for k, v in state.items()}


def parameters(state: Mapping[str, Tensor]) -> int:
    """Return how many parameters the network has; running statistics are none."""
    network = build(EMBEDDED.network)
    fill_in_float32(network, state)
    return sum(p.numel() for p in network.parameters())


def export(weights: Path, out: Path) -> str:
    """Write averaged weights as they ship, and return what the catalogue has to say of the file."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    staged = out.with_suffix(".part")
    torch.save(halved(state), staged)
    size, digest = staged.stat().st_size, hashlib.sha256(staged.read_bytes()).hexdigest()
    if size > LIMIT:
        staged.unlink()
        raise SystemExit(f"{size} bytes are more than {LIMIT}")
    staged.replace(out)
    return f"parameters={parameters(state):_}, bytes={size:_}, sha256={digest!r}"


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True, help="the averaged weights of a run")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    print(export(options.weights, options.out))


if __name__ == "__main__":
    main()
