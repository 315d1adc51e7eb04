"""Networks with random numbers."""

from __future__ import annotations

import torch
from torch import nn


def filled(module: nn.Module) -> nn.Module:
    """Give a network random numbers, and norms that do something."""
    module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            fan = tensor[0].numel() if tensor.ndim > 1 else 1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * fan**-0.5)
        if name.endswith(("running_var", "bn1.weight")):
            tensor.abs_().add_(0.5)
    return module
