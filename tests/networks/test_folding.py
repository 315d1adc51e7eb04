"""Folded batch norms change a network's output by rounding only, and leave none behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depthmap import networks
from depthmap.networks.folding import fold_batch_norms, pairs

from .filling import filled

CONVOLUTIONAL = ("midas_small", "midas_v21", "depthmap_tiny")


@pytest.mark.parametrize("network", CONVOLUTIONAL)
def test_every_norm_has_its_convolution_and_folding_changes_rounding_only(network: str) -> None:
    module = filled(networks.build(network))
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
