"""Are the outputs on a device those of the official networks?"""

from __future__ import annotations

import math
import re
import runpy
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..common import SCRIPT
from ..material import EMBEDDED
from .order import AS_TORCH_DOES, HALF, Order, short

EXACT = "float32, TF32 off"
TOLERANCES = {EXACT: 1e-3, AS_TORCH_DOES: 2e-2, HALF: 2e-2}
"""Of the largest value.

In float32 other orders of sums gave up to 6e-6 on a CPU. Winograd's convolutions may be worse by ten or more; above
1e-3 it is a fault. Torch lets convolutions use TF32, which has the digits of float16. With weights and each layer's
output rounded to float16, a CPU gave 1e-3 to 8e-3.
"""
KEYS = ("net_384x384_seed0", "depth_480x640_seed0", "net_384x512_seed1", "depth_333x500_seed3")
"""Outputs that are in the goldens: of the network alone, and from picture to map."""
STEPS = {"net": 4, "depth": 8}
"""The goldens have each fourth or eighth value."""


def outputs(order: Order) -> Iterator[dict[str, Any]]:
    """Compare with the goldens; the embedded model, which has none, with itself in float32 on the CPU."""
    import torch

    keys = KEYS[:2] if order.quick else KEYS
    expected = _own(order, keys) if order.model == EMBEDDED else _goldens(order.model, keys)
    ways = {AS_TORCH_DOES: False, HALF: True, EXACT: False} if order.on_cuda else {EXACT: False}
    for precision, optimize in ways.items():
        if precision == EXACT:  # the last one
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        estimator = order.estimator(optimize)
        errors = {key: _error(_output(estimator, key), expected[key]) for key in keys}
        worst = max(errors, key=lambda key: (math.isnan(errors[key]), errors[key]))
        error, tolerance = errors[worst], TOLERANCES[precision]
        row = {"model": order.model, "precision": precision, "error": short(error), "of": worst}
        yield {**row, "tolerance": tolerance, "holds": error <= tolerance}
        del estimator
        order.tidy()


def _own(order: Order, keys: tuple[str, ...]) -> dict[str, Any]:
    estimator = order.estimator(optimize=False, device="cpu")
    return {key: _output(estimator, key) for key in keys}


def _goldens(model: str, keys: tuple[str, ...]) -> dict[str, Any]:
    import numpy as np

    with np.load(SCRIPT.with_name(f"{model}.npz")) as file:
        return {key: file[key] for key in keys}


def _output(estimator: Any, key: str) -> Any:
    """Return the output that a key of the goldens names, as thinned out as there."""
    kind, *numbers = re.split(r"_(\d+)x(\d+)_seed(\d+)", key)[:4]
    height, width, seed = map(int, numbers)
    if kind == "net":
        found = estimator._run(_synthetic()["network_input"](height, width, seed))[0][0]
    else:
        found = estimator.predict(_synthetic()["image"](height, width, seed))
    return found[:: STEPS[kind], :: STEPS[kind]]


def _error(found: Any, expected: Any) -> float:
    return float(abs(found - expected).max() / abs(expected).max())


@cache
def _synthetic() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))
