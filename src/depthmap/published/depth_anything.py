"""Depth Anything: V2, its metric networks, and V1.

The V2 repositories on Hugging Face, and V1's demonstration there, hold the checkpoints. Of V1's Small and Base the
digests are known, the sizes are not.
"""

from __future__ import annotations

from ..spec import HUB, IMAGENET, ModelSpec

_V2, _METRIC, _V1 = "Depth Anything V2", "Depth Anything V2, metric", "Depth Anything V1"
GROUPS = {
    _V2: "finer detail; Small beats DPT_Large, and is quicker",
    _METRIC: "metres, indoors up to 20 m, outdoors up to 80 m",
    _V1: "as accurate as V2, in less detail",
}
_MEASURED = "https://github.com/LiheYoung/Depth-Anything"
_PAPER = "https://arxiv.org/abs/2406.09414"
_FREE, _NC = "Apache-2.0", "CC-BY-NC-4.0"
_TUNED = f"{_FREE}; by its card, though it was fine-tuned from weights under {_NC}"
"""What is made of such weights cannot give more rights than they do: the stricter licence is asked for."""
_SIZES = {"small": (24_785_089, 0.46), "base": (97_470_785, 1.24), "large": (335_315_649, 3.82)}
"""By size: the number of parameters, and the work."""


def _model(
    name: str,
    network: str,
    group: str,
    path: str,
    nbytes: int,
    sha256: str,
    hf_repo: str,
    about: str,
    *,
    licence: str = _FREE,
    terms: str = "",
    short: bool = False,
    accuracy: str = "",
    accuracy_source: str = "",
) -> ModelSpec:
    """Return an entry; ``path`` is below `spec.HUB`."""
    parameters, work = _SIZES[network.rpartition("_")[2]]
    return ModelSpec(
        name,
        network,
        518,
        "lower_bound",
        *IMAGENET,
        path=path,
        bytes=nbytes,
        sha256=sha256,
        parameters=parameters,
        licence=licence,
        about=about,
        hub_names=(path.rpartition("/")[2],),
        hf_repo=hf_repo,
        base=HUB,
        group=group,
        short=short,
        terms=terms,
        accuracy=accuracy,
        accuracy_source=accuracy_source,
        work=work,
    )


