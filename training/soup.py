"""The mean of the weights of several runs: ``python -m training.soup RUN/ema.pt OTHER/ema.pt --out FILE``.

Wortsman et al., "Model soups", ICML 2022: runs of which one went on from the other lie in one valley, and their mean
does better on pictures unlike those trained on than either end.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from . import network

State = Mapping[str, Tensor]
SILENT = tuple(name.removesuffix("weight").replace(".norm.", ".") for name in network.SILENT)
"""Layers that keep the half resolution and the transformer silent where they are 0; the norms are folded by now."""


def mean(states: Sequence[State]) -> dict[str, Tensor]:
    """Return the mean of flat state dicts, in the order of the first, which has every tensor.

    An earlier network may lack the transformer or the half resolution. It counts as one where these change nothing.
    """
    first = states[0]
    if strange := {name for state in states for name in state} - first.keys():
        raise ValueError(f"the first state lacks {', '.join(sorted(strange))}")
    return {
        name: torch.stack([_of(state, name, tensor) for state in states]).mean(0)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in first.items()
    }


def _of(state: State, name: str, tensor: Tensor) -> Tensor:
    """Return the tensor of a state in float32, or what stands for it: ``tensor``, or 0 where that keeps it silent."""
    absent = torch.zeros_like(tensor) if any(layer in name for layer in SILENT) else tensor
    return state.get(name, absent).float()


def main() -> None:
    """Read the command line and write the mean."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, nargs="+", help="averaged weights of runs, the newest first")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.save(mean([torch.load(path, weights_only=True) for path in options.weights]), options.out)


if __name__ == "__main__":
    main()
