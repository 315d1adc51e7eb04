"""Depth from one picture with the MiDaS models, and a model cache that makes them load at once.

>>> import depthmap
>>> depth = depthmap.estimate("photo.jpg")          # doctest: +SKIP
>>> depth.inverse_depth.shape, depth.model          # doctest: +SKIP
((427, 640), 'Depthmap_Tiny')

Importing the package loads neither torch nor NumPy: names are resolved when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import ModelCache
    from .catalog import CATALOG, ModelSpec
    from .errors import DepthmapError
    from .estimator import DepthEstimator, DepthMap, estimate
    from .loader import LoadedModel, load

__version__ = "0.1.0"
__all__ = [
    "estimate",
    "DepthEstimator",
    "DepthMap",
    "ModelCache",
    "ModelSpec",
    "CATALOG",
    "load",
    "LoadedModel",
    "DepthmapError",
    "__version__",
]
_HOMES = {
    "estimate": "estimator", "DepthEstimator": "estimator", "DepthMap": "estimator",
    "ModelCache": "cache", "ModelSpec": "catalog", "CATALOG": "catalog",
    "load": "loader", "LoadedModel": "loader", "DepthmapError": "errors",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'depthmap' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
