"""The networks of MiDaS v3.1: dense prediction on BEiT, Swin Transformer V2 and LeViT.

Birkl, Wofk and Müller, "MiDaS v3.1 – A Model Zoo for Robust Monocular Relative Depth Estimation", 2023; official files
``midas/dpt_depth.py`` and ``midas/backbones/``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from .beit import BeitVariant
from .dpt import DptVariant
from .fusion import UNUSED, Decoder, DecoderVariant, DepthNetwork
from .levit import Levit, LevitVariant
from .swin2 import Swin2, Swin2Variant

_MODEL = "pretrained.model."


@dataclass(frozen=True)
class SquareVariant:
    """A network that sees every picture as a square of one size: how to make its encoder, and its decoder."""

    size: int
    """Pixels along one side of the picture."""
    encoder: Callable[[], nn.Module]
    decoder: DecoderVariant
    unused: tuple[str, ...]
    """Prefixes of published tensors that inference never reads."""

    def build(self) -> DepthNetwork:
        """Return the network on the meta device."""
        return DepthNetwork(Encoder(self.encoder()), Decoder(self.decoder))


class Encoder(nn.Module):
    """An encoder under the name that it has in the checkpoints."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures (N, 3, S, S) of the network's size to features (N, C, H, W), the finest first."""
        return self.model(x)  # type: ignore[no-any-return]  # torch types a module's call as Any


def _beit(variant: BeitVariant, channels: tuple[int, int, int, int]) -> DptVariant:
    # the indices follow from the size of the picture; the published ones are for one size
    indices = (f"{_MODEL}blocks.{n}.attn.relative_position_index" for n in range(variant.depth))
    return DptVariant(variant, channels, unused=(f"{_MODEL}fc_norm.", f"{_MODEL}head.", *indices, UNUSED))


def _swin2(variant: Swin2Variant) -> SquareVariant:
    decoder = DecoderVariant(
        variant.channels, (256,) * 4, head=(128, 32), head_align_corners=True, coarse_first=False
    )
    # the masks follow from the size of the picture
    masks = (
        f"{_MODEL}layers.{stage}.blocks.{number}.attn_mask"
        for stage, depth in enumerate(variant.depths)
        if variant.stage(stage).windows > 1
        for number in range(1, depth, 2)
    )
    return SquareVariant(
        variant.size,
        partial(Swin2, variant),
        decoder,
        (f"{_MODEL}norm.", f"{_MODEL}head.", *masks, UNUSED),
    )


def _levit(variant: LevitVariant) -> SquareVariant:
    decoder = DecoderVariant(
        variant.widths,
        (256,) * 3,
        head=(32, 8),
        head_align_corners=True,
        coarse_first=False,
        to_next=True,
        stem=(128, 64),
    )
    built = variant.hooks[-1] + 1
    # the indices follow from the size of the picture
    indices = (
        f"{_MODEL}blocks.{n}.{'' if n in variant.subsampling else 'm.'}attention_bias_idxs"
        for n in range(0, built, 2)
    )
    rest = (f"{_MODEL}blocks.{n}.m." for n in range(built, 28))
    heads = (f"{_MODEL}head.", f"{_MODEL}head_dist.")
    return SquareVariant(
        variant.size,
        partial(Levit, variant),
        decoder,
        (*heads, *rest, *indices, "scratch.refinenet3.resConfUnit1."),
    )


_LARGE = (5, 11, 17, 23)
VARIANTS: dict[str, DptVariant | SquareVariant] = {
    "dpt_beit_large_512": _beit(BeitVariant(1024, 24, 16, _LARGE, window=32), (256, 512, 1024, 1024)),
    "dpt_beit_large_384": _beit(BeitVariant(1024, 24, 16, _LARGE, window=24), (256, 512, 1024, 1024)),
    "dpt_beit_base_384": _beit(BeitVariant(768, 12, 12, (2, 5, 8, 11), window=24), (96, 192, 384, 768)),
    "dpt_swin2_large_384": _swin2(
        Swin2Variant(384, 24, 192, (2, 2, 18, 2), (6, 12, 24, 48), pretrained=(12, 12, 12, 6))
    ),
    "dpt_swin2_base_384": _swin2(
        Swin2Variant(384, 24, 128, (2, 2, 18, 2), (4, 8, 16, 32), pretrained=(12, 12, 12, 6))
    ),
    "dpt_swin2_tiny_256": _swin2(Swin2Variant(256, 16, 96, (2, 2, 6, 2), (3, 6, 12, 24))),
    "dpt_levit_224": _levit(
        LevitVariant(
            224,
            stem=(48, 96, 192, 384),
            widths=(384, 512, 768),
            heads=(6, 9, 12),
            depths=(4, 4, 1),
            hooks=(3, 11, 21),
        )
    ),
}
"""Published, and fixed in size but for BEiT."""
