"""Depth Anything 3, as far as one view goes: checkpoints of the authors' repositories on Hugging Face.

Those of its other models, which are under CC-BY-NC-4.0, are not here.
"""

from __future__ import annotations

from ..spec import IMAGENET, ModelSpec

GROUP = "Depth Anything 3"
GROUPS = {GROUP: "the latest: depth with the sky found, or with the camera"}
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
    """Return an entry. 504 is the longer side that its authors' program shows the network."""
    return ModelSpec(
        name,
        network,
        504,
        "upper_bound",
        *IMAGENET,
        path=f"depth-anything/{repository}/resolve/main/model.safetensors",
        bytes=nbytes,
        sha256=sha256,
        parameters=parameters,
        licence="Apache-2.0",
        about=about,
        base=_HUB,
        group=GROUP,
        short=short,
        work=work,
    )


MODELS = (
    _model(
        "DA3_Small",
        "da3_small",
        "DA3-SMALL",
        137_248_940,
        "364492e38a3a06d221ac75da7f6621ada3f2361cd24fde11ba79091e9f40efcf",
        34_299_655,
        "depth and camera, quick; ViT-S/14",
        0.17,
        short=True,
    ),
    _model(
        "DA3_Base",
        "da3_base",
        "DA3-BASE",
        0,
        "e01067dc1659613083d9145a9a2547ccdbe6ccbbf83c4fe7b3e8a4e2bdae78b5",
        135_366_791,
        "depth and camera; ViT-B/14",
        0.52,
    ),
    _model(
        "DA3_Mono_Large",
        "da3_mono_large",
        "DA3MONO-LARGE",
        0,
        "",
        334_171_394,
        "depth with the sky found; ViT-L/14",
        1.34,
    ),
    _model(
        "DA3_Metric_Large",
        "da3_metric_large",
        "DA3METRIC-LARGE",
        1_336_734_448,
        "bbea5b0b3ee389849cffa7ddae89de064a90abd2b055fc5aa99aac68db324776",
        334_171_394,
        "metres, by the camera's focal length; ViT-L/14",
        1.34,
        short=True,
    ),
)
