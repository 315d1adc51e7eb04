"""The convolutional networks: MiDaS v2.1, MiDaS_small, and the embedded network.

Ranftl et al., "Towards Robust Monocular Depth Estimation: Mixing Datasets for Zero-shot Cross-dataset
Transfer", TPAMI 2022; official files ``midas/midas_net.py`` and ``midas/midas_net_custom.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import efficientnet, resnext
from .fusion import UNUSED, Decoder, DecoderVariant, DepthNetwork
from .layers import FinePyramid, Pyramid


@dataclass(frozen=True)
class MidasVariant:
    """One convolutional network: how to make its encoder, and the numbers of its decoder."""

    encoder: Callable[[], Pyramid]
    decoder: DecoderVariant
    unused: tuple[str, ...] = (UNUSED,)
    """Prefixes of published tensors that inference never reads."""

    def build(self) -> DepthNetwork:
        """Return the network on the meta device."""
        return DepthNetwork(self.encoder(), Decoder(self.decoder))


VARIANTS = {
    "midas_v21": MidasVariant(
        partial(resnext.encoder, resnext.RESNEXT101_32X8D),
        DecoderVariant(
            resnext.RESNEXT101_32X8D.outer,
            (256, 256, 256, 256),
            head=(128, 32),
            out_conv=False,
            rectified_skip=True,
        ),
    ),
    "midas_small": MidasVariant(
        partial(efficientnet.encoder, efficientnet.LITE3),
        DecoderVariant(efficientnet.LITE3.pyramid, (64, 128, 256, 512), head=(32, 32)),
    ),
    "depthmap_tiny": MidasVariant(
        partial(efficientnet.encoder, efficientnet.LITE0, FinePyramid),
        # Zeros beyond the border leave a frame, and corners several times as near as all else.
        DecoderVariant(
            efficientnet.LITE0.pyramid,
            (24, 40, 80, 160),
            head=(16, 16),
            half=efficientnet.LITE0.channels[0],
            context=2,
            squared=True,
            padding_mode="replicate",
        ),
    ),
}
