"""torch.hub's way for MiDaS, step by step: build with random numbers, ``torch.load``, ``load_state_dict``.

The official code cannot be had here, so depthmap's modules are built as its constructors would: in memory, each layer
with torch's usual random numbers. DPT_Large's encoder is the one that the official code asks timm for, with its hooks,
where timm can be imported. What the official way does besides is left out (asking GitHub, the encoders' own code and
initialisation of the convolutional networks, weights for ImageNet that are downloaded only to be replaced), so it is
shown faster than it is.
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

        network = networks.build(self.order["network"])
        timms = self.order["timm"] and _ENCODERS.get(self.order["network"])
        if timms:
            network.pretrained.model = None
        network = initialised(network)
        if timms:
            network.pretrained.model = hooked_encoder(*timms)
        state = torch.load(self.order["published"], map_location="cpu")
        network.load_state_dict(
            state, strict=False
        )  # tensors that are never used have no place in our modules
        return network.eval()

    def depth(self, network: Any, photo: str) -> Any:
        return pictures.depth(network, photo, self.order["model"])

    def run(self, network: Any, batch: Any) -> Any:
        return pictures.run(network, batch)


_ENCODERS = {"dpt_large": ("vit_large_patch16_384", (5, 11, 17, 23))}
"""The name that the official code (midas/backbones/vit.py) asks timm for, and the blocks whose tokens it takes."""


def hooked_encoder(name: str, hooks: tuple[int, ...]) -> Any:
    """Return timm's vision transformer as the official code uses it: hooks keep the tokens of some blocks."""
    import timm
    import torch
    from torch.nn import functional

    model = timm.create_model(name, pretrained=False)
    kept: dict[int, Any] = {}
    for block in hooks:
        model.blocks[block].register_forward_hook(
            lambda _, __, output, block=block: kept.update({block: output})
        )
    side = int((model.pos_embed.shape[1] - 1) ** 0.5)

    def forward(x: Any) -> tuple[list[Any], list[Any]]:
        grid = model.patch_embed.proj(x)
        places = model.pos_embed[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        places = (
            functional.interpolate(places, size=grid.shape[2:], mode="bilinear").flatten(2).transpose(1, 2)
        )
        tokens = grid.flatten(2).transpose(1, 2)
        tokens = torch.cat((model.cls_token.expand(len(x), -1, -1), tokens), dim=1)
        tokens = tokens + torch.cat((model.pos_embed[:, :1], places), dim=1)
        for block in model.blocks:
            tokens = block(tokens)
        model.norm(tokens)  # the official code computes it, and uses it nowhere
        return [], [kept[block] for block in hooks]

    model.forward = forward
    return model


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
