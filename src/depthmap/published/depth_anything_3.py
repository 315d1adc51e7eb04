"""Depth Anything 3, as far as one view goes: checkpoints of the authors' repositories on Hugging Face.

Those of its other models, which are under CC-BY-NC-4.0, are not here.
"""

from __future__ import annotations

from functools import partial

from ..spec import HUB, IMAGENET, ModelSpec

GROUP = "Depth Anything 3"
GROUPS = {GROUP: "the latest: depth with the sky found, or with the camera"}
_MEAN, _STD = IMAGENET
_model = partial(
    ModelSpec,
    input_size=504,  # the longer side that its authors' program shows the network
    resize="upper_bound",
    mean=_MEAN,
    std=_STD,
    licence="Apache-2.0",
    base=HUB,
    group=GROUP,
)
MODELS = (
    _model(
        "DA3_Small",
        "da3_small",
        path="depth-anything/DA3-SMALL/resolve/main/model.safetensors",
        bytes=137_248_940,
        sha256="364492e38a3a06d221ac75da7f6621ada3f2361cd24fde11ba79091e9f40efcf",
        parameters=34_299_655,
        about="depth and camera, quick; ViT-S/14",
        short=True,
        work=0.17,
    ),
    _model(
        "DA3_Base",
        "da3_base",
        path="depth-anything/DA3-BASE/resolve/main/model.safetensors",
        sha256="e01067dc1659613083d9145a9a2547ccdbe6ccbbf83c4fe7b3e8a4e2bdae78b5",
        parameters=135_366_791,
        about="depth and camera; ViT-B/14",
        work=0.52,
    ),
    _model(
        "DA3_Mono_Large",
        "da3_mono_large",
        path="depth-anything/DA3MONO-LARGE/resolve/main/model.safetensors",
        parameters=334_171_394,
        about="depth with the sky found; ViT-L/14",
        work=1.34,
    ),
    _model(
        "DA3_Metric_Large",
        "da3_metric_large",
        path="depth-anything/DA3METRIC-LARGE/resolve/main/model.safetensors",
        bytes=1_336_734_448,
        sha256="bbea5b0b3ee389849cffa7ddae89de064a90abd2b055fc5aa99aac68db324776",
        parameters=334_171_394,
        about="metres, by the camera's focal length; ViT-L/14",
        short=True,
        work=1.34,
    ),
)
