"""MoGe-2: a map of points up to their distance and a focal length, a mask, normals, and the metres of a unit.

Wang et al., "MoGe: Unlocking Accurate Monocular Geometry Estimation for Open-Domain Images with Optimal Training
Supervision", CVPR 2025, and "MoGe-2: Accurate Monocular Geometry with Metric Scale and Sharp Details", NeurIPS 2025.

What the network gives becomes metres in `geometry.recovery`, which needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .dinov2 import PATCH, DinoV2, DinoVariant
from .layers import Conv2d, ConvTranspose2d, Linear

CHANNELS = (256, 128, 64, 32)
"""Channels of the maps of 2, 4, 8 and 16 positions along a side of a token."""
FINEST = len(CHANNELS)
"""The number of the finest level; level 0 has the encoder's tokens and channels."""
RESIDUALS = 1
"""Residual blocks of a head at each level but the coarsest and the finest."""


@dataclass(frozen=True)
class MogeVariant:
    """One network."""

    encoder: DinoVariant
    residuals: int = 1
    """Residual blocks of the neck at each level but the coarsest and the finest."""
    normal: bool = True
    """It gives normals."""

    @property
    def unused(self) -> tuple[str, ...]:
        """Prefixes of published tensors that inference never reads; pictures come in normalised."""
        return (*(f"encoder.backbone.{name}" for name in self.encoder.unused), "encoder.image_")

    def build(self) -> Moge:
        """Return the network on the meta device."""
        return Moge(self)


_LARGE = DinoVariant(1024, 24, 16, taps=(5, 11, 17, 23))
VARIANTS = {
    "moge2_small_normal": MogeVariant(DinoVariant(384, 12, 6, taps=(5, 11))),
    "moge2_base_normal": MogeVariant(DinoVariant(768, 12, 12, taps=(5, 11))),
    "moge2_large_normal": MogeVariant(_LARGE, residuals=2),
    "moge2_large": MogeVariant(_LARGE, residuals=2, normal=False),
}


def _conv3(inputs: int, outputs: int) -> Conv2d:
    return Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")


class Encoder(nn.Module):
    """The transformer, and the sum of its taps."""

    def __init__(self, variant: DinoVariant) -> None:
        super().__init__()
        self.backbone = DinoV2(variant)
        self.output_projections = nn.ModuleList(Conv2d(variant.width, variant.width, 1) for _ in variant.taps)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map pictures (N, 3, H, W) to features (N, C, H / 14, W / 14) and the last tap's class token (N, C)."""
        rows, columns = x.shape[2] // PATCH, x.shape[3] // PATCH
        taps = self.backbone(x)
        features = x.new_zeros(())
        for tokens, project in zip(taps, self.output_projections, strict=True):
            patches = tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], -1, rows, columns)
            features = features + project(patches)
        return features, taps[-1][:, 0]


class Residual(nn.Module):
    """Two 3×3 convolutions, each after a ReLU, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The official block has a normalisation before each ReLU, which these networks leave out.
        self.layers = nn.Sequential(
            nn.Identity(),
            nn.ReLU(),
            _conv3(channels, channels),
            nn.Identity(),
            nn.ReLU(),
            _conv3(channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.layers(x)  # type: ignore[no-any-return]  # torch types a module's call as Any


def _doubling(level: int, inputs: int, outputs: int) -> nn.Sequential:
    """Return what makes of the maps of a level those of the next, twice as fine."""
    if level == FINEST - 1:
        enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        return nn.Sequential(enlarge, _conv3(inputs, outputs))
    return nn.Sequential(ConvTranspose2d(inputs, outputs, 2, stride=2), _conv3(outputs, outputs))


class Stack(nn.Module):
    """Convolutions from coarse to fine; each level takes in a map of its own.

    Parameters
    ----------
    width : int
        Channels of the coarsest level.
    inputs : sequence of int
        Channels of the map that each level takes in.
    residuals : int
        Residual blocks at each level but the coarsest and the finest.
    outputs : int
        Channels of the result at the finest level, if that is not to have its own.
    """

    def __init__(self, width: int, inputs: Sequence[int], residuals: int, outputs: int = 0) -> None:
        super().__init__()
        channels = (width, *CHANNELS)
        self.input_blocks = nn.ModuleList(Conv2d(i, c, 1) for i, c in zip(inputs, channels, strict=True))
        self.resamplers = nn.ModuleList(
            _doubling(level, *channels[level : level + 2]) for level in range(FINEST)
        )
        self.res_blocks = nn.ModuleList(
            nn.Sequential(*(Residual(c) for _ in range(residuals if 0 < level < FINEST else 0)))
            for level, c in enumerate(channels)
        )
        self.output_blocks = nn.ModuleList(nn.Identity() for _ in CHANNELS)
        self.output_blocks.append(Conv2d(channels[-1], outputs, 1) if outputs else nn.Identity())

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map (N, C, 2^level h, 2^level w) of each level to as many of the same sizes."""
        found = []
        x = None
        for level, feature in enumerate(features):
            taken = self.input_blocks[level](feature)
            x = taken if x is None else self.resamplers[level - 1](x) + taken
            x = self.res_blocks[level](x)
            found.append(self.output_blocks[level](x))
        return found


