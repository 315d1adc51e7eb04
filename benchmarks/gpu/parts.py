"""One part for one model, in a process of its own: a row of JSON a line.

    python -m benchmarks.gpu.parts PART MODEL DEVICE FOLDER quick|whole

A fault of CUDA spoils all that a process does after it, so each part has its own. Where it fails, the last line is
{"failure": ...} and it exits 1.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .. import machine
from ..common import need_room, prepare
from ..material import EMBEDDED
from ..processes import until_line
from ..series import alternate, spread
from ..ways import SCRIPTS
from .order import AS_TORCH_DOES, HALF, Order, driver, short
from .parity import outputs

Rows = Iterator[dict[str, Any]]
SIZES = (1, 2, 4, 8, 16, 32)
_BATCH = 8
"""Pictures that `predict_batch` takes at once by default."""
_PHOTO = machine.ROOT / "examples" / "china.jpg"


def card(order: Order) -> Rows:
    """Name the device; fail where there is none."""
    import torch

    torch.empty(1, device=order.device)
    if not order.on_cuda:
        yield {}
        return
    found = torch.cuda.get_device_properties(order.device)
    yield {
        "name": found.name,
        "memory_gb": round(found.total_memory / 2**30),
        "capability": f"{found.major}.{found.minor}",
        "driver": driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch types it not
    }


def checkpoint(order: Order) -> Rows:
    """Make the model's stand-in, and a cache that has it."""
    start = time.perf_counter()
    if order.model != EMBEDDED:
        need_room(order.folder, order.model, 2)
        prepare(order.folder, order.model, ("pt",)).unlink()
    yield {"model": order.model, "seconds": short(time.perf_counter() - start)}


def upload(order: Order) -> Rows:
    """Time `engines.upload` beside torch's own way, from the mapping; page-locked memory is taken anew each time."""
    import torch

    from depthmap import ModelCache, load
    from depthmap.engines.upload import upload

    device = torch.device(order.device)

    def moved(dtype: torch.dtype, ours: bool) -> tuple[Any, float]:
        order.tidy()
        network = load(order.model, ModelCache()).network
        start = time.perf_counter()
        network = upload(network, device, dtype) if ours else network.to(device, dtype)
        order.synchronise()
        return network, time.perf_counter() - start

    def seconds(dtype: torch.dtype, ours: bool) -> float:
        return moved(dtype, ours)[1]

    seconds(torch.float16, ours=False)  # now the device has been used, and the file read
    for precision, dtype in ((HALF, torch.float16), (AS_TORCH_DOES, torch.float32)):
        turns = {"upload": partial(seconds, dtype, True), "to": partial(seconds, dtype, False)}
        found = alternate(turns, 1 if order.quick else 3)
        one, other = (moved(dtype, ours)[0].state_dict() for ours in (True, False))
        size = sum(tensor.nbytes for tensor in one.values())
        row = {"model": order.model, "precision": precision, "bytes": size, "equal": _same(one, other)}
        yield {**row, **{way: spread(values) for way, values in found.items()}}
        del one, other


def steady(order: Order) -> Rows:
    """Give pictures a second: from picture to map one by one and in batches, and of the network with its transfers."""
    picture, many = _picture(), 2 if order.quick else _BATCH
    for precision, optimize in order.precisions.items():
        estimator = order.estimator(optimize)
        yield {
            "model": order.model,
            "precision": precision,
            "predict": order.rate(partial(estimator.predict, picture), 1),
            "predict_batch": order.rate(partial(estimator.predict_batch, [picture] * many, many), many),
            "batch": many,
            "network": order.rate(partial(estimator._run, _batch(estimator, 1)), 1),
        }
        del estimator
        order.tidy()


def first(order: Order) -> Rows:
    """Time a process from its start to its first depth map, as the estimator runs by default."""
    words = {
        "model": order.model,
        "photo": _PHOTO,
        "device": order.device,
        "engine": "torch",
        "used": "torch",
    }
    pairs = [f"{key}={value}" for key, value in {**words, "pictures": 1}.items()]
    command = [sys.executable, str(SCRIPTS / "estimator.py"), "depth", *pairs]
    values = [until_line(command, os.environ) for _ in range(1 if order.quick else 3)]
    yield {"model": order.model, "seconds": spread(values), "values": [short(value) for value in values]}


def batches(order: Order) -> Rows:
    """Give pictures a second and the device's memory by the size of a batch, as the estimator runs by default."""
    import torch

    picture = _picture()
    precision, optimize = next(iter(order.precisions.items()))
    estimator = order.estimator(optimize)
    for size in SIZES[:2] if order.quick else SIZES:
        row: dict[str, Any] = {"model": order.model, "precision": precision, "batch": size}
        order.tidy()
        try:
            row["network"] = order.rate(partial(estimator._run, _batch(estimator, size)), size)
            row |= order.peak()
            row["predict_batch"] = order.rate(partial(estimator.predict_batch, [picture] * size, size), size)
        except torch.cuda.OutOfMemoryError as error:
            row["out_of_memory"] = str(error).splitlines()[0]
        yield row


PARTS: dict[str, Callable[[Order], Rows]] = {
    part.__name__: part for part in (card, checkpoint, outputs, upload, steady, first, batches)
}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether all tensors are alike, bit for bit."""
    import torch

    def bits(tensor: Any) -> Any:
        return tensor.reshape(-1).view(torch.uint8)

    return list(one) == list(other) and all(
        (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device) and torch.equal(bits(a), bits(b))
        for a, b in zip(one.values(), other.values(), strict=True)
    )


def _picture() -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(_PHOTO) as photo:
        return np.asarray(photo.convert("RGB"))


def _batch(estimator: Any, size: int) -> Any:
    import numpy as np

    shape = (size, 3, estimator.spec.input_size, estimator.spec.input_size)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def main(part: str, model: str, device: str, folder: str, how: str) -> int:
    """Do a part; return the exit status."""
    try:
        for row in PARTS[part](Order(model, device, Path(folder), how == "quick")):
            print(json.dumps(row), flush=True)
    except (Exception, SystemExit) as error:  # whatever it is: who started this is told, and goes on
        traceback.print_exc()
        print(json.dumps({"failure": f"{type(error).__name__}: {error}"[:500]}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
