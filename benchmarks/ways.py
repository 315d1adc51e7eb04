"""The ways that are compared: which script is one, in which environment, and what it has to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .material import Material

SCRIPTS = Path(__file__).parent / "scripts"
MANY = 100
"""Pictures that are said to come where the steady rate is measured."""

Keys = Callable[[Material], dict[str, str]]


@dataclass(frozen=True)
class Way:
    """A way. ``peer`` ones run in the peers' environment, and need a package there."""

    name: str
    script: str
    keys: Keys
    peer: bool = False
    package: str = ""
    models: tuple[str, ...] = ()
    """The only models that it can load; empty: all."""
    h5: bool = False
    """It finds the ``.h5`` only."""

    def fits(self, model: str) -> bool:
        return not self.models or model in self.models


def _estimator(name: str, engine: str, used: str, pictures: int = 1) -> Way:
    keys = {"engine": engine, "used": used, "pictures": str(pictures)}
    return Way(name, "estimator", lambda _: keys)


def _published(made: Material) -> dict[str, str]:
    return {"network": made.network, "published": str(made.published)}


def _safetensors(made: Material) -> dict[str, str]:
    return {"network": made.network, "safetensors": str(made.safetensors)}


CHECKPOINTS = ("DPT_Large", "MiDaS", "MiDaS_small")
OURS, TORCH, PT, H5 = "depthmap", "depthmap, torch", "depthmap, .pt", "depthmap, .h5"
ONNX, OPENVINO, MANY_OURS = (
    "depthmap, ONNX Runtime",
    "depthmap, OpenVINO",
    "depthmap, for many",
)
HUB, META, FAST, TRANSFORMERS = (
    "torch.hub's way",
    "safetensors + meta device",
    "fastsafetensors + meta device",
    "transformers",
)


def ways(soonest: str, fastest: str) -> dict[str, Way]:
    """Return all ways by name; ``soonest`` and ``fastest`` are the engines that "auto" takes for one and for many."""
    found = (
        Way(PT, "loading", lambda _: {}),
        Way(H5, "loading", lambda _: {}, models=CHECKPOINTS, h5=True),
        _estimator(OURS, "auto", soonest),
        _estimator(MANY_OURS, "auto", fastest, MANY),
        _estimator(TORCH, "torch", "torch"),
        _estimator(ONNX, "onnxruntime", "onnxruntime", MANY),
        _estimator(OPENVINO, "openvino", "openvino", MANY),
        Way(HUB, "hub", _published, peer=True),
        Way(META, "meta", _safetensors, peer=True, package="safetensors", models=CHECKPOINTS),
        Way(FAST, "fast", _safetensors, peer=True, package="fastsafetensors", models=CHECKPOINTS),
        Way(
            TRANSFORMERS,
            "hugging_face",
            lambda made: {"folder": str(made.transformers)},
            peer=True,
            package="transformers",
            models=("DPT_Large",),
        ),
    )
    return {way.name: way for way in found}
