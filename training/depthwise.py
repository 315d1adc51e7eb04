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
    if stride > 1:
        n, c, h, w = gradient.shape
        apart = gradient.new_zeros(n, c, (h - 1) * stride + 1, (w - 1) * stride + 1).contiguous(
            memory_format=torch.channels_last
        )
        apart[:, :, ::stride, ::stride] = gradient
        gradient = apart
    margin = weight.shape[2] - 1 - padding
    missing = [x.shape[d] - gradient.shape[d] - 2 * margin + weight.shape[d] - 1 for d in (3, 2)]
    if any(missing):
        gradient = F.pad(gradient, (0, missing[0], 0, missing[1]))
    return F.conv2d(gradient, weight.flip(2, 3), None, 1, margin, groups=len(weight))


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Ask torch, in float32 on a CPU; returns float32, as the weights are."""
    if x.device.type == "cpu":
        gradient, x, weight = gradient.float(), x.float(), weight.float()
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient,
        x,
        weight,
        None,
        [stride] * 2,
        [padding] * 2,
        [1, 1],
        False,
        [0, 0],
        len(weight),
        [False, True, False],
    )[1]
    return found.float()


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve each channel of (N, C, H, W) with its own kernel of (C, 1, K, K); as ``F.conv2d`` with C groups.

    Computes in the floating type of ``x``; weight and bias are float32, and so are their gradients.
    """
    result: Tensor = _Depthwise.apply(x, weight, bias, stride, padding)  # type: ignore[no-untyped-call]
    return result
