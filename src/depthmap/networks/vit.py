"""The vision transformer, plain or on a convolutional stem.

Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021.
The final normalisation and the classifier of the published checkpoints are not made: depth is read
before them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Conv2d, LayerNorm, Linear, alike, empty_parameter
from .resnetv2 import ResNetV2, ResNetV2Variant

EPS = 1e-6
PATCH = 16
"""Pixels of the picture along one side of a token."""
GRID = 24
"""Tokens along one side in pre-training: the position embedding has GRID × GRID and the class token's."""


@dataclass(frozen=True)
class ViTVariant:
    """The numbers of one vision transformer."""

    width: int
    depth: int
    heads: int
    hooks: tuple[int, ...]
    """The blocks whose tokens are handed on, from the finest to the coarsest."""
    stem: ResNetV2Variant | None = None
    """The convolutional stem of a hybrid; its first two stages are handed on too."""

    def build(self) -> nn.Module:
        """Return the transformer on the meta device."""
        return VisionTransformer(self)


class PatchEmbed(nn.Module):
    """Patches of the picture, each projected to a token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = Conv2d(3, width, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Map pictures (N, 3, H, W) to no features and tokens (N, C, H / 16, W / 16)."""
        return [], self.proj(x)


class HybridEmbed(nn.Module):
    """Features of a convolutional stem, each position projected to a token."""

    def __init__(self, stem: ResNetV2Variant, width: int) -> None:
        super().__init__()
        self.backbone = ResNetV2(stem)
        self.proj = Conv2d(stem.outer[-1], width, 1)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Map pictures (N, 3, H, W) to features at 1/4 and 1/8, and tokens (N, C, H / 16, W / 16)."""
        *features, last = self.backbone(x)
        return features, self.proj(last)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape."""
        n, t, c = x.shape
        qkv = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, C / heads)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, t, c))  # type: ignore[no-any-return]  # torch types a call as Any


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, expansion * width)
        self.fc2 = Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]  # torch types a module's call as Any


class Block(nn.Module):
    """Attention and perceptron, each on normalised tokens and added to its input."""

    def __init__(self, width: int, heads: int, expansion: int = 4) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width, EPS)
        self.attn = Attention(width, heads)
        self.norm2 = LayerNorm(width, EPS)
        self.mlp = Mlp(width, expansion)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]  # torch types a module's call as Any


class VisionTransformer(nn.Module):
    """The transformer up to its last hooked block."""

    def __init__(self, variant: ViTVariant) -> None:
        super().__init__()
        width = variant.width
        self.hooks = variant.hooks
        self.cls_token = empty_parameter(1, 1, width)
        self.pos_embed = empty_parameter(1, GRID * GRID + 1, width)
        self.patch_embed = HybridEmbed(variant.stem, width) if variant.stem else PatchEmbed(width)
        self.blocks = nn.ModuleList(alike(Block(width, variant.heads), variant.depth))

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Encode pictures.

        Parameters
        ----------
        x : Tensor
            (N, 3, H, W); H and W are multiples of 16.

        Returns
        -------
        features : list of Tensor
            Those of the convolutional stem, (N, C, H / 4, W / 4) and (N, C, H / 8, W / 8), if it has one.
        tokens : list of Tensor
            For each hooked block (N, 1 + H / 16 · W / 16, C), the class token first.
        """
        features, patches = self.patch_embed(x)
        positions = self._positions(patches.shape[2], patches.shape[3])
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), patches.flatten(2).transpose(1, 2)), dim=1)
        x = x + positions
        tokens = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.hooks:
                tokens.append(x)
        return features, tokens

    def _positions(self, height: int, width: int) -> Tensor:
        """Return the position embedding for a grid of tokens, (1, 1 + height · width, C)."""
        readout, grid = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = grid.reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(height, width), mode="bilinear", align_corners=False)
        return torch.cat((readout, grid.flatten(2).transpose(1, 2)), dim=1)
