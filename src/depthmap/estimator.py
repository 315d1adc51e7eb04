"""The estimator: picture in, inverse depth out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import transforms
from .cache import ModelCache
from .download import Progress
from .errors import UsageError
from .images import Picture, read
from .loader import choose, load

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class DepthMap:
    """What one picture gave.

    ``inverse_depth`` is float32 (H, W), relative, larger = nearer; ``numpy.asarray`` gives it too. ``model`` is the
    name of the model, ``source`` where it was loaded from.
    """

    inverse_depth: Float32
    model: str
    source: str

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return (
            np.array(self.inverse_depth, dtype=dtype, copy=bool(copy))
            if copy or dtype
            else self.inverse_depth
        )


class DepthEstimator:
    """A model, ready to predict. One instance may be used by many threads at once.

    Parameters
    ----------
    model_name : str, optional
        A name of the catalogue, or of an imported checkpoint. None: ``DEPTHMAP_MODEL``, else the most accurate
        model that is cached, else the embedded one; ``reason`` says which and why.
    device : str or torch.device, optional
        By default a GPU if there is one, else the CPU.
    optimize : bool
        Allow what makes prediction faster and changes the result by rounding only: at present half precision on
        CUDA devices.
    cache_dir : path, optional
        See `ModelCache`.
    use_cache : bool
        False: nothing is read from or left in the cache.
    progress : callable, optional
        Told of a download; see `download.Progress`.

    Raises
    ------
    UnknownModel, ModelUnavailable, DownloadError, ModelFileCorrupted
        See `loader.load`.
    UsageError
        When there is no such device.
    """

    def __init__(
        self,
        model_name: str | None = None,
        device: str | torch.device | None = None,
        optimize: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
        use_cache: bool = True,
        *,
        progress: Progress | None = None,
    ) -> None:
        cache = ModelCache(cache_dir)
        self.reason = "asked for by name"
        if model_name is None:
            spec, self.reason = choose(cache)
            model_name = spec.name
        self.device = _device(device)
        loaded = load(model_name, cache, use_cache=use_cache, progress=progress)
        self.spec = loaded.spec
        self.source = loaded.source
        self.load_seconds = loaded.seconds
        self.optimize = optimize
        self._network = loaded.network.to(self.device, _dtype(self.device, optimize))

    def predict(self, image: Picture) -> Float32:
        """Return the relative inverse depth of one picture.

        Parameters
        ----------
        image : path, bytes, PIL image, NumPy array or torch tensor
            See `images.read`; EXIF orientation is honoured.

        Returns
        -------
        array
            float32 (H, W), the size of the picture; larger = nearer, up to an unknown scale and shift. Cubic
            interpolation may bring single values slightly below 0, as in the official code.

        Raises
        ------
        ImageError
            When the picture cannot be read.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[Picture], batch_size: int = 8) -> list[Float32]:
        """Return the relative inverse depth of each picture; those of one network size share forward passes."""
        pictures = [read(image) for image in images]
        inputs = [transforms.prepare(picture, self.spec) for picture in pictures]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for number, array in enumerate(inputs):
            by_size.setdefault(array.shape, []).append(number)
        maps: dict[int, Float32] = {}
        for numbers in by_size.values():
            for start in range(0, len(numbers), max(1, batch_size)):
                chunk = numbers[start : start + batch_size]
                outputs = self._forward(np.stack([inputs[number] for number in chunk]))
                for number, output in zip(chunk, outputs, strict=True):
                    maps[number] = transforms.restore(output, *pictures[number].shape[:2])
        return [maps[number] for number in range(len(pictures))]

    def _forward(self, batch: Float32) -> Float32:
        """Run the network: (N, 3, h, w) → (N, h, w)."""
        import torch

        with torch.inference_mode():
            output = self._network(
                torch.from_numpy(batch).to(self.device, _dtype(self.device, self.optimize))
            )
        array: Float32 = output.float().cpu().numpy()
        return array


def _device(device: str | torch.device | None) -> torch.device:
    import torch

    if device is None:
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            "there is no such device", device, "Use 'cpu', or 'cuda' or 'mps' where this machine has one."
        ) from error
    return chosen


def _dtype(device: torch.device, optimize: bool) -> torch.dtype:
    import torch

    return torch.float16 if optimize and device.type == "cuda" else torch.float32


@lru_cache(maxsize=1)
def _shared(model: str | None, device: str | None, environment: tuple[str, ...]) -> DepthEstimator:
    return DepthEstimator(model, device)


def estimate(image: Picture, model: str | None = None, device: str | None = None) -> DepthMap:
    """Return the depth of one picture; the last model used stays loaded.

    Parameters
    ----------
    image : path, bytes, PIL image, NumPy array or torch tensor
        See `images.read`.
    model, device : str, optional
        As for `DepthEstimator`.

    Returns
    -------
    DepthMap
        The inverse depth, and which model it is from.

    Raises
    ------
    DepthmapError
        As `DepthEstimator` and its ``predict`` do.
    """
    environment = tuple(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("DEPTHMAP_"))
    estimator = _shared(model, device, environment)
    return DepthMap(estimator.predict(image), estimator.spec.name, estimator.source)
