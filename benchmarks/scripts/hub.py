"""torch.hub's way for MiDaS, step by step: build with random numbers, ``torch.load``, ``load_state_dict``.

The official code cannot be had here, so depthmap's modules are built as its constructors would: in memory, each layer
with torch's usual random numbers. That leaves out what the official way does besides (asking GitHub, timm's own
initialisation, the class head), so it is shown faster than it is.
"""

from __future__ import annotations

from typing import Any

from driver import Way, main

import pictures


class Hub(Way):
    """Keys: network, published (the checkpoint), timm (empty where it cannot be imported)."""

    def imports(self) -> None:
        import numpy  # noqa: F401 - its import is what is timed
        import torch  # noqa: F401 - its import is what is timed
        from PIL import Image  # noqa: F401 - its import is what is timed

        if self.order["timm"]:
            import timm  # noqa: F401 - the official hubconf.py does, for every model

        from depthmap import networks, transforms  # noqa: F401 - where the official code has its own modules

    def load(self) -> Any:
        import torch

        from depthmap import networks

        network = initialised(networks.build(self.order["network"]))
        state = torch.load(self.order["published"], map_location="cpu")
        network.load_state_dict(
            state, strict=False
        )  # tensors that are never used have no place in our modules
        return network.eval()

    def depth(self, network: Any, photo: str) -> Any:
        return pictures.depth(network, photo, self.order["model"])

    def run(self, network: Any, batch: Any) -> Any:
        return pictures.run(network, batch)


def initialised(network: Any) -> Any:
    """Give a network memory and the random numbers with which torch's layers begin."""
    from torch import nn

    kinds: Any = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.LayerNorm, nn.BatchNorm2d, nn.GroupNorm)
    network = network.to_empty(device="cpu")
    for module in network.modules():
        for kind in kinds:
            if isinstance(module, kind):
                kind.reset_parameters(module)
    return network


if __name__ == "__main__":
    main(Hub)
