"""Folding changes a network's output by rounding only, leaves nothing behind, and keeps float16 within its range."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depthmap import checkpoints, networks
from depthmap.networks.folding import NORMS, fold, fold_batch_norms, pairs, standardise_weights
from depthmap.networks.resnetv2 import StdConv2d

from .filling import filled

SIZES = {
    "midas_small": (64, 96),
    "midas_v21": (64, 96),
    "depthmap_tiny": (64, 96),
    "dpt_levit_224": (224, 224),
}
"""The networks that have batch norms, and a size that they take."""


@pytest.mark.parametrize("network", SIZES)
def test_every_norm_has_its_convolution_and_folding_changes_rounding_only(network: str) -> None:
    module = filled(networks.build(network))
    picture = torch.randn(1, 3, *SIZES[network], generator=torch.Generator().manual_seed(1))
    norms = [m for m in module.modules() if isinstance(m, NORMS)]
    assert [norm for _, norm in pairs(module)] == norms
    assert len({layer for layer, _ in pairs(module)}) == len(norms) > 0
    with torch.inference_mode():
        expected = module(picture)
        fold_batch_norms(module)
        output = module(picture)
    assert not [m for m in module.modules() if isinstance(m, NORMS)]
    assert (output - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("network", sorted(set(checkpoints.distinct()) - set(SIZES)))
def test_networks_without_batch_norms_stay_as_they_are(network: str) -> None:
    module = networks.build(network)
    before = set(module.state_dict())
    fold_batch_norms(module)
    assert set(module.state_dict()) == before


def test_a_norm_is_folded_into_no_layer_but_the_one_right_before_it() -> None:
    """A part without weights that is run between them, or a layer of other channels, keeps them apart."""
    between = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    grouped = nn.Sequential(nn.ConvTranspose2d(4, 8, 2, groups=2), nn.BatchNorm2d(8))
    network = filled(nn.ModuleList([nn.Conv2d(3, 4, 1), between, grouped])).eval()
    x = torch.randn(1, 4, 6, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = [network[n](x) for n in (1, 2)]
        fold_batch_norms(network)
        assert all(torch.equal(network[n](x), expected[n - 1]) for n in (1, 2))
    assert list(pairs(network)) == []


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
