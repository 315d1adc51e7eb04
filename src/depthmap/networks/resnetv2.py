"""The convolutional stem of DPT_Hybrid: three stages of a ResNet-50 of the "Big Transfer" family.

Kolesnikov et al., "Big Transfer (BiT)", ECCV 2020: standardised weights and group normalisation; here, as in
Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, with the activation after the normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import GroupNorm, SameConv2d, alike

WEIGHT_EPS = 1e-8
"""What the standardisation of a convolution's weights adds to their variance."""
NORM_EPS = 1e-5
GROUPS = 32


@dataclass(frozen=True)
class ResNetV2Variant:
    """The numbers of one stem: blocks, inner and outer channels of its three stages."""

    depths: tuple[int, int, int] = (3, 4, 9)
    inner: tuple[int, int, int] = (64, 128, 256)
    outer: tuple[int, int, int] = (256, 512, 1024)
    stem: int = 64


RESNET50 = ResNetV2Variant()


class StdConv2d(SameConv2d):
    """A convolution whose weights are brought to mean 0 and variance 1 for each output channel."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C', H / stride, W / stride)."""
        weight = self.standardised()
        x = F.pad(x, self.border) if self.border else x
        return F.conv2d(x, weight, None, self.stride, self.padding)

    def standardised(self) -> Tensor:
        """Return the weights that it convolves with, as large as its own."""
        # Two plain reductions: with torch.var_mean it takes nearly twice as long.
        centred = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        variance = centred.square().mean(dim=(1, 2, 3), keepdim=True)
        return centred * torch.rsqrt(variance + WEIGHT_EPS)


class ConvNorm(nn.Module):
    """A standardised convolution and its normalisation, without an activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = StdConv2d(inputs, outputs, kernel, stride)
        self.norm = GroupNorm(GROUPS, outputs, NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        return self.norm(self.conv(x))  # type: ignore[no-any-return]  # torch types a module's call as Any


class Bottleneck(nn.Module):
    """Pointwise, 3×3 and pointwise convolution, and the input added."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        projected = stride != 1 or inputs != outputs
        self.downsample = ConvNorm(inputs, outputs, 1, stride) if projected else None
        self.conv1 = StdConv2d(inputs, inner, 1)
        self.norm1 = GroupNorm(GROUPS, inner, NORM_EPS)
        self.conv2 = StdConv2d(inner, inner, 3, stride)
        self.norm2 = GroupNorm(GROUPS, inner, NORM_EPS)
        self.conv3 = StdConv2d(inner, outputs, 1)
        self.norm3 = GroupNorm(GROUPS, outputs, NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = F.relu(self.norm2(self.conv2(y)), inplace=True)
        y = self.norm3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(y + shortcut, inplace=True)


class Stage(nn.Module):
    """Blocks of one resolution; all stages but the first halve it."""

    def __init__(self, variant: ResNetV2Variant, stage: int) -> None:
        super().__init__()
        inputs = (variant.stem, *variant.outer)[stage]
        inner, outer = variant.inner[stage], variant.outer[stage]
        first = Bottleneck(inputs, inner, outer, stride=2 if stage else 1)
        rest = alike(Bottleneck(outer, inner, outer, stride=1), variant.depths[stage] - 1)
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        return self.blocks(x)  # type: ignore[no-any-return]  # torch types a module's call as Any


class ResNetV2(nn.Module):
    """The stem and its three stages."""

    def __init__(self, variant: ResNetV2Variant) -> None:
        super().__init__()
        self.stem = ConvNorm(3, variant.stem, 7, stride=2)
        self.stages = nn.ModuleList(Stage(variant, stage) for stage in range(3))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures (N, 3, H, W) to features at 1/4, 1/8 and 1/16 of H and W."""
        x = F.relu(self.stem(x), inplace=True)
        # On even sizes, leaving the last window incomplete is TensorFlow's SAME padding with minus infinity.
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
