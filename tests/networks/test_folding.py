"""Folded batch norms change a network's output by rounding only, and leave none behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depthmap import networks
from depthmap.networks.folding import fold_batch_norms, pairs

CONVOLUTIONAL = ("midas_small", "midas_v21", "depthmap_tiny")


def filled(network: str) -> nn.Module:
    """Return the network with random numbers, and norms that do something."""
    module = networks.build(network).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            fan = tensor[0].numel() if tensor.ndim > 1 else 1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * fan**-0.5)
        if name.endswith(("running_var", "bn1.weight")):
            tensor.abs_().add_(0.5)
    return module


@pytest.mark.parametrize("network", CONVOLUTIONAL)
def test_every_norm_has_its_convolution_and_folding_changes_rounding_only(network: str) -> None:
    module = filled(network)
    picture = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(list(pairs(module))) == len(norms) > 0
    assert all(c.out_channels == n.num_features for c, n in pairs(module))
    with torch.inference_mode():
        expected = module(picture)
        fold_batch_norms(module)
        output = module(picture)
    assert not [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert (output - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("network", sorted(set(networks.NETWORKS) - set(CONVOLUTIONAL)))
def test_networks_without_batch_norms_stay_as_they_are(network: str) -> None:
    module = networks.build(network)
    before = set(module.state_dict())
    fold_batch_norms(module)
    assert set(module.state_dict()) == before
