"""Depth Anything V2 and V1: relative inverse depth, and V2's metric networks: metres.

Yang et al., "Depth Anything: Unleashing the Power of Large-Scale Unlabeled Data", CVPR 2024, and "Depth Anything V2",
NeurIPS 2024. The head is that of the dense prediction transformers without the readout of the class token.

The two versions and the metric networks have the same tensors: no file says which of them it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional as F

from .dinov2 import PATCH, DinoV2, DinoVariant
from .dpt import RESAMPLE
from .fusion import UNUSED, DecoderVariant, FusionBlock
from .layers import Conv2d


@dataclass(frozen=True)
class DepthAnythingVariant:
    """One network."""

    encoder: DinoVariant
    channels: tuple[int, int, int, int]
    """Channels of the features that are made of the tokens, from fine to coarse."""
    features: int
    """Channels in the fusion blocks."""
    max_depth: float = 0.0
    """The greatest depth that a metric network can give, in metres; 0 where it gives relative inverse depth."""

    @property
    def unused(self) -> tuple[str, ...]:
        """Prefixes of published tensors that inference never reads."""
        return (*(f"pretrained.{name}" for name in self.encoder.unused), f"depth_head.{UNUSED}")

    def build(self) -> DepthAnything:
        """Return the network on the meta device."""
        return DepthAnything(self)


V2 = {
    "small": DepthAnythingVariant(DinoVariant(384, 12, 6, taps=(2, 5, 8, 11)), (48, 96, 192, 384), 64),
    "base": DepthAnythingVariant(DinoVariant(768, 12, 12, taps=(2, 5, 8, 11)), (96, 192, 384, 768), 128),
    "large": DepthAnythingVariant(
        DinoVariant(1024, 24, 16, taps=(4, 11, 17, 23)), (256, 512, 1024, 1024), 256
    ),
}


def _last_four(variant: DepthAnythingVariant) -> DepthAnythingVariant:
    depth = variant.encoder.depth
    return replace(variant, encoder=replace(variant.encoder, taps=tuple(range(depth - 4, depth))))


VARIANTS = {
    **{f"depth_anything_v2_{size}": v for size, v in V2.items()},
    **{f"depth_anything_v2_indoor_{size}": replace(v, max_depth=20.0) for size, v in V2.items()},
    **{f"depth_anything_v2_outdoor_{size}": replace(v, max_depth=80.0) for size, v in V2.items()},
    **{f"depth_anything_v1_{size}": _last_four(v) for size, v in V2.items()},
}


class Scratch(nn.Module):
    """The fusion of the features from coarse to fine, and the last convolutions."""

    def __init__(self, variant: DepthAnythingVariant) -> None:
        super().__init__()
        f = variant.features
        decoder = DecoderVariant(variant.channels, (f, f, f, f), (f // 2, 32))
        for level, channels in enumerate(variant.channels, 1):
            self.add_module(f"layer{level}_rn", Conv2d(channels, f, 3, padding=1, bias=False))
        for level in (1, 2, 3, 4):
            self.add_module(f"refinenet{level}", FusionBlock(f, f, decoder, coarsest=level == 4))
        self.output_conv1 = Conv2d(f, f // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            Conv2d(f // 2, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            Conv2d(32, 1, 1),
            nn.Sigmoid() if variant.max_depth else nn.ReLU(inplace=True),
        )

    def forward(self, features: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Map features (N, C, h, w), from fine to coarse, to what the network gives, (N, 1, *size)."""
        skips = [self.get_submodule(f"layer{level}_rn")(x) for level, x in enumerate(features, 1)]
        sizes = [None, *(skip.shape[2:] for skip in skips)]
        path = None
        for level in (4, 3, 2, 1):
            path = self.get_submodule(f"refinenet{level}")(skips[level - 1], path, sizes[level - 1])
        x = F.interpolate(self.output_conv1(path), size, mode="bilinear", align_corners=True)
        return self.output_conv2(x)  # type: ignore[no-any-return]  # torch types a module's call as Any


class Head(nn.Module):
    """Tokens in, depth out."""

    def __init__(self, variant: DepthAnythingVariant) -> None:
        super().__init__()
        channels = variant.channels
        self.projects = nn.ModuleList(Conv2d(variant.encoder.width, c, 1) for c in channels)
        self.resize_layers = nn.ModuleList(
            resample(c) if resample else nn.Identity() for resample, c in zip(RESAMPLE, channels, strict=True)
        )
        self.scratch = Scratch(variant)

    def forward(self, taps: Sequence[Tensor], height: int, width: int) -> Tensor:
        """Map tokens (N, 1 + h · w, C), the class token first, to (N, 1, 14 h, 14 w)."""
        rows, columns = height // PATCH, width // PATCH
        features = []
        for tokens, project, resize in zip(taps, self.projects, self.resize_layers, strict=True):
            patches = tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], -1, rows, columns)
            features.append(resize(project(patches)))
        return self.scratch(features, (height, width))  # type: ignore[no-any-return]  # torch types a call as Any


class DepthAnything(nn.Module):
    """The encoder and the head, under the names that they have in the checkpoints."""

    def __init__(self, variant: DepthAnythingVariant) -> None:
        super().__init__()
        self.pretrained = DinoV2(variant.encoder)
        self.depth_head = Head(variant)
        self.scale = variant.max_depth or 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Estimate depth.

        Parameters
        ----------
        x : Tensor
            Normalised RGB pictures (N, 3, H, W), float32; H and W are multiples of 14.

        Returns
        -------
        Tensor
            (N, H, W), float32, 0 or more. Relative inverse depth: larger is nearer; scale and shift differ from picture
            to picture. Of a metric network: metres; larger is farther.
        """
        depth = self.depth_head(self.pretrained(x), x.shape[2], x.shape[3]).squeeze(1)
        return depth if self.scale == 1.0 else depth * self.scale  # type: ignore[no-any-return]  # torch types a call as Any
