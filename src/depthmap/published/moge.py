"""MoGe-2: checkpoints of the author's repositories on Hugging Face."""

from __future__ import annotations

from functools import partial

from ..spec import HUB, IMAGENET, ModelSpec

GROUP = "MoGe-2"
GROUPS = {GROUP: "metres, camera and normals from one picture of any scene"}
_MEAN, _STD = IMAGENET
_model = partial(
    ModelSpec,
    input_size=560,  # 1200 tokens, the least that its authors suggest; their default is 3600
    resize="area",
    mean=_MEAN,
    std=_STD,
    licence="MIT",
    base=HUB,
    group=GROUP,
)
MODELS = (
    _model(
        "MoGe2_Small_Normal",
        "moge2_small_normal",
        path="Ruicheng/moge-2-vits-normal/resolve/main/model.pt",
        bytes=140_550_416,
        sha256="79a16621928c2bf0ed04659218c55c01075e950507f40bb3332fb4c873d3e1dc",
        parameters=35_103_656,
        about="metres, camera and normals; ViT-S/14",
        short=True,
        work=0.54,
    ),
    _model(
        "MoGe2_Base_Normal",
        "moge2_base_normal",
        path="Ruicheng/moge-2-vitb-normal/resolve/main/model.pt",
        bytes=419_110_160,
        sha256="16b8110e86d5dc5a849db120ca96ef3a223fd30b0c9146d1d81db504073da5f6",
        parameters=104_743_592,
        about="more exact; ViT-B/14",
        work=0.91,
    ),
    _model(
        "MoGe2_Large_Normal",
        "moge2_large_normal",
        path="Ruicheng/moge-2-vitl-normal/resolve/main/model.pt",
        bytes=1_323_815_904,
        sha256="280741fd09bc3f403ccff9967784c2a391b52d2c0742ae3efdb21d9f90cc1a01",
        parameters=330_901_544,
        about="the most exact; ViT-L/14",
        work=1.94,
    ),
    _model(
        "MoGe2_Large",
        "moge2_large",
        path="Ruicheng/moge-2-vitl/resolve/main/model.pt",
        bytes=1_305_030_700,
        sha256="3eefd4abb2102f38f12b2d1992e5ff15e4923e5431c67dd494afe157e0111cd5",
        parameters=326_209_221,
        about="without normals; ViT-L/14",
        work=1.9,
    ),
)
