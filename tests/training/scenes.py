"""Pictures with depth, and weights, made up."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from depthmap.catalog import EMBEDDED
from depthmap.networks import expected_shapes


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose red channel is its depth, so that the two can be compared after any crop."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(10, 250, 96 * 128).reshape(96, 128)
    picture = np.stack([ramp, rng.uniform(0, 255, ramp.shape), np.full_like(ramp, 40)], 2).astype(np.uint8)
    return picture, (picture[..., 0].astype(np.uint16) * 257)


def random_state() -> dict[str, Tensor]:
    """Weights of about the size of trained ones; none of ImageNet's, which the tests need not have."""
    generator = torch.Generator().manual_seed(4)
    state = {}
    for name, shape in expected_shapes(EMBEDDED.network).items():
        fan_in = float(np.prod(shape[1:]))
        values = torch.randn(shape, generator=generator)
        state[name] = values * (2 / fan_in) ** 0.5 if len(shape) > 1 else 0.5 + 0.2 * values.abs()
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
    return state
