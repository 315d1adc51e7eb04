"""A picture's file into a network of MiDaS, and its map back: for the ways that have no code of their own for it.

The official code does it with OpenCV; depthmap's NumPy code stands in, which makes the same arrays without the 0.1 s
that the import of OpenCV takes. So these ways are shown faster than they are.
"""

from __future__ import annotations

from typing import Any


def prepared(photo: str, model: str) -> tuple[Any, tuple[int, int]]:
    """Return the input of the network (1, 3, h, w), and height and width of the picture."""
    import numpy as np
    from PIL import Image

    from depthmap import transforms
    from depthmap.catalog import CATALOG

    with Image.open(photo) as opened:
        picture = np.asarray(opened.convert("RGB"))
    return transforms.prepare(picture, CATALOG[model.lower()])[None], picture.shape[:2]


def depth(network: Any, photo: str, model: str) -> Any:
    """Return the depth of a picture by a torch network, as the official `run.py` does."""
    import torch

    batch, size = prepared(photo, model)
    with torch.no_grad():
        output = network(torch.from_numpy(batch))
        return torch.nn.functional.interpolate(
            output[:, None], size, mode="bicubic", align_corners=False
        ).numpy()[0, 0]


def run(network: Any, batch: Any) -> Any:
    """Run a torch network: eager, as the official code does on a CPU."""
    import torch

    with torch.no_grad():
        return network(torch.from_numpy(batch)).numpy()
