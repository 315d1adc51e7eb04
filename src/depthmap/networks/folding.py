"""What each run of a network would do again is done once: the same function, in fewer passes over memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import nn

from .layers import SameConv2d
from .resnetv2 import StdConv2d

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
NORMS = (nn.BatchNorm2d, nn.BatchNorm1d)
Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
Norm = nn.BatchNorm2d | nn.BatchNorm1d


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
    """Let each layer do what the batch norm after it does, in place; for inference only.

    The weights that change are copies: they no longer lie in a mapped file.
    """
    for module in list(network.modules()):
        for layer, name, norm in list(_pairs(module)):
            _fold(layer, norm)
            setattr(module, name, nn.Identity())


def pairs(network: nn.Module) -> Iterator[tuple[Layer, Norm]]:
    """Yield each layer with its batch norm: all networks define, and run, the one right after the other."""
    for module in network.modules():
        yield from ((layer, norm) for layer, _, norm in _pairs(module))


def _pairs(module: nn.Module) -> Iterator[tuple[Layer, str, Norm]]:
    """Yield the pairs among the parts of a module, and under which name it has the norm.

    A norm of another number of channels than the layer gives is not the layer's.
    """
    for (_, layer), (name, norm) in itertools.pairwise(module.named_children()):
        if (
            isinstance(layer, LAYERS)
            and isinstance(norm, NORMS)
            and layer.weight.shape[_outputs(layer)] == norm.num_features
        ):
            yield layer, name, norm


def _outputs(layer: Layer) -> int:
    """Return the axis of a layer's weight that goes over its outputs."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


@torch.no_grad()
def _fold(layer: Layer, norm: Norm) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without statistics cannot be folded")
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    before = 0 if layer.bias is None else layer.bias * scale
    along = [-1 if axis == _outputs(layer) else 1 for axis in range(layer.weight.ndim)]
    layer.weight = nn.Parameter(layer.weight * scale.reshape(along), requires_grad=False)
    layer.bias = nn.Parameter(shift + before, requires_grad=False)
