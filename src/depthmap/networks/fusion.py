"""The decoder that all networks share: features are fused from coarse to fine, then read as depth.

Lin et al., "RefineNet", CVPR 2017, in the form of Ranftl et al., "Towards Robust Monocular Depth Estimation",
TPAMI 2022, and "Vision Transformers for Dense Prediction", ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from .layers import BatchNorm2d, Conv2d, ConvTranspose2d, alike, empty_parameter
from .vit import Block

UNUSED = "scratch.refinenet4.resConfUnit1."
"""Published, but of no effect: the coarsest fusion block has no coarser map to add to its skip."""
EPS = 1e-5
"""What the batch normalisations of the stem add to the variance."""


@dataclass(frozen=True)
class DecoderVariant:
    """The numbers of one decoder."""

    inputs: tuple[int, ...]
    """Channels of the encoder's features, from the finest to the coarsest: 1/4 to 1/32 where there are four."""
    features: tuple[int, ...]
    """Channels in the fusion blocks, in the same order."""
    head: tuple[int, int]
    """Channels after the first and the second convolution of the head."""
    out_conv: bool = True
    """A 1×1 convolution ends each fusion block."""
    rectified_skip: bool = False
    """The residual units add relu(x), not x: version 2.1 rectified its input in place, and was trained so."""
    head_align_corners: bool = False
    """How the head doubles the resolution; the fusion blocks always align corners."""
    squared: bool = False
    """The head gives the square root of inverse depth: far surfaces, close to 0 in inverse depth, lie further apart."""
    padding_mode: str = "zeros"
    """What 3×3 convolutions see beyond the border: "zeros", or "replicate" for the nearest pixel."""
    coarse_first: bool = True
    """The order of the fusion blocks in the checkpoint."""
    context: int = 0
    """Transformer blocks over the coarsest features. How the depths of a picture spread is one property of the whole
    picture, and no convolution sees the whole of it."""
    half: int = 0
    """Channels of the encoder's features at 1/2, if the decoder takes them in: leaves and rails are narrower than
    the positions at 1/4."""
    to_next: bool = False
    """The fusion blocks give the size of the next finer features, which need not be the double."""
    stem: tuple[int, ...] = ()
    """Channels after each transposed convolution between the fusion and the head, each of which doubles the
    resolution."""


class ResidualConvUnit(nn.Module):
    """Two 3×3 convolutions, each after a ReLU, and the input added."""

    def __init__(self, features: int, variant: DecoderVariant) -> None:
        super().__init__()
        conv = Conv2d(features, features, 3, padding=1, padding_mode=variant.padding_mode)
        self.conv1, self.conv2 = alike(conv, 2)
        self.rectified_skip = variant.rectified_skip

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        rectified = F.relu(x)
        y = self.conv2(F.relu(self.conv1(rectified), inplace=True))
        return y + (rectified if self.rectified_skip else x)  # type: ignore[no-any-return]  # torch types a call as Any


class FusionBlock(nn.Module):
    """Adds the refined skip to the coarser map, refines the sum, and enlarges it, as a rule to twice its size."""

    def __init__(self, features: int, outputs: int, variant: DecoderVariant, coarsest: bool) -> None:
        super().__init__()
        self.out_conv = Conv2d(features, outputs, 1) if variant.out_conv else None
        self.resConfUnit1 = None if coarsest else ResidualConvUnit(features, variant)
        self.resConfUnit2 = ResidualConvUnit(features, variant)

    def forward(
        self, skip: Tensor, coarser: Tensor | None = None, size: Sequence[int] | None = None
    ) -> Tensor:
        """Fuse ``skip`` (N, C, H, W) and ``coarser``, of the same shape, to (N, C', *size), or (N, C', 2 H, 2 W)."""
        if coarser is not None and self.resConfUnit1 is not None:
            skip = coarser + self.resConfUnit1(skip)
        x = self.resConfUnit2(skip)
        # The official code convolves after upsampling. Both are linear and the weights of the interpolation
        # sum to one, so they commute: done first, the convolution costs a quarter.
        if self.out_conv is not None:
            x = self.out_conv(x)
        factor = None if size else 2.0
        return F.interpolate(x, size, factor, mode="bilinear", align_corners=True)


