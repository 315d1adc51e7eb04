"""MiDaS: checkpoints of the releases of isl-org/MiDaS, byte for byte."""

from __future__ import annotations

from ..spec import IMAGENET, ModelSpec

GROUP = "MiDaS"
GROUPS = {GROUP: "what depthmap began with; DPT_Large is the most accurate of them"}
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_V21 = "MIT; the encoder was first trained from WSL-Images weights (CC-BY-NC 4.0)"
_README = "https://github.com/isl-org/MiDaS#accuracy"
MODELS = (
    ModelSpec(
        "DPT_Large",
        "dpt_large",
        384,
        "minimal",
        *_HALF,
        path="v3/dpt_large_384.pt",
        bytes=1_376_378_527,
        sha256="2f21e586477d90cb9624c7eef5df7891edca49a1c4795ee2cb631fd4daa6ca69",
        parameters=344_055_465,
        licence="MIT",
        about="the most accurate of MiDaS; ViT-L/16",
        hub_names=("dpt_large_384.pt", "dpt_large-midas-2f21e586.pt"),
        hf_repo="Intel/dpt-large",
        group=GROUP,
        short=True,
        accuracy="δ < 1.25: NYU 91.7 %, KITTI 91.5 %",
        accuracy_source=_README,
        work=1.0,
    ),
    ModelSpec(
        "DPT_Hybrid",
        "dpt_hybrid",
        384,
        "minimal",
        *_HALF,
        path="v3/dpt_hybrid_384.pt",
        bytes=492_757_791,
        sha256="501f0c75b3bca7daec6b3682c5054c09b366765aef6fa3a09d03a5cb4b230853",
        parameters=123_146_985,
        licence="MIT",
        about="nearly as accurate, 2.8x smaller",
        hub_names=("dpt_hybrid_384.pt", "dpt_hybrid-midas-501f0c75.pt"),
        hf_repo="Intel/dpt-hybrid-midas",
        group=GROUP,
        short=True,
        accuracy="δ < 1.25: NYU 91.3 %, KITTI 88.4 %",
        accuracy_source=_README,
        work=0.49,  # by its operations
    ),
    ModelSpec(
        "MiDaS",
        "midas_v21",
        384,
        "upper_bound",
        *IMAGENET,
        path="v2_1/midas_v21_384.pt",
        bytes=422_509_849,
        sha256="f6b980704cfd7259c7cc2b058c2f160159c55e84b3b6c08331b4156a84629f70",
        parameters=105_362_945,
        licence=_V21,
        about="MiDaS v2.1; ResNeXt-101",
        hub_names=("midas_v21_384.pt", "midas_v21-f6b98070.pt", "model-f6b98070.pt"),
        group=GROUP,
        short=True,
        accuracy="δ < 1.25: NYU 91.3 %, KITTI 83.9 %",
        accuracy_source=_README,
        work=0.354,
    ),
    ModelSpec(
        "MiDaS_small",
        "midas_small",
        256,
        "upper_bound",
        *IMAGENET,
        path="v2_1/midas_v21_small_256.pt",
        bytes=85_761_505,
        sha256="70d6b9c891758c67f974a6097fb0c608c7ee67fb81ac3e5588847d5596d56fca",
        parameters=21_320_545,
        licence=_V21,
        about="quick on a CPU; EfficientNet-Lite3",
        hub_names=("midas_v21_small_256.pt", "midas_v21_small-70d6b9c8.pt", "model-small-70d6b9c8.pt"),
        group=GROUP,
        short=True,
        accuracy="δ < 1.25: NYU 86.6 %, KITTI 70.7 %",
        accuracy_source=_README,
        work=0.0188,
    ),
)
