"""ResNeXt-101 32×8d, the encoder of MiDaS v2.1.

Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017; the weights began from
Mahajan et al., "Exploring the Limits of Weakly Supervised Pretraining", ECCV 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .layers import BatchNorm2d, Conv2d, Pyramid, alike

EPS = 1e-5


@dataclass(frozen=True)
class ResNeXtVariant:
    """The numbers of one ResNeXt: blocks, inner and outer channels of its four stages."""

    depths: tuple[int, int, int, int]
    inner: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]
    groups: int
    stem: int = 64


RESNEXT101_32X8D = ResNeXtVariant((3, 4, 23, 3), (256, 512, 1024, 2048), (256, 512, 1024, 2048), groups=32)


class Bottleneck(nn.Module):
    """Pointwise, grouped 3×3 and pointwise convolution, and the input added."""

    def __init__(self, inputs: int, inner: int, outputs: int, groups: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = BatchNorm2d(inner, EPS)
        self.conv2 = Conv2d(inner, inner, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = BatchNorm2d(inner, EPS)
        self.conv3 = Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = BatchNorm2d(outputs, EPS)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            projection = Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(projection, BatchNorm2d(outputs, EPS))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(y + shortcut, inplace=True)


def _stage(variant: ResNeXtVariant, stage: int) -> nn.Sequential:
    inputs = (variant.stem, *variant.outer)[stage]
    inner, outer, groups = variant.inner[stage], variant.outer[stage], variant.groups
    first = Bottleneck(inputs, inner, outer, groups, stride=2 if stage else 1)
    rest = alike(Bottleneck(outer, inner, outer, groups, stride=1), variant.depths[stage] - 1)
    return nn.Sequential(first, *rest)


def encoder(variant: ResNeXtVariant) -> Pyramid:
    """Return the encoder, its stages named as in the checkpoint of MiDaS v2.1."""
    stem = Conv2d(3, variant.stem, 7, stride=2, padding=3, bias=False)
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    first, *others = (_stage(variant, stage) for stage in range(4))
    layer1 = nn.Sequential(stem, BatchNorm2d(variant.stem, EPS), nn.ReLU(inplace=True), pool, first)
    return Pyramid(layer1, *others)
