"""What follows from a network alone: how pictures come to it, and what its outputs are. Data only."""

from __future__ import annotations

from typing import NamedTuple

RESTORES = ("cubic", "linear", "linear_corners")
"""How a map is brought to the size of the picture: ``"linear"`` lets the borders of both coincide, as torch does
without ``align_corners``, and ``"linear_corners"`` the centres of the outermost pixels, as it does with them."""


class Family(NamedTuple):
    """What networks have in common that see and speak alike."""

    multiple: int = 32
    """Sides of the network's input are multiples of this, in pixels."""
    fixed: int = 0
    """The side of the only square that it takes, in pixels; 0 where it takes pictures of any size."""
    alone: bool = False
    """It takes one picture at a time: of more it would need gigabytes each, and be no quicker."""
    prepared: str = "cubic"
    """How a picture is resized for it: one of `transforms.PREPARED`."""
    restored: str = "cubic"
    """How a map is brought to the size of the picture: one of `RESTORES`."""
    inputs: tuple[str, ...] = ("picture",)
    """What it takes: the normalised picture, and any of `transforms.INPUTS`."""
    outputs: tuple[str, ...] = ("inverse_depth",)
    """What it gives, in order; the names are those of its graph's outputs."""
    reading: str = "map"
    """What makes a `Depth` of the outputs: one of `readings.READINGS`."""
    kind: str = "relative inverse depth"
    """What its depth is: one of `depth.KINDS`."""


SKY = 0.3
"""From here on a map of the sky says sky."""
SCALES = {"sky": SKY}
"""By output, where one is compared with something, what that is: far below it, values differ by noise alone."""
MIDAS = Family()
DEPTH_ANYTHING_1 = Family(multiple=14, restored="linear")
DEPTH_ANYTHING_2 = Family(multiple=14, restored="linear_corners")
DEPTH_ANYTHING_2_METRIC = DEPTH_ANYTHING_2._replace(kind="metric depth")
DEPTH_ANYTHING_3 = Family(
    multiple=14,
    prepared="bytes",
    restored="linear",
    outputs=("depth", "confidence", "camera"),
    reading="camera",
    kind="relative depth",
)
DEPTH_ANYTHING_3_SKY = DEPTH_ANYTHING_3._replace(outputs=("depth", "sky"), reading="sky")
DEPTH_ANYTHING_3_METRIC = DEPTH_ANYTHING_3_SKY._replace(reading="metric_sky", kind="metric depth")
MOGE = Family(
    multiple=14,
    prepared="linear_antialiased",
    restored="linear",
    inputs=("picture", "aspect"),
    outputs=("points", "mask", "scale"),
    reading="points",
    kind="metric depth",
)
MOGE_NORMAL = MOGE._replace(outputs=("points", "normal", "mask", "scale"))
DEPTH_PRO = Family(
    fixed=1536,
    alone=True,
    prepared="linear",
    restored="linear",
    outputs=("inverse_depth", "fov"),
    reading="field_of_view",
    kind="metric depth",
)
MIDAS31 = {
    "dpt_beit_large_512": 512,
    "dpt_beit_large_384": 384,
    "dpt_beit_base_384": 384,
    "dpt_swin2_large_384": 384,
    "dpt_swin2_base_384": 384,
    "dpt_swin2_tiny_256": 256,
    "dpt_levit_224": 224,
}
"""MiDaS v3.1, and the size in training, in pixels: the only one that those without BEiT take."""
FAMILIES = (
    {
        f"depth_anything_{version}_{size}": family
        for version, family in (
            ("v2", DEPTH_ANYTHING_2),
            ("v2_indoor", DEPTH_ANYTHING_2_METRIC),
            ("v2_outdoor", DEPTH_ANYTHING_2_METRIC),
            ("v1", DEPTH_ANYTHING_1),
        )
        for size in ("small", "base", "large")
    }
    | {
        "da3_small": DEPTH_ANYTHING_3,
        "da3_base": DEPTH_ANYTHING_3,
        "da3_mono_large": DEPTH_ANYTHING_3_SKY,
        "da3_metric_large": DEPTH_ANYTHING_3_METRIC,
        "moge2_small_normal": MOGE_NORMAL,
        "moge2_base_normal": MOGE_NORMAL,
        "moge2_large_normal": MOGE_NORMAL,
        "moge2_large": MOGE,
    }
    | {"depth_pro": DEPTH_PRO}
    | {network: MIDAS._replace(fixed=size) for network, size in MIDAS31.items() if "beit" not in network}
)
"""By network; those that are not here are MiDaS's."""


def family_of(network: str) -> Family:
    """Return the family of a network."""
    return FAMILIES.get(network, MIDAS)