class Context(nn.Module):
    """Transformer blocks over all positions of the coarsest features, with a position embedding that is resized."""

    GRID = (6, 8)
    """Rows and columns of the position embedding."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.pos_embed = empty_parameter(1, width, *self.GRID)
        self.blocks = nn.ModuleList(alike(Block(width, heads=4, expansion=2), depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map features (N, C, H, W) to the same shape."""
        positions = F.interpolate(self.pos_embed, size=x.shape[2:], mode="bilinear", align_corners=False)
        tokens = (x + positions).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.transpose(1, 2).reshape(x.shape)


class SquaredReLU(nn.Module):
    """The square of what is above 0, as in So et al., "Primer", NeurIPS 2021."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor to one of the same shape."""
        return F.relu(x).square()


class Doubling(nn.Sequential):
    """A transposed convolution that doubles the resolution, and its normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.c = ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.bn = BatchNorm2d(outputs, EPS)


class Decoder(nn.Module):
    """Features of four resolutions in, or of three, inverse depth out; ``scratch`` in the checkpoints."""

    def __init__(self, variant: DecoderVariant) -> None:
        super().__init__()
        f, border = variant.features, variant.padding_mode
        for level, (inputs, features) in enumerate(zip(variant.inputs, f, strict=True), 1):
            self.add_module(
                f"layer{level}_rn", Conv2d(inputs, features, 3, padding=1, padding_mode=border, bias=False)
            )
        self.stem_transpose = None
        if variant.stem:
            parts = [(Doubling(*pair), nn.Hardswish()) for pair in pairwise((f[0], *variant.stem))]
            self.stem_transpose = nn.Sequential(*chain.from_iterable(parts))
        self.levels, self.to_next = len(f), variant.to_next
        levels = range(1, self.levels + 1)
        for level in reversed(levels) if variant.coarse_first else levels:
            block = FusionBlock(f[level - 1], f[max(level - 2, 0)], variant, coarsest=level == self.levels)
            self.add_module(f"refinenet{level}", block)
        self.context = Context(f[-1], variant.context) if variant.context else None
        self.layer0_rn = None
        if variant.half:
            self.layer0_rn = Conv2d(variant.half, f[0], 3, padding=1, padding_mode=border, bias=False)
            self.refinenet0 = ResidualConvUnit(f[0], variant)
        self.output_conv = nn.Sequential(
            Conv2d((f[0], *variant.stem)[-1], variant.head[0], 3, padding=1, padding_mode=border),
            nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=variant.head_align_corners),
            Conv2d(variant.head[0], variant.head[1], 3, padding=1, padding_mode=border),
            nn.ReLU(inplace=True),
            Conv2d(variant.head[1], 1, 1),
            SquaredReLU() if variant.squared else nn.ReLU(inplace=True),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Decode features, the finest first, to inverse depth.

        They are at 1/4, 1/8, 1/16 and 1/32, before them those at 1/2 if it takes them, or at 1/16, 1/32 and half of
        that, rounded up, if it has a stem. Inverse depth is (N, H, W), not negative.
        """
        pyramid = features[-self.levels :]
        sizes = [None, *(feature.shape[2:] if self.to_next else None for feature in pyramid)]
        path = None
        for level in range(self.levels, 0, -1):
            skip = self.get_submodule(f"layer{level}_rn")(pyramid[level - 1])
            if path is None and self.context is not None:
                skip = self.context(skip)
            path = self.get_submodule(f"refinenet{level}")(skip, path, sizes[level - 1])
        if self.layer0_rn is not None:
            path = self.refinenet0(path + self.layer0_rn(features[0]))
        if self.stem_transpose is not None:
            path = self.stem_transpose(path)
        return self.output_conv(path).squeeze(1)  # type: ignore[no-any-return]  # torch types a module's call as Any


class DepthNetwork(nn.Module):
    """An encoder and a decoder, under the names that they have in the checkpoints."""

    def __init__(self, encoder: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.pretrained = encoder
        self.scratch = decoder

    def forward(self, x: Tensor) -> Tensor:
        """Estimate relative inverse depth.

        Parameters
        ----------
        x : Tensor
            Normalised RGB pictures (N, 3, H, W), float32; H and W are multiples of 32.

        Returns
        -------
        Tensor
            (N, H, W), float32, 0 or more; larger is nearer; scale and shift differ from picture to picture.
        """
        return self.scratch(self.pretrained(x))  # type: ignore[no-any-return]  # torch types a module's call as Any
