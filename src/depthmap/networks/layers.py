"""The layers that all networks are made of: torch's own, without memory and without random numbers.

A network is built on the meta device and then filled with the tensors of a checkpoint, so whatever torch's
constructors would write into the parameters would be thrown away; for a network of 300 million of them that
costs seconds. To train one from nothing, call ``module.to_empty(device=...)`` and initialise it yourself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Module = TypeVar("Module", bound=nn.Module)


class Conv2d(nn.Conv2d):
    """A 2-D convolution on the meta device."""

    def __init__(self, inputs: int, outputs: int, kernel: int, **options: Any) -> None:
        super().__init__(inputs, outputs, kernel, device="meta", **options)

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed 2-D convolution on the meta device."""

    def __init__(self, inputs: int, outputs: int, kernel: int, **options: Any) -> None:
        super().__init__(inputs, outputs, kernel, device="meta", **options)

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


class Linear(nn.Linear):
    """A linear layer on the meta device."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias, device="meta")

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


class LayerNorm(nn.LayerNorm):
    """A layer normalisation on the meta device."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(channels, eps=eps, device="meta")

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


class GroupNorm(nn.GroupNorm):
    """A group normalisation on the meta device."""

    def __init__(self, groups: int, channels: int, eps: float) -> None:
        super().__init__(groups, channels, eps=eps, device="meta")

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


class BatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation on the meta device."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(channels, eps=eps, device="meta")

    def reset_parameters(self) -> None:
        """Leave the parameters and the running statistics as they are."""


class BatchNorm1d(nn.BatchNorm1d):
    """A batch normalisation of tokens, on the meta device."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(channels, eps=eps, device="meta")

    def reset_parameters(self) -> None:
        """Leave the parameters and the running statistics as they are."""


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding (before, after) of one axis whose length is a multiple of ``stride``.

    Where the total is odd, TensorFlow puts the larger half after. Inputs are multiples of 32 and no network
    divides them further, so the padding does not depend on the size, which keeps the graph static for export.
    """
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


class SameConv2d(Conv2d):
    """A convolution with TensorFlow's SAME padding, for sides that are multiples of the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, **options: Any) -> None:
        before, after = same_padding(kernel, stride)
        even = before == after
        super().__init__(inputs, outputs, kernel, stride=stride, padding=before if even else 0, **options)
        self.border = () if even else (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C', H / stride, W / stride)."""
        return super().forward(F.pad(x, self.border) if self.border else x)


class Pyramid(nn.Module):
    """An encoder of four stages: the first quarters the resolution, each other halves it."""

    def __init__(self, layer1: nn.Module, layer2: nn.Module, layer3: nn.Module, layer4: nn.Module) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3, self.layer4 = layer1, layer2, layer3, layer4

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode pictures (N, 3, H, W) to features at 1/4, 1/8, 1/16 and 1/32 of H and W."""
        return self._with_coarser(self.layer1(x))

    def _with_coarser(self, quarter: Tensor) -> tuple[Tensor, ...]:
        eighth = self.layer2(quarter)
        sixteenth = self.layer3(eighth)
        return quarter, eighth, sixteenth, self.layer4(sixteenth)


class FinePyramid(Pyramid):
    """A pyramid that hands on the features at half the resolution, too: all but the last part of its first stage."""

    layer1: nn.Sequential

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode pictures (N, 3, H, W) to features at 1/2, 1/4, 1/8, 1/16 and 1/32 of H and W."""
        *first, last = self.layer1
        for part in first:
            x = part(x)
        return x, *self._with_coarser(last(x))


def empty_parameter(*shape: int) -> nn.Parameter:
    """Return a parameter on the meta device."""
    return nn.Parameter(torch.empty(shape, device="meta"))


def alike(module: Module, count: int) -> Iterator[Module]:
    """Yield ``module``, and ``count`` - 1 more on the meta device that are like it.

    A deep network repeats its blocks, and torch's constructors take five times as long as this.
    """
    if count:
        yield module
    for _ in range(count - 1):
        yield _like(module)


def _like(module: Module) -> Module:
    """Return a copy with parameters and buffers of its own."""
    copy = module.__new__(type(module))
    own = {key: v.copy() if type(v) in _CONTAINERS else v for key, v in module.__dict__.items()}
    own["_parameters"] = {name: _another(p) for name, p in module._parameters.items()}
    own["_buffers"] = {name: b if b is None else b.detach() for name, b in module._buffers.items()}
    own["_modules"] = {name: m if m is None else _like(m) for name, m in module._modules.items()}
    copy.__dict__.update(own)
    return copy


_CONTAINERS = frozenset((dict, OrderedDict, set, list))
"""What torch keeps hooks in, and what else a module calls its own."""


def _another(parameter: nn.Parameter | None) -> nn.Parameter | None:
    return None if parameter is None else nn.Parameter(parameter.detach(), parameter.requires_grad)
