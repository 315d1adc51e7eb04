"""Depth Anything 3 of one view: depth up to a scale, and the sky or the camera.

Lin et al., "Depth Anything 3: Recovering the Visual Space from Any Views", 2025. The large networks are made for one
view: their encoder is DINOv2 as it is. The others are made for any number of views, of which this is the way of one.
What they have for further views, for a camera that is given, and for rays is neither made nor read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .any_view import EPS, AnyViewDino, speeds
from .dense import Channels, Head, Scratch, last_convolutions
from .dinov2 import DinoV2, DinoVariant
from .layers import LayerNorm, Linear

EMBEDDED = 0.1
"""Share of the sines that are added to the features."""


@dataclass(frozen=True)
class DepthAnything3Variant:
    """One network."""

    encoder: DinoVariant
    channels: Channels
    """Channels of the features that are made of the tokens, from fine to coarse."""
    features: int
    """Channels in the fusion blocks."""
    any_view: bool = False
    """Made for any number of views: it gives a confidence and the camera. Else it gives the sky."""

    @property
    def unused(self) -> tuple[str, ...]:
        """Prefixes of published tensors that are not read for one view."""
        if not self.any_view:
            return ()
        levels = tuple(f"head.scratch.refinenet{level}_aux." for level in (1, 2, 3, 4))
        return ("cam_enc.", *levels, "head.scratch.output_conv1_aux.", "head.scratch.output_conv2_aux.")

    def build(self) -> nn.Module:
        """Return the network on the meta device."""
        return AnyViewNetwork(self) if self.any_view else OneViewNetwork(self)


def _encoder(width: int, depth: int, heads: int, taps: tuple[int, ...]) -> DinoVariant:
    return DinoVariant(width, depth, heads, taps, unused=(), norm_eps=EPS)


_LARGE = DepthAnything3Variant(_encoder(1024, 24, 16, taps=(4, 11, 17, 23)), (256, 512, 1024, 1024), 256)
VARIANTS = {
    "da3_mono_large": _LARGE,
    "da3_metric_large": _LARGE,
    "da3_small": DepthAnything3Variant(
        _encoder(384, 12, 6, taps=(5, 7, 9, 11)), (48, 96, 192, 384), 64, any_view=True
    ),
    "da3_base": DepthAnything3Variant(
        _encoder(768, 12, 12, taps=(5, 7, 9, 11)), (96, 192, 384, 768), 128, any_view=True
    ),
}


class OneViewNetwork(nn.Module):
    """The encoder and the head, under the names that they have in the checkpoints."""

    def __init__(self, variant: DepthAnything3Variant) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"pretrained": DinoV2(variant.encoder)})
        last = {name: last_convolutions(variant.features) for name in ("output_conv2", "sky_output_conv2")}
        scratch = Scratch(variant.channels, variant.features, last)
        self.head = Head(variant.encoder.width, variant.channels, scratch)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate depth, and where the sky is.

        Parameters
        ----------
        x : Tensor
            Normalised RGB pictures (N, 3, H, W), float32; H and W are multiples of 14.

        Returns
        -------
        depth : Tensor
            (N, H, W), float32, above 0; larger is farther, scale differs from picture to picture. Of the metric
            network: metres if the focal length were 300 pixels of the network's input.
        sky : Tensor
            (N, H, W), float32, 0 or more: sky where it is 0.3 or more.
        """
        depth, sky = self.head(self.backbone["pretrained"](x), x.shape[2], x.shape[3])
        return depth.squeeze(1).exp(), sky.squeeze(1).relu()


class AnyViewNetwork(nn.Module):
    """The encoder, the head, and what reads the camera, under the names that they have in the checkpoints."""

    def __init__(self, variant: DepthAnything3Variant) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"pretrained": AnyViewDino(variant.encoder)})
        width = 2 * variant.encoder.width
        last = {"output_conv2": last_convolutions(variant.features, outputs=2)}
        scratch = Scratch(variant.channels, variant.features, last, SineEmbedding())
        self.head = Head(width, variant.channels, scratch, LayerNorm(width, EPS), SineEmbedding())
        self.cam_dec = CameraDecoder(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Estimate depth, how sure it is, and the camera.

        Parameters
        ----------
        x : Tensor
            Normalised RGB pictures (N, 3, H, W), float32; H and W are multiples of 14.

        Returns
        -------
        depth : Tensor
            (N, H, W), float32, above 0; larger is farther, scale differs from picture to picture.
        confidence : Tensor
            (N, H, W), float32, above 1; larger is surer.
        camera : Tensor
            (N, 9), float32: where it stands (3), how it is turned, as a quaternion (x, y, z, w), and its fields of view
            across the height and the width in radians, 0 or more.
        """
        encoder = cast(AnyViewDino, self.backbone["pretrained"])
        taps = encoder(x)
        maps = self.head([encoder.normalised(tokens) for tokens in taps], x.shape[2], x.shape[3])[0].exp()
        return maps[:, 0], maps[:, 1] + 1, self.cam_dec(taps[-1][:, 0])


class SineEmbedding(nn.Module):
    """Adds to features sines and cosines of where they lie in the picture.

    The first half of the channels tells the column, the second the row, measured from the middle in half diagonals.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map features (N, C, H, W) to the same shape."""
        down, across = (torch.arange(n, dtype=torch.float32, device=x.device) for n in x.shape[2:])
        height, width = down[-1] + 1, across[-1] + 1
        diagonal = (height * height + width * width).sqrt()
        u, v = (
            _waves((2 * n + 1 - side) / diagonal, x.shape[1] // 4)
            for n, side in ((across, width), (down, height))
        )
        columns = u[:, None].expand(-1, x.shape[2], -1)
        rows = v[:, :, None].expand(-1, -1, x.shape[3])
        return x + (EMBEDDED * torch.cat((columns, rows))).to(x.dtype)


def _waves(place: Tensor, count: int) -> Tensor:
    """Return ``count`` sines and as many cosines of places (n), (2 count, n)."""
    angles = speeds(count, place)[:, None] * place
    return torch.cat((angles.sin(), angles.cos()))


class CameraDecoder(nn.Module):
    """Reads the camera's token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(Linear(width, width), nn.ReLU(), Linear(width, width), nn.ReLU())
        self.fc_t = Linear(width, 3)
        self.fc_qvec = Linear(width, 4)
        self.fc_fov = nn.Sequential(Linear(width, 2), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, C) to place, quaternion and fields of view, (N, 9)."""
        x = self.backbone(x)
        return torch.cat((self.fc_t(x), self.fc_qvec(x), self.fc_fov(x)), dim=1)
