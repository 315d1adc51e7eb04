"""BEiT: a vision transformer that knows where its tokens are by biases of its attention alone.

Bao, Dong and Wei, "BEiT: BERT Pre-Training of Image Transformers", ICLR 2022. The bias between two tokens depends on
the difference of their places; for a grid of another size the table of biases is resized. As in the vision
transformer, the final normalisation and the classifier are not made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import LayerNorm, Linear, alike, empty_parameter
from .positions import looked_up, table_index
from .vit import EPS, Mlp, PatchEmbed

OF_CLASS = 3
"""Entries at the end of a table: from the class token to others, from others to it, and to itself."""


@dataclass(frozen=True)
class BeitVariant:
    """The numbers of one BEiT."""

    width: int
    depth: int
    heads: int
    hooks: tuple[int, ...]
    """The blocks whose tokens are handed on, from the finest to the coarsest."""
    window: int
    """Tokens along one side in training: the tables have an entry for each difference of places there."""

    def build(self) -> nn.Module:
        """Return the transformer on the meta device."""
        return Beit(self)


def project(x: Tensor, weight: Tensor, q_bias: Tensor, v_bias: Tensor, heads: int) -> tuple[Tensor, ...]:
    """Map tokens (..., T, C) to queries, keys and values, each (..., heads, T, C / heads); keys have no bias."""
    bias = torch.cat((q_bias, torch.zeros_like(q_bias), v_bias))
    qkv = F.linear(x, weight, bias).reshape(*x.shape[:-1], 3, heads, x.shape[-1] // heads)
    return qkv.movedim(-3, 0).transpose(-3, -2).unbind(0)


class Attention(nn.Module):
    """Multi-head self-attention with a bias for each relative position."""

    def __init__(self, variant: BeitVariant) -> None:
        super().__init__()
        width, self.heads, self.side = variant.width, variant.heads, 2 * variant.window - 1
        self.q_bias = empty_parameter(width)
        self.v_bias = empty_parameter(width)
        self.relative_position_bias_table = empty_parameter(self.side**2 + OF_CLASS, variant.heads)
        self.qkv = Linear(width, 3 * width, bias=False)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor, height: int, width: int, index: Tensor) -> Tensor:
        """Map tokens (N, 1 + height · width, C) to the same shape."""
        q, k, v = project(x, self.qkv.weight, self.q_bias, self.v_bias, self.heads)
        bias = looked_up(self._table(height, width), index)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        return self.proj(x.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # torch types a call as Any

    def _table(self, height: int, width: int) -> Tensor:
        """Return the table for a grid of tokens, (heads, entries), those of the class token first."""
        table = self.relative_position_bias_table.T
        grid = table[None, :, :-OF_CLASS].reshape(1, self.heads, self.side, self.side)
        size = (2 * height - 1, 2 * width - 1)
        grid = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
        return torch.cat((table[:, -OF_CLASS:], grid[0].flatten(1)), dim=1)


class Block(nn.Module):
    """Attention and perceptron, each on normalised tokens, scaled, and added to its input."""

    def __init__(self, variant: BeitVariant) -> None:
        super().__init__()
        self.gamma_1 = empty_parameter(variant.width)
        self.gamma_2 = empty_parameter(variant.width)
        self.norm1 = LayerNorm(variant.width, EPS)
        self.attn = Attention(variant)
        self.norm2 = LayerNorm(variant.width, EPS)
        self.mlp = Mlp(variant.width, 4)

    def forward(self, x: Tensor, height: int, width: int, index: Tensor) -> Tensor:
        """Map tokens (N, 1 + height · width, C) to the same shape."""
        x = x + self.gamma_1 * self.attn(self.norm1(x), height, width, index)
        return x + self.gamma_2 * self.mlp(self.norm2(x))  # type: ignore[no-any-return]  # torch types a call as Any


class Beit(nn.Module):
    """The transformer up to its last hooked block."""

    def __init__(self, variant: BeitVariant) -> None:
        super().__init__()
        self.hooks = variant.hooks
        self.cls_token = empty_parameter(1, 1, variant.width)
        self.patch_embed = PatchEmbed(variant.width)
        self.blocks = nn.ModuleList(alike(Block(variant), variant.depth))

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Encode pictures (N, 3, H, W), H and W multiples of 16.

        Returns no features of a stem, and for each hooked block tokens (N, 1 + H / 16 · W / 16, C), the class token
        first.
        """
        _, patches = self.patch_embed(x)
        height, width = patches.shape[2:]
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), patches.flatten(2).transpose(1, 2)), dim=1)
        index = _index(height, width, x.device)
        tokens = []
        for number, block in enumerate(self.blocks):
            x = block(x, height, width, index)
            if number in self.hooks:
                tokens.append(x)
        return [], tokens


def _index(height: int, width: int, device: torch.device) -> Tensor:
    """Return where in a table each bias of attention lies, the class token first: (1 + T, 1 + T).

    The published files hold it for one size, 8 MB a block; it follows from the size. What is padded with are plain
    numbers, because an exporter would keep one that depends on the size as it is for its example.
    """
    index = F.pad(table_index(height, width, device) + OF_CLASS, (1, 0, 0, 0), value=1)
    index = F.pad(index, (0, 0, 1, 0), value=0)
    return torch.cat((F.pad(index[:1, 1:], (1, 0), value=2), index[1:]))