MODELS = (
    _model(
        "DepthAnythingV2_Small",
        "depth_anything_v2_small",
        _V2,
        "depth-anything/Depth-Anything-V2-Small/resolve/main/depth_anything_v2_vits.pth",
        99_218_434,
        "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
        "depth-anything/Depth-Anything-V2-Small-hf",
        "quick, fine detail; ViT-S/14",
        short=True,
        accuracy="about that of V1's Small",
        accuracy_source=_PAPER,
    ),
    _model(
        "DepthAnythingV2_Base",
        "depth_anything_v2_base",
        _V2,
        "depth-anything/Depth-Anything-V2-Base/resolve/main/depth_anything_v2_vitb.pth",
        389_961_218,
        "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328",
        "depth-anything/Depth-Anything-V2-Base-hf",
        "ViT-B/14",
        licence=_NC,
        terms=_NC,
        accuracy="about that of V1's Base",
        accuracy_source=_PAPER,
    ),
    _model(
        "DepthAnythingV2_Large",
        "depth_anything_v2_large",
        _V2,
        "depth-anything/Depth-Anything-V2-Large/resolve/main/depth_anything_v2_vitl.pth",
        1_341_395_338,
        "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345",
        "depth-anything/Depth-Anything-V2-Large-hf",
        "the finest detail; ViT-L/14",
        licence=_NC,
        terms=_NC,
        accuracy="about that of V1's Large",
        accuracy_source=_PAPER,
    ),
    _model(
        "DepthAnythingV2_Metric_Indoor_Small",
        "depth_anything_v2_indoor_small",
        _METRIC,
        "depth-anything/Depth-Anything-V2-Metric-Hypersim-Small/resolve/main/depth_anything_v2_metric_hypersim_vits.pth",
        99_222_290,
        "b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545",
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        "rooms; ViT-S/14",
        short=True,
    ),
    _model(
        "DepthAnythingV2_Metric_Indoor_Base",
        "depth_anything_v2_indoor_base",
        _METRIC,
        "depth-anything/Depth-Anything-V2-Metric-Hypersim-Base/resolve/main/depth_anything_v2_metric_hypersim_vitb.pth",
        389_965_138,
        "9dc9e274c5eff55c6daf27b660c0ced0eca4e8593a6da90cdcb04d2b4d3f3fa2",
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf",
        "rooms; ViT-B/14",
        licence=_TUNED,
        terms=_NC,
    ),
    _model(
        "DepthAnythingV2_Metric_Indoor_Large",
        "depth_anything_v2_indoor_large",
        _METRIC,
        "depth-anything/Depth-Anything-V2-Metric-Hypersim-Large/resolve/main/depth_anything_v2_metric_hypersim_vitl.pth",
        1_341_401_882,
        "6f82ff2bc543ac02ddff4aa31fa363676a8305dd3ccf04e80e2af115a044cb6d",
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf",
        "rooms; ViT-L/14",
        licence=_TUNED,
        terms=_NC,
    ),
    _model(
        "DepthAnythingV2_Metric_Outdoor_Small",
        "depth_anything_v2_outdoor_small",
        _METRIC,
        "depth-anything/Depth-Anything-V2-Metric-VKITTI-Small/resolve/main/depth_anything_v2_metric_vkitti_vits.pth",
        99_221_808,
        "9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb",
        "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf",
        "streets; ViT-S/14",
        short=True,
    ),
    _model(
        "DepthAnythingV2_Metric_Outdoor_Base",
        "depth_anything_v2_outdoor_base",
        _METRIC,
        "depth-anything/Depth-Anything-V2-Metric-VKITTI-Base/resolve/main/depth_anything_v2_metric_vkitti_vitb.pth",
        389_964_656,
        "4dad67a7cc10b462bca48e6b8569c762b8eb3c1adada170a3851a6d3ba37bb3e",
        "depth-anything/Depth-Anything-V2-Metric-Outdoor-Base-hf",
        "streets; ViT-B/14",
        licence=_TUNED,
        terms=_NC,
    ),
    _model(
        "DepthAnythingV2_Metric_Outdoor_Large",
        "depth_anything_v2_outdoor_large",
        _METRIC,
        "depth-anything/Depth-Anything-V2-Metric-VKITTI-Large/resolve/main/depth_anything_v2_metric_vkitti_vitl.pth",
        1_341_401_064,
        "239b1054a369e66da2576e9a118d6d7c12d90dc8ebe609579a9a09cd8e05fe38",
        "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf",
        "streets; ViT-L/14",
        licence=_TUNED,
        terms=_NC,
    ),
    _model(
        "DepthAnythingV1_Small",
        "depth_anything_v1_small",
        _V1,
        "spaces/LiheYoung/Depth-Anything/resolve/main/checkpoints/depth_anything_vits14.pth",
        0,
        "59afe57cfd9f4284deaf5b753d954723d7136ae842fba3e068ba03537ca1e60e",
        "LiheYoung/depth-anything-small-hf",
        "ViT-S/14",
        accuracy="δ < 1.25: NYU 97.2 %, KITTI 93.6 %",
        accuracy_source=_MEASURED,
    ),
    _model(
        "DepthAnythingV1_Base",
        "depth_anything_v1_base",
        _V1,
        "spaces/LiheYoung/Depth-Anything/resolve/main/checkpoints/depth_anything_vitb14.pth",
        0,
        "64ae214ae4e27424b644c49464c0aa243016f6f753d95097c8eb9ad0b9cb2d9b",
        "LiheYoung/depth-anything-base-hf",
        "ViT-B/14",
        accuracy="δ < 1.25: NYU 97.9 %, KITTI 93.9 %",
        accuracy_source=_MEASURED,
    ),
    _model(
        "DepthAnythingV1_Large",
        "depth_anything_v1_large",
        _V1,
        "spaces/LiheYoung/Depth-Anything/resolve/main/checkpoints/depth_anything_vitl14.pth",
        1_341_401_882,
        "6c6a383e33e51c5fdfbf31e7ebcda943973a9e6a1cbef1564afe58d7f2e8fe63",
        "LiheYoung/depth-anything-large-hf",
        "the most accurate that is free for any use; ViT-L/14",
        short=True,
        accuracy="δ < 1.25: NYU 98.1 %, KITTI 94.7 %",
        accuracy_source=_MEASURED,
    ),
)
