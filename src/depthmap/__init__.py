"""Depth from one picture with the MiDaS models, and a model cache that makes them load at once.

>>> import depthmap
>>> depth = depthmap.estimate("photo.jpg")          # doctest: +SKIP
>>> depth                                           # doctest: +SKIP
<Depth 640 × 427, relative inverse depth of 'photo.jpg', 0.04 to 3.1, Depthmap_Tiny by onnxruntime>

Importing the package loads neither torch nor NumPy: it loads a name when you first use it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import ModelCache
    from .catalog import CATALOG, ModelSpec
    from .depth import Depth
    from .errors import DepthmapError
    from .estimator import DepthEstimator, estimate
    from .loader import LoadedModel, load

__version__ = "0.1.0"
__all__ = [
    "estimate",
    "DepthEstimator",
    "Depth",
    "ModelCache",
    "ModelSpec",
    "CATALOG",
    "load",
    "LoadedModel",
    "DepthmapError",
    "__version__",
]
_HOMES = {
    "estimate": "estimator", "DepthEstimator": "estimator", "Depth": "depth",
    "ModelCache": "cache", "ModelSpec": "catalog", "CATALOG": "catalog",
    "load": "loader", "LoadedModel": "loader", "DepthmapError": "errors",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'depthmap' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
