"""DINOv2 for any number of views, as Depth Anything 3 has it, here with one.

Lin et al., "Depth Anything 3: Recovering the Visual Space from Any Views", 2025. From the block `START` on, attention
knows where the tokens lie, by rotary embedding (Su et al., "RoFormer", 2021) along both axes, and every second block
looks at the tokens of all views. With one view these are the tokens that the other blocks see, but all at one place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dinov2 import PATCH, Block, DinoV2, DinoVariant
from .layers import LayerNorm, Linear, alike, empty_parameter

START = 4
"""The first block with rotation; the class token becomes the camera's before it."""
BASE = 100.0
"""The slowest rotation is nearly so many times slower than the quickest, of one radian per token."""
EPS = 1e-5

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines, (T, C / heads) each. Of the sines, those of the first of each pair of channels are negative."""


class RotaryAttention(nn.Module):
    """Multi-head self-attention with normalised queries and keys, which are rotated by where their tokens lie."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.q_norm, self.k_norm = alike(LayerNorm(width // heads, EPS), 2)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape."""
        n, t, c = x.shape
        qkv = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, C / heads)
        q, k = (_rotated(y, cosines, sines) for y in (self.q_norm(q), self.k_norm(k)))
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, t, c))  # type: ignore[no-any-return]  # torch types a call as Any


class AnyViewDino(DinoV2):
    """The transformer up to its last tapped block; the tapped ones are of the kind that looks at all views."""

    def __init__(self, variant: DinoVariant) -> None:
        super().__init__(variant)
        width, heads = variant.width, variant.heads
        self.channels = width // heads
        self.camera_token = empty_parameter(1, 2, width)
        rotary = alike(Block(width, heads, RotaryAttention), variant.depth - START)
        self.blocks = nn.ModuleList([*self.blocks[:START], *rotary])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures.

        Parameters
        ----------
        x : Tensor
            Normalised RGB (N, 3, H, W); H and W are multiples of 14.

        Returns
        -------
        list of Tensor
            For each tapped block the tokens of the block before it and its own, (N, 1 + H / 14 · W / 14, 2 C), the
            camera's token first. Its own are still to be normalised, by `normalised`.
        """
        tokens = self._tokens(x)
        apart, together = _rotations(x.shape[2] // PATCH, x.shape[3] // PATCH, self.channels, x)
        camera = self.camera_token[:, :1].expand(x.shape[0], -1, -1)
        tapped = []
        for number, block in enumerate(self.blocks):
            if number == START:
                tokens = torch.cat((camera, tokens[:, 1:]), dim=1)
            before = tokens
            tokens = block(tokens) if number < START else block(tokens, *(together if number % 2 else apart))
            if number in self.taps:
                tapped.append(torch.cat((before, tokens), dim=2))
        return tapped

    def normalised(self, tokens: Tensor) -> Tensor:
        """Normalise of tapped tokens (N, T, 2 C) the second half."""
        before, own = tokens.chunk(2, dim=2)
        return torch.cat((before, self.norm(own)), dim=2)


def _rotations(rows: int, columns: int, channels: int, like: Tensor) -> tuple[Rotation, Rotation]:
    """Return the rotations of tokens that lie in a grid, and of tokens that all lie at one place, of a type like."""
    down, across = (torch.arange(n, dtype=torch.float32, device=like.device) + 1 for n in (rows, columns))
    grid = torch.stack((down[:, None].expand(rows, columns), across.expand(rows, columns)), dim=2)
    places = grid.flatten(0, 1)
    first, second = (_rotation(p, channels // 4) for p in (places, torch.ones_like(places)))
    return _of_type(first, like), _of_type(second, like)


def _of_type(rotation: Rotation, like: Tensor) -> Rotation:
    return rotation[0].to(like.dtype), rotation[1].to(like.dtype)


def _rotation(places: Tensor, count: int) -> Rotation:
    """Return the rotation of the camera's token, which is none, and of tokens at rows and columns (T, 2).

    The first half of a head's channels turns with the row, the second with the column, each in ``count`` pairs.
    """
    places = torch.cat((torch.zeros_like(places[:1]), places))
    angles = places[:, :, None] * speeds(count, places)
    cosines, sines = angles.cos(), angles.sin()
    return torch.cat((cosines, cosines), dim=2).flatten(1), torch.cat((-sines, sines), dim=2).flatten(1)


def speeds(count: int, like: Tensor) -> Tensor:
    """Return so many frequencies, from 1 down to almost 1 / `BASE`, of a type like."""
    return BASE ** (-torch.arange(count, dtype=like.dtype, device=like.device) / count)


def _rotated(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate queries or keys (N, heads, T, C / heads)."""
    a, b, c, d = x.chunk(4, dim=-1)
    return x * cosines + torch.cat((b, a, d, c), dim=-1) * sines
