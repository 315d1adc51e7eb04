"""LeViT: a convolutional stem, and attention on grids of three sizes that gets by with few channels of queries.

Graham et al., "LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference", ICCV 2021. A network sees
pictures of one size only. What comes after the last features that are handed on is not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise

from torch import Tensor, nn

from .layers import BatchNorm1d, BatchNorm2d, Conv2d, Linear, empty_parameter
from .positions import differences, looked_up, pairs

EPS = 1e-5
KEY = 32
"""Channels of a query and of a key of one head."""


@dataclass(frozen=True)
class LevitVariant:
    """The numbers of one LeViT."""

    size: int
    """Pixels along one side of the picture."""
    stem: tuple[int, ...]
    """Channels after each convolution of the stem, which halves the resolution; the last are the first stage's."""
    widths: tuple[int, ...]
    heads: tuple[int, ...]
    depths: tuple[int, ...]
    """Pairs of attention and perceptron in each stage; of the last, those before its features."""
    hooks: tuple[int, ...]
    """The blocks whose tokens are handed on, one in each stage."""

    @property
    def sides(self) -> tuple[int, ...]:
        """Tokens along one side of the grid of each stage: each has half of the one before, rounded up."""
        first = self.size >> len(self.stem)
        return tuple(-(-first // 2**stage) for stage in range(len(self.widths)))

    @property
    def subsampling(self) -> tuple[int, ...]:
        """The blocks that begin a stage by leaving tokens out; a perceptron follows each, as each attention."""
        return tuple(2 * (sum(self.depths[:stage]) + stage - 1) for stage in range(1, len(self.widths)))


class ConvNorm(nn.Sequential):
    """A convolution that halves the resolution, and its normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.c = Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.bn = BatchNorm2d(outputs, EPS)


class LinearNorm(nn.Module):
    """A linear layer and its normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.c = Linear(inputs, outputs, bias=False)
        self.bn = BatchNorm1d(outputs, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to (N, T, C')."""
        y = self.c(x)
        return self.bn(y.flatten(0, 1)).reshape(y.shape)  # type: ignore[no-any-return]  # torch types a call as Any


class Attending(nn.Module):
    """What both kinds of attention share: scores with a bias for each distance in rows and columns, and the output."""

    def __init__(self, heads: int, side: int, step: int = 1) -> None:
        super().__init__()
        self.heads, self.side, self.step = heads, side, step
        self.attention_biases = empty_parameter(heads, side**2)

    def by_head(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to (N, heads, T, C / heads)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Map queries, keys and values, each (N, heads, T, C), to tokens (N, T, heads · C)."""
        distance = differences(self.side, q.device, self.step).abs()
        bias = looked_up(self.attention_biases, pairs(distance * self.side, distance))
        # In the published order: fused attention rounds otherwise, which the weights of our reference magnify to
        # 0.4 % of the output, and for 196 tokens it is no quicker.
        scores: Tensor = q @ k.transpose(2, 3) * KEY**-0.5 + bias
        x = scores.softmax(dim=-1) @ v
        return x.transpose(1, 2).flatten(2)


class Attention(Attending):
    """Self-attention; values have twice the channels of keys."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__(heads, side)
        self.qkv = LinearNorm(width, heads * 4 * KEY)
        self.proj = nn.Sequential(nn.Hardswish(), LinearNorm(heads * 2 * KEY, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, side², C) to the same shape."""
        qkv = self.by_head(self.qkv(x))
        q, k, v = qkv[..., :KEY], qkv[..., KEY : 2 * KEY], qkv[..., 2 * KEY :]
        return self.proj(self.attend(q, k, v))  # type: ignore[no-any-return]  # torch types a module's call as Any


class Subsample(nn.Module):
    """Every second token of every second row."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, side², C) to (N, ⌈side / 2⌉², C)."""
        x = x.reshape(x.shape[0], self.side, self.side, x.shape[2])[:, ::2, ::2]
        return x.flatten(1, 2)


class AttentionSubsample(Attending):
    """Attention from every second token of every second row; values have four times the channels of keys."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        heads = inputs // KEY
        super().__init__(heads, side, step=2)
        self.kv = LinearNorm(inputs, heads * 5 * KEY)
        self.q = nn.Sequential(Subsample(side), LinearNorm(inputs, heads * KEY))
        self.proj = nn.Sequential(nn.Hardswish(), LinearNorm(heads * 4 * KEY, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, side², C) to (N, ⌈side / 2⌉², C')."""
        kv = self.by_head(self.kv(x))
        x = self.attend(self.by_head(self.q(x)), kv[..., :KEY], kv[..., KEY:])
        return self.proj(x)  # type: ignore[no-any-return]  # torch types a call as Any


class Residual(nn.Module):
    """A module, and its input added."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.m = module

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, C) to the same shape."""
        return x + self.m(x)  # type: ignore[no-any-return]  # torch types a module's call as Any


def perceptron(width: int) -> Residual:
    """Return two linear layers with a hard swish between them, and the input added."""
    return Residual(nn.Sequential(LinearNorm(width, 2 * width), nn.Hardswish(), LinearNorm(2 * width, width)))


class Levit(nn.Module):
    """The transformer up to its last hooked block."""

    def __init__(self, variant: LevitVariant) -> None:
        super().__init__()
        self.hooks = variant.hooks
        convolutions = [(ConvNorm(*pair), nn.Hardswish()) for pair in pairwise((3, *variant.stem))]
        self.patch_embed = nn.Sequential(*list(chain.from_iterable(convolutions))[:-1])
        self.blocks = nn.ModuleList()
        widths, sides = variant.widths, variant.sides
        for stage, (width, heads, side) in enumerate(zip(widths, variant.heads, sides, strict=True)):
            if stage:
                self.blocks.append(AttentionSubsample(widths[stage - 1], width, sides[stage - 1]))
                self.blocks.append(perceptron(width))
            for _ in range(variant.depths[stage]):
                self.blocks.append(Residual(Attention(width, heads, side)))
                self.blocks.append(perceptron(width))
        self.sides = sides

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures (N, 3, S, S) of the network's size to features (N, C, s, s), s of each of the three sides."""
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        tokens: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.hooks:
                tokens.append(x)
        sized = zip(tokens, self.sides, strict=True)
        return [t.transpose(1, 2).reshape(t.shape[0], t.shape[2], side, side) for t, side in sized]
