"""The model that ships in the package; see ``docs/embedded-model.md``."""

from __future__ import annotations

from ..spec import ModelSpec

GROUP = "depthmap"
GROUPS = {GROUP: "ships in the package and needs no download"}
_LITE = ((127 / 255,) * 3, (128 / 255,) * 3)
MODELS = (
    ModelSpec(
        "Depthmap_Tiny",
        "depthmap_tiny",
        352,
        "area",
        *_LITE,
        bytes=9_857_683,
        sha256="abfabcba462d76250ae6ed5f39fc2207c25e9da648f6df52cd43fd7946096973",
        parameters=4_748_489,
        licence="MIT",
        about="in the package; needs no download",
        embedded="depthmap_tiny.pt",
        group=GROUP,
        short=True,
        work=0.0241,
    ),
)
