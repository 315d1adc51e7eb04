"""Depth Pro: inverse depth of a picture in fine detail, up to its focal length, and its field of view.

Bochkovskii et al., "Depth Pro: Sharp Monocular Metric Depth in Less Than a Second", ICLR 2025. A vision transformer
sees crops of the picture at three sizes, which overlap; where two meet, each gives way by half of what they share. A
second transformer sees the whole picture, made small, and a third one finds the field of view.

What the network gives becomes metres in `readings.depth_pro`, which needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dinov2 import Block
from .layers import Conv2d, ConvTranspose2d, LayerNorm, Linear, alike, empty_parameter
from .vit import EPS, GRID, PATCH

CROP = GRID * PATCH
"""Pixels along one side of what a transformer sees: 384."""
SIDE = 4 * CROP
"""Pixels along one side of the picture, and of the map."""
HIDDEN = 32
"""Channels between the last two convolutions of the head."""


@dataclass(frozen=True)
class DepthProVariant:
    """The numbers of the network; those of each transformer are the same."""

    width: int = 1024
    depth: int = 24
    heads: int = 16
    taps: tuple[int, int] = (5, 11)
    """The blocks of the crops' transformer whose tokens are handed on, counted from 0."""
    channels: tuple[int, int, int, int, int] = (256, 256, 512, 1024, 1024)
    """Channels of the features that are made of the tokens, from fine to coarse."""
    features: int = 256
    """Channels in the decoder, which takes the finest features as they are: as many as those have."""
    unused: tuple[str, ...] = ("decoder.fusions.4.resnet1.",)
    """Prefixes of published tensors that inference never reads: nothing is coarser than the coarsest features."""

    def build(self) -> DepthPro:
        """Return the network on the meta device."""
        return DepthPro(self)


class Tiling(NamedTuple):
    """How a square is cut into crops."""

    along: int
    """Crops along one side."""
    stride: int
    """Pixels from one to the next."""

    def crops(self, x: Tensor) -> list[Tensor]:
        """Cut squares (N, 3, S, S) into crops (N, 3, 384, 384), row by row."""
        starts = [number * self.stride for number in range(self.along)]
        return [x[..., top : top + CROP, left : left + CROP] for top in starts for left in starts]

    def joined(self, maps: Tensor) -> Tensor:
        """Join what was made of crops, one after another in (along² · N, C, 24, 24), to maps (N, C, H, W)."""
        kept = [self._kept(number) for number in range(self.along)]
        crops = iter(maps.chunk(self.along**2))
        rows = [
            torch.cat([next(crops)[:, :, down, across] for across in kept], dim=3)  # in their order
            for down in kept
        ]
        return torch.cat(rows, dim=2)

    def _kept(self, number: int) -> slice:
        """Return which positions of a crop are kept along one axis: half of those that it shares with another."""
        shared = (CROP - self.stride) // PATCH // 2
        return slice(shared if number else 0, GRID - shared if number < self.along - 1 else GRID)


FINE, MIDDLE = Tiling(5, 288), Tiling(3, 192)
"""How the picture, and the picture at half its size, are cut; at a quarter it is one crop."""


class Transformer(nn.Module):
    """A vision transformer on squares of 384 pixels, which reads no class token."""

    def __init__(self, variant: DepthProVariant) -> None:
        super().__init__()
        width = variant.width
        self.cls_token = empty_parameter(1, 1, width)
        self.pos_embed = empty_parameter(1, 1 + GRID * GRID, width)
        self.patch_embed = nn.ModuleDict({"proj": Conv2d(3, width, PATCH, stride=PATCH)})
        self.blocks = nn.ModuleList(alike(Block(width, variant.heads), variant.depth))
        self.norm = LayerNorm(width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Encode squares (N, 3, 384, 384) to normalised tokens (N, 24 · 24, C)."""
        return self.tapped(x, ())[0]

    def tapped(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Return the tokens of the blocks ``taps``, as they are, and those of the last, normalised."""
        patches = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), patches), dim=1) + self.pos_embed
        found = []
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number in taps:
                found.append(tokens[:, 1:])
        return [*found, self.norm(tokens)[:, 1:]]


def _maps(tokens: Tensor) -> Tensor:
    """Lay tokens (N, 24 · 24, C) out as maps (N, C, 24, 24)."""
    maps: Tensor = tokens.transpose(1, 2).unflatten(2, (GRID, GRID))  # type: ignore[no-untyped-call]  # of torch
    return maps


def _doubling(inputs: int, outputs: int, *, bias: bool = False) -> ConvTranspose2d:
    return ConvTranspose2d(inputs, outputs, 2, stride=2, bias=bias)


def _enlarging(inputs: int, outputs: int, doublings: int) -> nn.Sequential:
    """Return what projects features and doubles their resolution so many times."""
    return nn.Sequential(
        Conv2d(inputs, outputs, 1, bias=False), *alike(_doubling(outputs, outputs), doublings)
    )


