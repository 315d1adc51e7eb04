"""The head that DINOv2's tokens go through: that of the dense prediction transformers, without a readout token.

Ranftl et al., "Vision Transformers for Dense Prediction", ICCV 2021, as Depth Anything has it. All versions share it,
and differ in what comes last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from .dinov2 import PATCH
from .dpt import RESAMPLE
from .fusion import DecoderVariant, FusionBlock
from .layers import Conv2d

Channels = tuple[int, int, int, int]
HIDDEN = 32
"""Channels between the last two convolutions."""


def last_convolutions(features: int, outputs: int = 1) -> nn.Sequential:
    """Return the two convolutions that end a head, from half of ``features`` to ``outputs`` channels."""
    return nn.Sequential(
        Conv2d(features // 2, HIDDEN, 3, padding=1), nn.ReLU(inplace=True), Conv2d(HIDDEN, outputs, 1)
    )


class Scratch(nn.Module):
    """The fusion of the features from coarse to fine, and the last convolutions, by their names in ``last``.

    ``embedding`` maps the fused features, at the size of the picture, to the same shape.
    """

    def __init__(
        self,
        channels: Channels,
        features: int,
        last: Mapping[str, nn.Module],
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        f = features
        decoder = DecoderVariant(channels, (f, f, f, f), (f // 2, HIDDEN))
        for level, inputs in enumerate(channels, 1):
            self.add_module(f"layer{level}_rn", Conv2d(inputs, f, 3, padding=1, bias=False))
        for level in (1, 2, 3, 4):
            self.add_module(f"refinenet{level}", FusionBlock(f, f, decoder, coarsest=level == 4))
        self.output_conv1 = Conv2d(f, f // 2, 3, padding=1)
        self.embedding = embedding or nn.Identity()
        self.last = tuple(last)
        for name, module in last.items():
            self.add_module(name, module)

    def forward(self, features: Sequence[Tensor], size: Sequence[int]) -> list[Tensor]:
        """Map features (N, C, h, w), from fine to coarse, to what each of the last makes of them, (N, C', *size)."""
        skips = [self.get_submodule(f"layer{level}_rn")(x) for level, x in enumerate(features, 1)]
        sizes = [None, *(skip.shape[2:] for skip in skips)]
        path = None
        for level in (4, 3, 2, 1):
            path = self.get_submodule(f"refinenet{level}")(skips[level - 1], path, sizes[level - 1])
        x = F.interpolate(self.output_conv1(path), size, mode="bilinear", align_corners=True)
        x = self.embedding(x)
        return [self.get_submodule(name)(x) for name in self.last]


class Head(nn.Module):
    """Tokens in, maps out.

    Parameters
    ----------
    width : int
        Channels of the tokens.
    channels : tuple of int
        Channels of the features that are made of the tokens, from fine to coarse.
    scratch : Scratch
        What makes maps of the features.
    norm : Module, optional
        What normalises the tokens.
    embedding : Module, optional
        Maps the features, one for each token, to the same shape.
    """

    def __init__(
        self,
        width: int,
        channels: Channels,
        scratch: Scratch,
        norm: nn.Module | None = None,
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm = norm or nn.Identity()
        self.projects = nn.ModuleList(Conv2d(width, c, 1) for c in channels)
        self.embedding = embedding or nn.Identity()
        self.resize_layers = nn.ModuleList(
            resample(c) if resample else nn.Identity() for resample, c in zip(RESAMPLE, channels, strict=True)
        )
        self.scratch = scratch

    def forward(self, taps: Sequence[Tensor], height: int, width: int) -> list[Tensor]:
        """Map tokens (N, 1 + h · w, C), the class token first, to maps (N, C', 14 h, 14 w)."""
        rows, columns = height // PATCH, width // PATCH
        features = []
        for tokens, project, resize in zip(taps, self.projects, self.resize_layers, strict=True):
            patches = self.norm(tokens[:, 1:]).transpose(1, 2).reshape(tokens.shape[0], -1, rows, columns)
            features.append(resize(self.embedding(project(patches))))
        return self.scratch(features, (height, width))  # type: ignore[no-any-return]  # torch types a call as Any
