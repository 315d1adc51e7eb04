"""The depthwise convolution of training/depthwise.py against torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from training.depthwise import depthwise

CASES = [
    (3, 1, 1, 12, 9),
    (5, 1, 2, 9, 12),
    (3, 2, 0, 13, 17),
    (5, 2, 0, 19, 15),
    (5, 2, 2, 12, 11),
    (3, 2, 1, 12, 14),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "height", "width"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_it_and_its_gradients_are_those_of_a_grouped_convolution(
    kernel: int, stride: int, padding: int, height: int, width: int, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, height, width).to(dtype)
    weight, bias = torch.randn(8, 1, kernel, kernel), torch.randn(8)
    inputs = [t.double().requires_grad_() for t in (x, weight, bias)]
    expected = F.conv2d(*inputs, stride, padding, groups=8)
    gradient = torch.randn(expected.shape).to(dtype)
    expected_gradients = torch.autograd.grad(expected, inputs, gradient.double())

    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    found = depthwise(*leaves, stride, padding)
    gradients = torch.autograd.grad(found, leaves, gradient)

    assert found.dtype is dtype
    assert [g.dtype for g in gradients] == [dtype, torch.float32, torch.float32]
    for ours, reference in zip((found, *gradients), (expected, *expected_gradients), strict=True):
        assert (ours - reference).abs().max() <= tolerance * reference.abs().max()
