"""Folding changes a network's output by rounding only, leaves nothing behind, and keeps float16 within its range."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depthmap import checkpoints, networks
from depthmap.networks.folding import fold, fold_batch_norms, pairs, standardise_weights
from depthmap.networks.resnetv2 import StdConv2d

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


@pytest.mark.parametrize("network", sorted(set(checkpoints.distinct()) - set(CONVOLUTIONAL)))
def test_networks_without_batch_norms_stay_as_they_are(network: str) -> None:
    module = networks.build(network)
    before = set(module.state_dict())
    fold_batch_norms(module)
    assert set(module.state_dict()) == before


def test_standardised_weights_change_rounding_only() -> None:
    module = filled(networks.build("dpt_hybrid"))
    picture = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    names = set(module.state_dict())
    with torch.inference_mode():
        expected = module(picture)
        fold(module)
        output = module(picture)
    assert not [m for m in module.modules() if isinstance(m, StdConv2d)]
    assert set(module.state_dict()) == names
    assert (output - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_a_filter_of_tiny_or_equal_weights_is_finite_in_float16() -> None:
    generator = torch.Generator().manual_seed(0)
    convolution = StdConv2d(16, 3, 3)
    weight = (
        torch.randn(3, 16, 3, 3, generator=generator) * torch.tensor([0.0, 1e-4, 1.0])[:, None, None, None]
    )
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    network = nn.Sequential(convolution)
    picture = torch.randn(1, 16, 8, 8, generator=generator)
    expected = network(picture)
    standardise_weights(network)
    output = network.half()(picture.half()).float()
    assert (output - expected).abs().max() <= 5e-3 * expected.abs().max()
