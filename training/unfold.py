"""A state to go on from, made of weights as they ship: ``python -m training.unfold --data FOLDER --out STATE.pt``.

What ships has the decoder's norms folded into its convolutions. Here they are put back with the statistics of some
training pictures, so that the maps stay what they are; a run with ``--start STATE.pt`` goes on from there, with a
fresh optimiser.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from depthmap.catalog import EMBEDDED
from depthmap.networks import build, fill_in_float32

from .config import HUGE, Config, Stage
from .data import Sampler, read_sources
from .evaluate import SHIPPED
from .network import normed


@torch.no_grad()
def unfolded(weights: Mapping[str, Tensor], batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """Return the state of the network in training whose maps are those of ``weights``, a flat state dict.

    ``batches`` are normalised pictures (N, 3, H, W), float32: the norms get the statistics of what they see of them.
    """
    network = build(EMBEDDED.network)
    fill_in_float32(network, weights)
    state: dict[str, Tensor] = network.state_dict()
    norms: dict[str, nn.BatchNorm2d] = {}
    for name, module in network.get_submodule("scratch").named_modules():
        if normed(name, module):
            assert isinstance(module, nn.Conv2d)
            norms[f"scratch.{name}"] = norm = nn.BatchNorm2d(module.out_channels, momentum=None)
            module.register_forward_hook(partial(_watch, norm))
    for pictures in batches:
        network(pictures)
    for name, norm in norms.items():
        mean, variance, bias = norm.running_mean, norm.running_var, state[f"{name}.bias"]
        assert mean is not None
        assert variance is not None
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.copy_(mean)
        mean -= bias  # the norm takes the bias's place
        state |= {f"{name}.norm.{key}": tensor for key, tensor in norm.state_dict().items()}
        state[f"{name}.bias"] = torch.zeros_like(bias)
    return state


def _watch(norm: nn.BatchNorm2d, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
    norm(output)


def main() -> None:
    """Read the command line and write the state."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="default: what is shipped")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batches", type=int, default=20, help="how many the statistics are of")
    options = parser.parse_args()
    config = Config()
    sampler = Sampler(read_sources(options.data / "train"), config.shares, config.seed)
    stage = Stage(options.batches, HUGE, narrowest=0.75)
    batches = (sampler.batch(step, stage).pictures for step in range(options.batches))
    torch.save({"network": unfolded(torch.load(options.weights, weights_only=True), batches)}, options.out)


if __name__ == "__main__":
    main()
