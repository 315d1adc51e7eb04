"""EfficientNet-Lite, the encoder of MiDaS_small and of the embedded network.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, in its Lite
form: no squeeze-and-excitation, ReLU6 instead of swish. The convolutions pad as TensorFlow does, because the
published weights come from there.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .layers import BatchNorm2d, Pyramid, SameConv2d, alike

EPS = 1e-3
"""What the batch normalisations add to the variance: TensorFlow's default, not torch's."""

KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
EXPANSION = 6


@dataclass(frozen=True)
class EfficientNetVariant:
    """The numbers of one EfficientNet-Lite: blocks and output channels of its seven stages."""

    depths: tuple[int, ...]
    channels: tuple[int, ...]
    stem: int = 32

    @property
    def pyramid(self) -> tuple[int, int, int, int]:
        """The channels of the features at 1/4, 1/8, 1/16 and 1/32."""
        return self.channels[1], self.channels[2], self.channels[4], self.channels[6]


LITE0 = EfficientNetVariant((1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320))
LITE3 = EfficientNetVariant((1, 3, 3, 5, 5, 6, 1), (24, 32, 48, 96, 136, 232, 384))


class DepthwiseSeparable(nn.Module):
    """Depthwise and pointwise convolution: the block of the first stage, which changes the channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(inputs, inputs, kernel, groups=inputs, bias=False)
        self.bn1 = BatchNorm2d(inputs, EPS)
        self.conv_pw = SameConv2d(inputs, outputs, 1, bias=False)
        self.bn2 = BatchNorm2d(outputs, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W)."""
        x = F.relu6(self.bn1(self.conv_dw(x)), inplace=True)
        return self.bn2(self.conv_pw(x))  # type: ignore[no-any-return]  # torch types a module's call as Any


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * EXPANSION
        self.conv_pw = SameConv2d(inputs, inner, 1, bias=False)
        self.bn1 = BatchNorm2d(inner, EPS)
        self.conv_dw = SameConv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self.bn2 = BatchNorm2d(inner, EPS)
        self.conv_pwl = SameConv2d(inner, outputs, 1, bias=False)
        self.bn3 = BatchNorm2d(outputs, EPS)
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        y = F.relu6(self.bn1(self.conv_pw(x)), inplace=True)
        y = F.relu6(self.bn2(self.conv_dw(y)), inplace=True)
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.residual else y  # type: ignore[no-any-return]  # torch types a module's call as Any


def _stages(variant: EfficientNetVariant) -> list[nn.Sequential]:
    """Return the seven stages, in order."""
    stages = [nn.Sequential(DepthwiseSeparable(variant.stem, variant.channels[0], KERNELS[0]))]
    for stage in range(1, len(variant.depths)):
        outputs, kernel = variant.channels[stage], KERNELS[stage]
        first = InvertedResidual(variant.channels[stage - 1], outputs, kernel, STRIDES[stage])
        rest = alike(InvertedResidual(outputs, outputs, kernel, 1), variant.depths[stage] - 1)
        stages.append(nn.Sequential(first, *rest))
    return stages


def encoder(variant: EfficientNetVariant, kind: type[Pyramid] = Pyramid) -> Pyramid:
    """Return the encoder, its stages grouped and named as in the checkpoint of MiDaS_small."""
    s0, s1, s2, s3, s4, s5, s6 = _stages(variant)
    stem = SameConv2d(3, variant.stem, 3, 2, bias=False)
    layer1 = nn.Sequential(stem, BatchNorm2d(variant.stem, EPS), nn.ReLU6(inplace=True), s0, s1)
    return kind(layer1, nn.Sequential(s2), nn.Sequential(s3, s4), nn.Sequential(s5, s6))
