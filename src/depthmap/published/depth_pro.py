"""Depth Pro: Apple's checkpoint, in half precision."""

from __future__ import annotations

from ..spec import HALF, ModelSpec

GROUP = "Depth Pro"
GROUPS = {GROUP: "metres and the camera from one picture, in fine detail"}
_LICENCE = "apple-ascl"
MODELS = (
    ModelSpec(
        "DepthPro",
        "depth_pro",
        1536,
        "square",
        *HALF,
        path="depth_pro.pt",
        bytes=1_904_446_787,
        sha256="3eb35ca68168ad3d14cb150f8947a4edf85589941661fdb2686259c80685c0ce",
        parameters=951_991_330,
        licence=_LICENCE,
        about="metres and the camera; large and slow; three of ViT-L/16",
        hub_names=("depth_pro.pt",),
        hf_repo="apple/DepthPro",
        base="https://ml-site.cdn-apple.com/models/depth-pro/",
        group=GROUP,
        terms=_LICENCE,
        accuracy="δ < 1.25 in metres: SUN RGB-D 89.0 %, ETH3D 41.5 %; these weights, trained anew, come close",
        accuracy_source="https://arxiv.org/abs/2410.02073",
        work=33,
    ),
)