class Encoder(nn.Module):
    """Pictures in, features of five resolutions out."""

    def __init__(self, variant: DepthProVariant) -> None:
        super().__init__()
        width, channels = variant.width, variant.channels
        self.taps = variant.taps
        self.patch_encoder = Transformer(variant)
        self.image_encoder = Transformer(variant)
        self.upsample_latent0 = _enlarging(width, channels[0], 3)
        self.upsample_latent1 = _enlarging(width, channels[1], 2)
        self.upsample0 = _enlarging(width, channels[2], 1)
        self.upsample1 = _enlarging(width, channels[3], 1)
        self.upsample2 = _enlarging(width, channels[4], 1)
        self.upsample_lowres = _doubling(width, channels[4], bias=True)
        self.fuse_lowres = Conv2d(2 * channels[4], channels[4], 1)

    def forward(self, x: Tensor, quarter: Tensor) -> list[Tensor]:
        """Encode pictures.

        Parameters
        ----------
        x : Tensor
            (N, 3, 1536, 1536).
        quarter : Tensor
            The same at a quarter of the size.

        Returns
        -------
        list of Tensor
            (N, C, S, S) for S of 768, 384, 192, 96 and 48.
        """
        crops = [*FINE.crops(x), *MIDDLE.crops(_shrunk(x, 2)), quarter]
        early, late, last = map(_maps, self.patch_encoder.tapped(torch.cat(crops), self.taps))
        fine, middle = (tiling.along**2 * x.shape[0] for tiling in (FINE, MIDDLE))
        coarse = (
            self.upsample2(last[fine + middle :]),
            self.upsample_lowres(_maps(self.image_encoder(quarter))),
        )
        return [
            self.upsample_latent0(FINE.joined(early[:fine])),
            self.upsample_latent1(FINE.joined(late[:fine])),
            self.upsample0(FINE.joined(last[:fine])),
            self.upsample1(MIDDLE.joined(last[fine : fine + middle])),
            self.fuse_lowres(torch.cat(coarse, dim=1)),
        ]


def _shrunk(x: Tensor, times: int) -> Tensor:
    return F.interpolate(x, scale_factor=1 / times, mode="bilinear", align_corners=False)


class Residual(nn.Module):
    """Two 3×3 convolutions, each after a ReLU, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = alike(Conv2d(channels, channels, 3, padding=1), 2)
        self.residual = nn.Sequential(nn.ReLU(), first, nn.ReLU(inplace=True), second)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.residual(x)  # type: ignore[no-any-return]  # torch types a module's call as Any


class Fusion(nn.Module):
    """Adds the refined skip to the coarser map, refines the sum, and doubles its resolution but at the finest level."""

    def __init__(self, channels: int, *, finest: bool, coarsest: bool) -> None:
        super().__init__()
        self.resnet1 = None if coarsest else Residual(channels)
        self.resnet2 = Residual(channels)
        self.deconv = nn.Identity() if finest else _doubling(channels, channels)
        self.out_conv = Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Fuse ``x`` and ``skip``, (N, C, H, W) both, to (N, C, 2 H, 2 W), or (N, C, H, W) at the finest level."""
        if skip is not None and self.resnet1 is not None:
            x = x + self.resnet1(skip)
        return self.out_conv(self.deconv(self.resnet2(x)))  # type: ignore[no-any-return]  # as above


class Decoder(nn.Module):
    """Features of five resolutions in, one map out."""

    def __init__(self, variant: DepthProVariant) -> None:
        super().__init__()
        f = variant.features
        projections = (Conv2d(c, f, 3, padding=1, bias=False) for c in variant.channels[1:])
        self.convs = nn.ModuleList((nn.Identity(), *projections))
        coarsest = len(self.convs) - 1
        self.fusions = nn.ModuleList(
            Fusion(f, finest=level == 0, coarsest=level == coarsest) for level in range(coarsest + 1)
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Fuse features, the finest first, to a map as large as the finest; return it, and the coarsest projected."""
        coarsest = self.convs[-1](features[-1])
        x = self.fusions[-1](coarsest)
        for level in reversed(range(len(features) - 1)):
            x = self.fusions[level](x, self.convs[level](features[level]))
        return x, coarsest


class FieldOfView(nn.Module):
    """A transformer of its own, what it finds added to the coarsest features, and convolutions down to one number."""

    def __init__(self, variant: DepthProVariant) -> None:
        super().__init__()
        f = variant.features
        self.encoder = nn.Sequential(Transformer(variant), Linear(variant.width, f // 2))
        self.downsample = nn.Sequential(Conv2d(f, f // 2, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.head = nn.Sequential(
            Conv2d(f // 2, f // 4, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            Conv2d(f // 4, f // 8, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            Conv2d(f // 8, 1, GRID // 4),
        )

    def forward(self, quarter: Tensor, coarsest: Tensor) -> Tensor:
        """Map pictures (N, 3, 384, 384) and the coarsest features (N, C, 48, 48) to degrees (N,)."""
        return self.head(_maps(self.encoder(quarter)) + self.downsample(coarsest)).flatten()  # type: ignore[no-any-return]  # as above


class DepthPro(nn.Module):
    """The encoder, the decoder, and the heads of depth and field of view, by their names in the checkpoint."""

    def __init__(self, variant: DepthProVariant) -> None:
        super().__init__()
        f = variant.features
        self.encoder = Encoder(variant)
        self.decoder = Decoder(variant)
        self.head = nn.Sequential(
            Conv2d(f, f // 2, 3, padding=1),
            _doubling(f // 2, f // 2, bias=True),
            Conv2d(f // 2, HIDDEN, 3, padding=1),
            nn.ReLU(inplace=True),
            Conv2d(HIDDEN, 1, 1),
            nn.ReLU(inplace=True),
        )
        self.fov = FieldOfView(variant)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate depth and the field of view.

        Parameters
        ----------
        x : Tensor
            Normalised RGB pictures (N, 3, 1536, 1536), float32.

        Returns
        -------
        inverse_depth : Tensor
            (N, 1536, 1536), float32, 0 or more: 1 / metres times the focal length, in widths of the picture.
        fov : Tensor
            (N,), float32: degrees across the width of the picture.
        """
        quarter = _shrunk(x, 4)
        fused, coarsest = self.decoder(self.encoder(x, quarter))
        return self.head(fused).squeeze(1), self.fov(quarter, coarsest)


VARIANTS = {"depth_pro": DepthProVariant()}
