"""DINOv2: a vision transformer on patches of 14 pixels, for pictures of any size.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024. Several depth networks are
built on it and take the tokens of some of its blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import Conv2d, LayerNorm, alike, empty_parameter
from .vit import EPS, Attention, Mlp

PATCH = 14
"""Pixels of the picture along one side of a token."""
GRID = 37
"""Tokens along one side in training, at 518 pixels: the position embedding has GRID × GRID and the class token's."""
OFFSET = 0.1
"""Tokens that are added to a side before its scale is taken. It once kept a rounding from losing the last token; the
depth networks were trained with it, so it stays."""
SLOPE = -0.75
"""Slope of the cubic kernel at distance 1."""
REACH = 2
"""Tokens to either side that the cubic kernel takes in."""


@dataclass(frozen=True)
class DinoVariant:
    """The numbers of one encoder."""

    width: int
    depth: int
    heads: int
    taps: tuple[int, ...]
    """The blocks whose tokens are handed on, counted from 0."""
    unused: tuple[str, ...] = ("mask_token",)
    """Prefixes of published tensors that inference never reads."""
    norm_eps: float = EPS
    """What the last normalisation adds to the variance."""


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = empty_parameter(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape."""
        return x * self.gamma


class Block(nn.Module):
    """Attention and perceptron, each on normalised tokens, scaled, and added to its input."""

    def __init__(
        self, width: int, heads: int, attention: Callable[[int, int], nn.Module] = Attention
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width, EPS)
        self.attn = attention(width, heads)
        self.ls1 = LayerScale(width)
        self.norm2 = LayerNorm(width, EPS)
        self.mlp = Mlp(width, expansion=4)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor, *where: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape; ``where`` is what the attention takes besides."""
        x = x + self.ls1(self.attn(self.norm1(x), *where))
        return x + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]  # torch types a module's call as Any


class DinoV2(nn.Module):
    """The transformer up to its last tapped block."""

    def __init__(self, variant: DinoVariant) -> None:
        super().__init__()
        width = variant.width
        self.taps = variant.taps
        self.cls_token = empty_parameter(1, 1, width)
        self.pos_embed = empty_parameter(1, 1 + GRID * GRID, width)
        self.patch_embed = nn.ModuleDict({"proj": Conv2d(3, width, PATCH, stride=PATCH)})
        self.blocks = nn.ModuleList(alike(Block(width, variant.heads), variant.depth))
        self.norm = LayerNorm(width, variant.norm_eps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures.

        Parameters
        ----------
        x : Tensor
            Normalised RGB (N, 3, H, W); H and W are multiples of 14.

        Returns
        -------
        list of Tensor
            For each tapped block its normalised tokens (N, 1 + H / 14 · W / 14, C), the class token first.
        """
        tokens = self._tokens(x)
        tapped = []
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number in self.taps:
                tapped.append(self.norm(tokens))
        return tapped

    def _tokens(self, x: Tensor) -> Tensor:
        """Return what the first block gets of pictures (N, 3, H, W): (N, 1 + H / 14 · W / 14, C)."""
        patches = self.patch_embed["proj"](x)
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(patches.shape[2], patches.shape[3])
        readout = self.cls_token + self.pos_embed[:, :1]
        return torch.cat((readout.expand(x.shape[0], -1, -1), tokens), dim=1)

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return the position embedding of a grid of tokens, (rows · columns, C)."""
        down, across = _resizing(rows, columns, self.pos_embed)
        # OpenVINO multiplies arrays of two dimensions without mistake, so each axis takes its turn as the first.
        grid = down @ self.pos_embed[0, 1:].reshape(GRID, -1)
        grid = grid.reshape(rows, GRID, -1).transpose(0, 1).reshape(GRID, -1)
        grid = (across @ grid).reshape(columns, rows, -1)
        return grid.transpose(0, 1).flatten(0, 1)


def _resizing(rows: int, columns: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return what resizes the position embedding: matrices of weights (rows, 37) and (columns, 37), of a type like.

    This is torch's bicubic ``interpolate`` by the scale (n + 0.1) / 37 of each axis, and nothing at 37 × 37. Written
    as products, it can be exported for any size: ``Resize`` of ONNX rounds the number of tokens as each engine likes.
    """
    counts = [torch.arange(n, dtype=torch.float32, device=like.device) for n in (rows, columns)]
    trained = (counts[0][-1] + 1 == GRID) & (counts[1][-1] + 1 == GRID)
    offset = torch.where(trained, 0.0, OFFSET)
    down, across = (_weights(n, (n[-1] + 1 + offset) / GRID).to(like.dtype) for n in counts)
    return down, across


def _weights(count: Tensor, scale: Tensor) -> Tensor:
    """Return the share of each of 37 cells in each of n: (n, 37). ``count`` is 0 to n - 1."""
    cells = torch.arange(-REACH, GRID + REACH, dtype=count.dtype, device=count.device)
    weights = _cubic((((count + 0.5) / scale - 0.5)[:, None] - cells).abs())
    first, last = weights[:, : REACH + 1], weights[:, -REACH - 1 :]  # beyond the border is the nearest cell
    inner = weights[:, REACH + 1 : -REACH - 1]
    return torch.cat((first.sum(1, keepdim=True), inner, last.sum(1, keepdim=True)), dim=1)


def _cubic(distance: Tensor) -> Tensor:
    """Return Keys' cubic kernel at distances of 0 or more."""
    a, d = SLOPE, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < REACH, far, 0.0))
