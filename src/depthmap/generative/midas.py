"""The estimator under the name that users have; `depthmap.DepthEstimator` is what it stands on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..estimator import DepthEstimator

if TYPE_CHECKING:
    import torch

__all__ = ["MiDaSDepthEstimator"]


class MiDaSDepthEstimator(DepthEstimator):
    """A MiDaS model, by default DPT_Large, ready to ``predict``.

    Parameters and errors are those of `DepthEstimator`; ``model_name=None`` chooses as that does.
    """

    def __init__(
        self,
        model_name: str | None = "DPT_Large",
        device: str | torch.device | None = None,
        optimize: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
        use_cache: bool = True,
    ) -> None:
        super().__init__(model_name, device, optimize, cache_dir, use_cache)
