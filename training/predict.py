"""The embedded network as users run it: the package's own pre- and post-processing around a state dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from depthmap.catalog import EMBEDDED, ModelSpec
from depthmap.networks import build, fill_in_float32
from depthmap.transforms import prepare, restore

Method = Callable[[Path, tuple[int, int]], NDArray[np.float32]]
"""Maps a picture's path and the reference's (H, W) to inverse depth (H, W)."""


def predictor(state: Mapping[str, Tensor], model: ModelSpec = EMBEDDED) -> Method:
    """Return the method that predicts with these weights, of any floating type, computing in float32.

    ``model`` says how a picture is prepared: at another size, say.
    """
    network = build(model.network)
    fill_in_float32(network, state)

    @torch.inference_mode()
    def predict(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
        picture = np.asarray(Image.open(path).convert("RGB"))
        output = network(torch.from_numpy(prepare(picture, model))[None])[0]
        return restore(output.numpy(), *shape)

    return predict
