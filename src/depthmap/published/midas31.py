"""MiDaS v3.1: checkpoints of the release of isl-org/MiDaS, under the names that torch.hub gives them."""

from __future__ import annotations

from ..spec import HALF, ModelSpec

GROUP = "MiDaS v3.1"
GROUPS = {GROUP: "later encoders; DPT_BEiT_L_512 is MiDaS's most accurate"}
_README = "https://github.com/isl-org/MiDaS#accuracy"


def _model(
    name: str,
    network: str,
    size: int,
    nbytes: int,
    sha256: str,
    parameters: int,
    about: str,
    errors: str,
    work: float = 0.0,
    *,
    square: bool = False,
    short: bool = False,
) -> ModelSpec:
    """Return an entry; the shares of pixels that are wrong by more than a quarter are those of NYU and KITTI."""
    return ModelSpec(
        name,
        network,
        size,
        "square" if square else "minimal",
        *HALF,
        path=f"v3_1/{network}.pt",
        bytes=nbytes,
        sha256=sha256,
        parameters=parameters,
        licence="MIT",
        about=about,
        hub_names=(f"{network}.pt",),
        group=GROUP,
        short=short,
        accuracy=errors,
        accuracy_source=_README if errors else "",
        work=work,
    )


MODELS = (
    _model(
        "DPT_BEiT_L_512",
        "dpt_beit_large_512",
        512,
        1_581_966_003,
        "9e9e900747e9e8b3112df716979219836a27716277b3d0dc53889cbba8b82328",
        345_014_441,
        "the most accurate of MiDaS; BEiT-L/16",
        "δ < 1.25: NYU 98.1 %, KITTI 88.4 %, both trained on",
        3.52,
        short=True,
    ),
    _model(
        "DPT_BEiT_L_384",
        "dpt_beit_large_384",
        384,
        1_441_465_011,
        "9a86e82345dee25004eeacbc25db11fae827d32cd6939a9056eb7db6ef895413",
        344_338_601,
        "at a smaller size; BEiT-L/16",
        "",
        work=1.44,
    ),
    _model(
        "DPT_BEiT_B_384",
        "dpt_beit_base_384",
        384,
        0,
        "",
        111_531_689,
        "BEiT-B/16",
        "δ < 1.25: NYU 96.1 %, KITTI 73.4 %, both trained on",
        0.45,
    ),
    _model(
        "DPT_SwinV2_L_384",
        "dpt_swin2_large_384",
        384,
        0,
        "8820c77a09e6b1d4bf2bcf71d1f52509239aa07c5f51709d8eee95c8775d5ec8",
        213_411_869,
        "squeezes pictures to a square; Swin V2 L",
        "δ < 1.25: NYU 97.1 %, KITTI 94.2 %, both trained on",
        0.83,
        square=True,
    ),
    _model(
        "DPT_SwinV2_B_384",
        "dpt_swin2_base_384",
        384,
        0,
        "",
        102_378_913,
        "squeezes pictures to a square; Swin V2 B",
        "δ < 1.25: NYU 96.7 %, KITTI 94.0 %, both trained on",
        square=True,
        work=0.43,
    ),
    _model(
        "DPT_SwinV2_T_256",
        "dpt_swin2_tiny_256",
        256,
        0,
        "",
        41_701_331,
        "squeezes pictures to a square; Swin V2 T",
        "δ < 1.25: NYU 94.5 %, KITTI 89.9 %, both trained on",
        0.1,
        square=True,
    ),
    _model(
        "DPT_LeViT_224",
        "dpt_levit_224",
        224,
        0,
        "",
        50_630_837,
        "the quickest; squeezes pictures to a square; LeViT",
        "δ < 1.25: NYU 91.4 %, KITTI 84.7 %, both trained on",
        0.02,
        square=True,
    ),
)