class Moge(nn.Module):
    """The encoder, the neck, and a head for each thing, under the names that they have in the checkpoints."""

    def __init__(self, variant: MogeVariant) -> None:
        super().__init__()
        width = variant.encoder.width
        self.encoder = Encoder(variant.encoder)
        self.neck = Stack(width, (width + 2, *(2 for _ in CHANNELS)), variant.residuals)

        def head(outputs: int) -> Stack:
            return Stack(width, (width, *CHANNELS), RESIDUALS, outputs)

        self.points_head = head(3)
        self.mask_head = head(1)
        if variant.normal:
            self.normal_head = head(3)
        self.scale_head = nn.Sequential(
            Linear(width, width), nn.ReLU(), Linear(width, width), nn.ReLU(), Linear(width, 1)
        )

    def forward(self, x: Tensor, aspect: Tensor) -> tuple[Tensor, ...]:
        """Estimate points.

        Parameters
        ----------
        x : Tensor
            Normalised RGB pictures (N, 3, H, W), float32; H and W are multiples of 14.
        aspect : Tensor
            Width / height (N,) of each picture before it was resized, float32.

        Returns
        -------
        points : Tensor
            (N, 3, h, w), float32: x / z, y / z and the logarithm of z, for z up to a distance that is to be added.
            x points right, y down, z away from the viewer. h = 16 / 14 · H and w = 16 / 14 · W, here and below.
        normal : Tensor
            (N, 3, h, w), float32, of any length; the axes are those of the points. Only of a network with normals.
        mask : Tensor
            (N, h, w), float32: above 0 where the points mean something.
        scale : Tensor
            (N,), float32: metres of one unit of the points.
        """
        encoded, token = self.encoder(x)
        directions = _directions(x.shape[2] // PATCH, x.shape[3] // PATCH, aspect)
        features = self.neck([torch.cat((encoded, directions[0]), dim=1), *directions[1:]])
        points = self.points_head(features)[FINEST]
        mask = self.mask_head(features)[FINEST].squeeze(1)
        scale = self.scale_head(token).squeeze(1).exp()
        if not hasattr(self, "normal_head"):
            return points, mask, scale
        return points, self.normal_head(features)[FINEST], mask, scale


def _directions(rows: int, columns: int, aspect: Tensor) -> list[Tensor]:
    """Return for each level where its positions lie in the picture: (N, 2, 2^level · rows, 2^level · columns).

    u goes right and v down from the middle; half the picture's diagonal is 1.
    """
    diagonal = (1 + aspect * aspect).sqrt()
    found = []
    for level in range(FINEST + 1):
        width, height = columns * 2**level, rows * 2**level
        u = (aspect / diagonal)[:, None] * _centres(width, aspect)
        v = (1 / diagonal)[:, None] * _centres(height, aspect)
        shape = (-1, height, width)
        found.append(torch.stack((u[:, None, :].expand(shape), v[:, :, None].expand(shape)), dim=1))
    return found


def _centres(length: int, like: Tensor) -> Tensor:
    """Return where the centres of so many cells lie between -1 and 1; float16 would not tell 2049 from 2048."""
    cells = torch.arange(length, dtype=torch.float32, device=like.device)
    return ((2 * cells + 1) / length - 1).to(like.dtype)
