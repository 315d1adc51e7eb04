"""The dense prediction transformers: DPT_Large and DPT_Hybrid.

Ranftl, Bochkovskiy and Koltun, "Vision Transformers for Dense Prediction", ICCV 2021; official files
``midas/dpt_depth.py`` and ``midas/backbones/vit.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .beit import BeitVariant
from .fusion import UNUSED, Decoder, DecoderVariant, DepthNetwork
from .layers import Conv2d, ConvTranspose2d, Linear
from .resnetv2 import RESNET50
from .vit import PATCH, ViTVariant

# From tokens at 1/16 to the decoder's resolutions 1/4, 1/8, 1/16 and 1/32.
RESAMPLE: tuple[Callable[[int], nn.Module] | None, ...] = (
    lambda channels: ConvTranspose2d(channels, channels, 4, stride=4),
    lambda channels: ConvTranspose2d(channels, channels, 2, stride=2),
    None,
    lambda channels: Conv2d(channels, channels, 3, stride=2, padding=1),
)


@dataclass(frozen=True)
class DptVariant:
    """One dense prediction transformer."""

    vit: ViTVariant | BeitVariant
    channels: tuple[int, int, int, int]
    """Channels handed to the decoder, from 1/4 to 1/32."""
    features: int = 256
    head: tuple[int, int] = (128, 32)
    unused: tuple[str, ...] = ("pretrained.model.head.", "pretrained.model.norm.", UNUSED)
    """Prefixes of published tensors that inference never reads."""

    def build(self) -> DepthNetwork:
        """Return the network on the meta device."""
        f = self.features
        decoder = DecoderVariant(
            self.channels, (f, f, f, f), self.head, head_align_corners=True, coarse_first=False
        )
        return DepthNetwork(ViTPyramid(self), Decoder(decoder))


VARIANTS = {
    "dpt_large": DptVariant(ViTVariant(1024, 24, 16, hooks=(5, 11, 17, 23)), (256, 512, 1024, 1024)),
    "dpt_hybrid": DptVariant(ViTVariant(768, 12, 12, hooks=(8, 11), stem=RESNET50), (256, 512, 768, 768)),
}


class Readout(nn.Module):
    """Tells every token what the class token knows (``project`` in the paper)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, 1 + T, C), the class token first, to (N, T, C)."""
        # One linear layer on both tokens joined is the sum of one on each: the class token's is done once,
        # and nothing is joined.
        weight, bias = self.get_parameter("project.0.weight"), self.get_parameter("project.0.bias")
        of_token = F.linear(tokens[:, 1:], weight[:, : tokens.shape[2]])
        of_class = F.linear(tokens[:, :1], weight[:, tokens.shape[2] :], bias)
        return F.gelu(of_token + of_class)


class Reassemble(nn.ModuleDict):
    """Tokens to a feature map of one resolution; the keys are the places in the official sequence."""

    def __init__(self, width: int, channels: int, level: int) -> None:
        super().__init__({"0": Readout(width), "3": Conv2d(width, channels, 1)})
        resample = RESAMPLE[level]
        if resample is not None:
            self["4"] = resample(channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Map tokens (N, 1 + height · width, C) to features (N, C', H', W')."""
        x = self["0"](tokens).transpose(1, 2)
        x = self["3"](x.reshape(x.shape[0], x.shape[1], height, width))
        return self["4"](x) if "4" in self else x  # type: ignore[no-any-return]  # torch types a module's call as Any


class ViTPyramid(nn.Module):
    """The encoder: a vision transformer, and the reassembly of its tokens."""

    def __init__(self, variant: DptVariant) -> None:
        super().__init__()
        self.model = variant.vit.build()
        # The stem of a hybrid has made the finer levels already.
        self.levels = range(4 - len(variant.vit.hooks), 4)
        for level in self.levels:
            reassemble = Reassemble(variant.vit.width, variant.channels[level], level)
            self.add_module(f"act_postprocess{level + 1}", reassemble)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode pictures (N, 3, H, W) to features at 1/4, 1/8, 1/16 and 1/32 of H and W."""
        height, width = x.shape[2] // PATCH, x.shape[3] // PATCH
        features, tokens = self.model(x)
        for level, hooked in zip(self.levels, tokens, strict=True):
            reassemble = self.get_submodule(f"act_postprocess{level + 1}")
            features.append(reassemble(hooked, height, width))
        return features  # type: ignore[no-any-return]  # torch types a module's call as Any
