"""The official networks, as far as they are here: layouts, synthetic checkpoints, and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from support import GOLDENS

PUBLISHED = {
    "dpt_large": "DPT_Large",
    "dpt_hybrid": "DPT_Hybrid",
    "midas_v21": "MiDaS",
    "midas_small": "MiDaS_small",
}


MIDAS = (*PUBLISHED, "depthmap_tiny")
"""The networks that are tested here; Depth Anything has tests of its own."""


@dataclass(frozen=True)
class Reference:
    """One network, its checkpoint, and the network filled with it."""

    network: str
    layout: dict[str, tuple[int, ...]]
    """Names and shapes in the order of the published file; of our own network where none is published."""
    state: dict[str, Tensor]
    """All tensors; those that inference must not read are NaN."""
    module: nn.Module
    synthetic: ModuleType

    def input(self, height: int, width: int, seed: int = 0) -> Tensor:
        return torch.from_numpy(self.synthetic.network_input(height, width, seed))

    def run(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            result: Tensor = self.module(x)
        return result

    def goldens(self) -> dict[str, np.ndarray]:
        with np.load(GOLDENS / f"{PUBLISHED[self.network]}.npz") as file:
            return {name: file[name] for name in file.files}
