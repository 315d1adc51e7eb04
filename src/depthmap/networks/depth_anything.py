"""Depth Anything V2 and V1: relative inverse depth, and V2's metric networks: metres.

Yang et al., "Depth Anything: Unleashing the Power of Large-Scale Unlabeled Data", CVPR 2024, and "Depth Anything V2",
NeurIPS 2024. The head is that of the dense prediction transformers without the readout of the class token.

The two versions and the metric networks have the same tensors: no file says which of them it is for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from .dense import Channels, Head, Scratch, last_convolutions
from .dinov2 import DinoV2, DinoVariant
from .fusion import UNUSED


@dataclass(frozen=True)
class DepthAnythingVariant:
    """One network."""

    encoder: DinoVariant
    channels: Channels
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


class DepthAnything(nn.Module):
    """The encoder and the head, under the names that they have in the checkpoints."""

    def __init__(self, variant: DepthAnythingVariant) -> None:
        super().__init__()
        self.pretrained = DinoV2(variant.encoder)
        last = last_convolutions(variant.features)
        last.append(nn.Sigmoid() if variant.max_depth else nn.ReLU(inplace=True))
        scratch = Scratch(variant.channels, variant.features, {"output_conv2": last})
        self.depth_head = Head(variant.encoder.width, variant.channels, scratch)
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
        depth = self.depth_head(self.pretrained(x), x.shape[2], x.shape[3])[0].squeeze(1)
        return depth if self.scale == 1.0 else depth * self.scale  # type: ignore[no-any-return]  # torch types a call as Any
