"""The network in training, the schedule, and the file that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training.config import Config

from depthmap.catalog import EMBEDDED
from depthmap.networks import build, expected_shapes, fill
from training import export, network, train


def random_state() -> dict[str, Tensor]:
    """Weights of about the size of trained ones; none of ImageNet's, which the tests need not have."""
    generator = torch.Generator().manual_seed(2)
    state = {}
    for name, shape in expected_shapes(EMBEDDED.network).items():
        fan_in = float(np.prod(shape[1:])) if len(shape) == 4 else 1.0
        values = torch.randn(shape, generator=generator)
        state[name] = values * (2 / fan_in) ** 0.5 if len(shape) == 4 else 0.5 + 0.2 * values.abs()
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
    return state


@pytest.fixture
def filled() -> nn.Module:
    module = build(EMBEDDED.network)
    fill(module, random_state())
    return module


def test_training_arithmetic_is_the_networks(filled: nn.Module) -> None:
    """Norms folded into convolutions change nothing but rounding and the sign below zero."""
    pictures = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    names = list(filled.state_dict())
    with torch.no_grad():
        expected = filled(pictures)
        network.make_trainable(filled)
        found = filled(pictures.contiguous(memory_format=torch.channels_last))
    assert expected.max() > 0
    assert torch.allclose(found.clamp(min=0), expected, atol=1e-4 * float(expected.max()), rtol=1e-4)
    assert list(filled.state_dict()) == names


def test_every_batch_norm_has_its_convolution(filled: nn.Module) -> None:
    pairs = list(network.batch_norm_pairs(filled))
    assert len(pairs) == sum(isinstance(m, nn.BatchNorm2d) for m in filled.modules())
    assert all(convolution.out_channels == norm.num_features for convolution, norm in pairs)


def test_the_optimiser_holds_every_parameter_but_the_first_layers_once(filled: nn.Module) -> None:
    groups = train.parameter_groups(filled, Config())
    held = [id(p) for group in groups for p in group["params"]]
    first = {id(p) for p in filled.get_submodule("pretrained.layer1").parameters()}
    assert len(held) == len(set(held))
    assert set(held) | first == {id(p) for p in filled.parameters()}
    assert not set(held) & first


def test_the_rate_rises_and_falls() -> None:
    factors = [train.rate_factor(p, warm_up=0.1) for p in np.linspace(0, 1, 101)]
    assert max(factors) == factors[10] == pytest.approx(1)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] <= 0.011


def test_stages_cover_the_whole_run() -> None:
    stages = Config().stages
    assert [s.until for s in stages] == sorted(s.until for s in stages)
    assert Config().stage(0.0) is stages[0]
    assert Config().stage(1.0) is stages[-1]


def test_the_average_follows_the_network(filled: nn.Module) -> None:
    average = train.Average(filled, decay=0.5)
    name = "scratch.output_conv.4.bias"
    with torch.no_grad():
        filled.get_parameter(name).add_(1)
    before = average.state[name].clone()
    average.update(step=1000)
    assert torch.allclose(average.state[name], before + 0.5)


def test_an_export_is_half_the_size_and_predicts_the_same(filled: nn.Module, tmp_path: Path) -> None:
    state = random_state()
    path = tmp_path / "weights.pt"
    torch.save(export.halved(state), path)
    assert path.stat().st_size < export.LIMIT
    shipped = torch.load(path, weights_only=True)
    assert {k: v.dtype for k, v in shipped.items() if v.ndim == 1}.keys() == {
        k for k, v in state.items() if v.ndim == 1
    }
    assert all(v.dtype == (torch.float16 if v.ndim == 4 else state[k].dtype) for k, v in shipped.items())
    again = build(EMBEDDED.network)
    fill(again, {k: v.float() if v.is_floating_point() else v for k, v in shipped.items()})
    pictures = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected, found = filled(pictures), again(pictures)
    assert (found - expected).abs().max() < 0.02 * expected.max()
    assert export.parameters(shipped) < 5_000_000
