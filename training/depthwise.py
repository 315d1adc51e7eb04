"""Depthwise convolution whose gradients are quick on a CPU.

oneDNN (3.12, in torch 2.13) has slow kernels for two of them: the gradient of a strided one's input (77 ms instead of 3
for 96 channels of 96×128, a batch of 16, in bfloat16), and that of the weights in bfloat16 (33 ms instead of 12 for a
5×5 of 240 channels at 24×32).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        weight = weight.to(x.dtype)
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias.to(x.dtype), stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            _of_input(gradient, x, weight, ctx.stride, ctx.padding) if of_x else None,
            _of_weight(gradient, x, weight, ctx.stride, ctx.padding) if of_weight else None,
            gradient.sum((0, 2, 3), dtype=torch.float32) if of_bias else None,
            None,
            None,
        )


def _of_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve the gradient, its pixels apart by the stride, with the kernel turned by 180 degrees."""
    last = weight.shape[2] - 1
    if stride > 1:
        sides = [side + 2 * padding - last for side in x.shape[2:]]
        apart = torch.empty(
            (*gradient.shape[:2], *sides),
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        ).zero_()
        apart[:, :, ::stride, ::stride] = gradient
        gradient = apart
    return F.conv2d(gradient, weight.flip(2, 3), None, 1, last - padding, groups=len(weight))


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Ask torch, in float32 on a CPU; returns float32, as the weights are."""
    if x.device.type == "cpu":
        gradient, x = gradient.float(), x.float()
    result: Tensor = conv2d_weight(x, weight.shape, gradient, stride, padding, groups=len(weight))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return result.float()


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve each channel of (N, C, H, W) with its own kernel of (C, 1, K, K); as ``F.conv2d`` with C groups.

    Computes in the floating type of ``x``; weight and bias are float32, and so are their gradients.
    """
    result: Tensor = _Depthwise.apply(x, weight, bias, stride, padding)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return result
