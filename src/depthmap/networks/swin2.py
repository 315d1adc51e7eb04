"""Swin Transformer V2: attention within windows, which every second block shifts by half a window.

Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution", CVPR 2022. A network sees pictures of one size
only. The final normalisation and the classifier are not made: depth is read before them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .beit import project
from .layers import Conv2d, LayerNorm, Linear, alike, empty_parameter
from .positions import looked_up, pairs, table_index
from .vit import Mlp

EPS = 1e-5
PATCH = 4
"""Pixels of the picture along one side of a token of the first stage."""
SHARPEST = 100.0
"""The greatest factor of the cosines in an attention."""
BIASES = 16.0
"""The biases are between 0 and this."""
UNRELATED = -100.0
"""Added to the scores of tokens that are side by side only because the shift goes around."""


@dataclass(frozen=True)
class Swin2Variant:
    """The numbers of one Swin Transformer V2."""

    size: int
    """Pixels along one side of the picture."""
    window: int
    """Tokens along one side of a window, or fewer where the stage has fewer."""
    width: int
    """Channels of the first stage; each other has twice as many as the one before."""
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    pretrained: tuple[int, ...] = ()
    """Tokens along one side of a window in pre-training, by stage, where they were others."""

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of the features, from 1/4 to 1/32."""
        return tuple(self.width << stage for stage in range(len(self.depths)))

    def stage(self, number: int) -> Stage:
        """Return the numbers of one stage."""
        side = self.size // PATCH >> number
        window = min(self.window, side)
        trained = self.pretrained[number] if self.pretrained else window
        return Stage(self.channels[number], self.heads[number], window, side // window, trained)


@dataclass(frozen=True)
class Stage:
    """The numbers that the blocks of a stage share."""

    width: int
    heads: int
    window: int
    """Tokens along one side of a window."""
    windows: int
    """Windows along one side of the map."""
    trained: int
    """Tokens along one side of a window in pre-training."""


class PatchEmbed(nn.Module):
    """Patches of the picture, each projected to a normalised token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = LayerNorm(width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (N, 3, H, W) to tokens (N, H / 4, W / 4, C)."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))  # type: ignore[no-any-return]  # torch types a call as Any


class WindowAttention(nn.Module):
    """Multi-head self-attention by cosines, within each window, with a bias for each relative position."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        width, self.stage = stage.width, stage
        self.logit_scale = empty_parameter(stage.heads, 1, 1)
        self.q_bias = empty_parameter(width)
        self.v_bias = empty_parameter(width)
        self.cpb_mlp = nn.Sequential(Linear(2, 512), nn.ReLU(), Linear(512, stage.heads, bias=False))
        self.qkv = Linear(width, 3 * width, bias=False)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map tokens (N, windows, T, C) to the same shape; ``mask``, (windows, T, T), is added to the scores."""
        q, k, v = project(x, self.qkv.weight, self.q_bias, self.v_bias, self.stage.heads)
        scale = self.logit_scale.clamp(max=math.log(SHARPEST)).exp()
        q, k = F.normalize(q, dim=-1) * scale, F.normalize(k, dim=-1)
        bias = self._bias() if mask is None else self._bias() + mask[:, None]
        # torch's fused attention has no form for five dimensions: it would do the same, and cannot be exported
        x = (q @ k.transpose(-2, -1) + bias).softmax(dim=-1) @ v
        return self.proj(x.transpose(2, 3).flatten(3))  # type: ignore[no-any-return]  # torch types a call as Any

    def _bias(self) -> Tensor:
        """Return what depends on the relative position alone, (heads, T, T)."""
        window, device = self.stage.window, self.logit_scale.device
        table = BIASES * torch.sigmoid(self.cpb_mlp(coordinates(window, self.stage.trained, device)))
        return looked_up(table.T, table_index(window, window, device))


def coordinates(window: int, trained: int, device: torch.device) -> Tensor:
    """Return the relative positions in a window, logarithmic, relative to the window in pre-training: (entries, 2)."""
    difference = torch.arange(1 - window, window, device=device, dtype=torch.float32) * (8 / (trained - 1))
    axis = difference.sign() * torch.log2(difference.abs() + 1) / 3
    rows, columns = axis[:, None].expand(-1, len(axis)), axis.expand(len(axis), -1)
    return torch.stack((rows, columns), dim=-1).reshape(-1, 2)


def mask(window: int, windows: int, shift: int, device: torch.device) -> Tensor:
    """Return what keeps tokens apart that a shift has brought into one window, (windows², T, T).

    The published files hold it; it follows from the size.
    """
    place = torch.arange(window * windows, device=device)
    # 0 where the shift changes no neighbours; 1 and 2 in the last window, before and after the border
    zone = (place >= window * (windows - 1)).long() + (place >= window * windows - shift).long()
    zones = split(pairs(3 * zone[:, None], zone[:, None]).reshape(1, len(place), len(place), 1), window)
    zones = zones.reshape(windows**2, window**2)
    return (zones[:, :, None] != zones[:, None]).float() * UNRELATED


def split(x: Tensor, window: int) -> Tensor:
    """Cut a map (N, H, W, C) into windows, (N, H / window · W / window, window², C)."""
    n, height, width, c = x.shape
    x = x.reshape(n, height // window, window, width // window, window, c).transpose(2, 3)
    return x.reshape(n, -1, window**2, c)


def joined(x: Tensor, windows: int, window: int) -> Tensor:
    """Put the windows of a square map together: the reverse of `split`."""
    x = x.reshape(x.shape[0], windows, windows, window, window, x.shape[3]).transpose(2, 3)
    return x.reshape(x.shape[0], windows * window, windows * window, x.shape[5])


class Block(nn.Module):
    """Attention and perceptron, each normalised and added to its input."""

    def __init__(self, stage: Stage, shifted: bool) -> None:
        super().__init__()
        self.stage = stage
        self.shift = stage.window // 2 if shifted and stage.windows > 1 else 0
        self.attn = WindowAttention(stage)
        self.norm1 = LayerNorm(stage.width, EPS)
        self.mlp = Mlp(stage.width, 4)
        self.norm2 = LayerNorm(stage.width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, S, S, C) to the same shape."""
        x = x + self.norm1(self._attended(x))
        return x + self.norm2(self.mlp(x))  # type: ignore[no-any-return]  # torch types a module's call as Any

    def _attended(self, x: Tensor) -> Tensor:
        window, windows, shift = self.stage.window, self.stage.windows, self.shift
        if not shift:
            return joined(self.attn(split(x, window), None), windows, window)
        x = split(x.roll((-shift, -shift), (1, 2)), window)
        x = self.attn(x, mask(window, windows, shift, x.device))
        return joined(x, windows, window).roll((shift, shift), (1, 2))


class PatchMerging(nn.Module):
    """Four neighbours to one token of twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = Linear(4 * width, 2 * width, bias=False)
        self.norm = LayerNorm(2 * width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, S, S, C) to (N, S / 2, S / 2, 2 C)."""
        n, height, width, c = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, c).permute(0, 1, 3, 4, 2, 5)
        return self.norm(self.reduction(x.flatten(3)))  # type: ignore[no-any-return]  # torch types a call as Any


class Layer(nn.Module):
    """The blocks of one stage, and the step to the next one."""

    def __init__(self, stage: Stage, depth: int, last: bool) -> None:
        super().__init__()
        plain, shifted = (alike(Block(stage, odd), depth // 2) for odd in (False, True))
        self.blocks = nn.Sequential(*(block for pair in zip(plain, shifted, strict=True) for block in pair))
        self.downsample = None if last else PatchMerging(stage.width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (N, S, S, C) to tokens of the same shape, and to those with which the next stage begins."""
        x = self.blocks(x)
        return x, x if self.downsample is None else self.downsample(x)


class Swin2(nn.Module):
    """The transformer up to the last block of its last stage."""

    def __init__(self, variant: Swin2Variant) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(variant.width)
        last = len(variant.depths) - 1
        self.layers = nn.ModuleList(
            Layer(variant.stage(number), depth, number == last) for number, depth in enumerate(variant.depths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures (N, 3, S, S) of the network's size to features at 1/4, 1/8, 1/16 and 1/32 of S."""
        x = self.patch_embed(x)
        features = []
        for layer in self.layers:
            tokens, x = layer(x)
            features.append(tokens.permute(0, 3, 1, 2))
        return features
