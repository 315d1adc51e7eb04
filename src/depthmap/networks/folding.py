"""What each run of a network would do again is done once: the same function, in fewer passes over memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import nn

from .layers import SameConv2d
from .resnetv2 import StdConv2d


def fold(network: nn.Module) -> None:
    """Fold batch norms into convolutions and standardise weights, in place; for inference only.

    The weights that change are copies: they no longer lie in a mapped file.
    """
    fold_batch_norms(network)
    standardise_weights(network)


@torch.no_grad()
def standardise_weights(network: nn.Module) -> None:
    """Let each convolution that standardises its weights in each run have them standardised.

    In float16 that must be done before: variances below 3e-8 are 0 there, with what is added to them, and the weights
    of such a filter become NaN.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, StdConv2d):
                setattr(module, name, _standardised(child))


def _standardised(convolution: StdConv2d) -> SameConv2d:
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    plain = SameConv2d(convolution.in_channels, convolution.out_channels, kernel, stride, bias=False)
    plain.weight = nn.Parameter(convolution.standardised(), requires_grad=False)
    return plain.eval()


def fold_batch_norms(network: nn.Module) -> None:
    """Let each convolution do what the batch norm after it does, in place; for inference only.

    The weights that change are copies: they no longer lie in a mapped file.
    """
    for convolution, norm in list(pairs(network)):
        _fold(convolution, norm)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())


def pairs(network: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Yield each convolution with its batch norm: all networks define, and run, the one right after the other."""
    leaves = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    for convolution, norm in itertools.pairwise(leaves):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            yield convolution, norm


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without statistics cannot be folded")
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    before = 0 if convolution.bias is None else convolution.bias * scale
    convolution.weight = nn.Parameter(convolution.weight * scale[:, None, None, None], requires_grad=False)
    convolution.bias = nn.Parameter(shift + before, requires_grad=False)
