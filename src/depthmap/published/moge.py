"""MoGe-2: checkpoints of the author's repositories on Hugging Face."""

from __future__ import annotations

from ..spec import IMAGENET, ModelSpec

GROUP = "MoGe-2"
GROUPS = {GROUP: "metres, camera and normals from one picture of any scene"}
_HUB = "https://huggingface.co/"


def _model(
    name: str,
    network: str,
    repository: str,
    nbytes: int,
    sha256: str,
    parameters: int,
    about: str,
    work: float,
    *,
    short: bool = False,
) -> ModelSpec:
    """Return an entry. 560 pixels are 1200 tokens, the least that its authors suggest; their default is 3600."""
    return ModelSpec(
        name,
        network,
        560,
        "area",
        *IMAGENET,
        path=f"Ruicheng/{repository}/resolve/main/model.pt",
        bytes=nbytes,
        sha256=sha256,
        parameters=parameters,
        licence="MIT",
        about=about,
        base=_HUB,
        group=GROUP,
        short=short,
        work=work,
    )


MODELS = (
    _model(
        "MoGe2_Small_Normal",
        "moge2_small_normal",
        "moge-2-vits-normal",
        140_550_416,
        "79a16621928c2bf0ed04659218c55c01075e950507f40bb3332fb4c873d3e1dc",
        35_103_656,
        "metres, camera and normals; ViT-S/14",
        0.54,
        short=True,
    ),
    _model(
        "MoGe2_Base_Normal",
        "moge2_base_normal",
        "moge-2-vitb-normal",
        419_110_160,
        "16b8110e86d5dc5a849db120ca96ef3a223fd30b0c9146d1d81db504073da5f6",
        104_743_592,
        "more exact; ViT-B/14",
        0.91,
    ),
    _model(
        "MoGe2_Large_Normal",
        "moge2_large_normal",
        "moge-2-vitl-normal",
        1_323_815_904,
        "280741fd09bc3f403ccff9967784c2a391b52d2c0742ae3efdb21d9f90cc1a01",
        330_901_544,
        "the most exact; ViT-L/14",
        1.94,
    ),
    _model(
        "MoGe2_Large",
        "moge2_large",
        "moge-2-vitl",
        1_305_030_700,
        "3eefd4abb2102f38f12b2d1992e5ff15e4923e5431c67dd494afe157e0111cd5",
        326_209_221,
        "without normals; ViT-L/14",
        1.9,
    ),
)
