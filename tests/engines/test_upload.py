"""A network is moved piece by piece, and is then what torch's own way would have made of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depthmap import networks
from depthmap.engines import upload as module
from depthmap.engines.upload import upload

CPU = torch.device("cpu")


def network() -> nn.Module:
    """Return a small network with a counter, tied weights, a scalar, and tensors in odd orders."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(7, 7), nn.Linear(7, 7))
    made[3].weight = made[2].weight
    made.register_buffer("scale", torch.tensor(3.0))
    made.register_buffer("nothing", torch.empty(0))
    made.register_parameter("turned", nn.Parameter(torch.randn(5, 4).t(), requires_grad=False))
    made.to(memory_format=torch.channels_last)
    return made


@pytest.mark.parametrize("piece", [1, 7, 50, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_result_is_that_of_torch_s_own_way(
    piece: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PIECE", piece)
    expected = network().to(CPU, dtype)
    found = upload(network(), CPU, dtype)
    ours, theirs = found.state_dict(), expected.state_dict()
    assert list(ours) == list(theirs)
    assert all(ours[name].dtype == theirs[name].dtype for name in ours)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert {n: p.requires_grad for n, p in found.named_parameters()} == {
        n: p.requires_grad for n, p in expected.named_parameters()
    }


def test_what_modules_share_stays_shared() -> None:
    found = upload(network(), CPU, torch.float16)
    assert found[2].weight is found[3].weight  # type: ignore[index]  # a Sequential


def test_the_mapped_tensors_are_left_as_they_were() -> None:
    original = network()
    mapped = [(tensor, tensor.detach().clone()) for tensor in original.parameters()]
    with torch.no_grad():
        for parameter in upload(original, CPU, torch.float32).parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before) for tensor, before in mapped)


def test_the_embedded_network_predicts_the_same_after_it() -> None:
    generator = torch.Generator().manual_seed(0)
    plain = networks.build("depthmap_tiny").to_empty(device="cpu")
    for tensor in plain.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.1)
    picture = torch.rand(1, 3, 64, 96, generator=generator)
    with torch.inference_mode():
        expected = plain(picture)
        assert torch.equal(upload(plain, CPU, torch.float32)(picture), expected)
