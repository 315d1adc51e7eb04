"""The estimator: picture in, `Depth` out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import input_sizes, readings, transforms
from .cache import ModelCache
from .catalog import ModelSpec
from .depth import Depth
from .download import Progress
from .engines import ENGINES, MANY, PLAIN, TORCH, TORCH_EXTRA, Runner, order
from .engines.cores import runs_at_once, shared_by
from .engines.devices import may_have_gpu
from .engines.forking import apart, running
from .errors import EngineUnavailable, UsageError
from .images import Photo, Picture, read_photo
from .loader import begin, choose, load
from .opener import OpenedModel, open_model, open_weights

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]


class DepthEstimator:
    """A model, ready to predict. One instance may be used by many threads at once.

    It can be pickled and copied, by what it was made of: the model (one that was chosen stays that one) and the
    arguments but ``progress``. Where it lands, it opens the model's file again.

    Parameters
    ----------
    model_name : str, optional
        A name of the catalogue, or of an imported checkpoint. None: ``DEPTHMAP_MODEL``, else the most accurate
        model that is cached, else the embedded one; ``reason`` says which and why.
    device : str or torch.device, optional
        By default a GPU if there is one, else the CPU.
    optimize : bool
        Allow what makes prediction faster and changes the result by rounding only: half precision on CUDA devices and
        where an engine was exact enough in it; for many pictures, folded batch norms and other
        algorithms for the same convolutions. See docs/performance.md.
    cache_dir : path, optional
        See `ModelCache`.
    use_cache : bool
        False: nothing is read from or left in the cache.
    engine : str
        "torch", "onnxruntime", "openvino", or "auto": on a CPU the one that, for so many pictures, is ready and done
        soonest, of those that are installed and for which the model was compiled; else torch, or onnxruntime where
        torch is not installed or the pictures are many.
    pictures : int
        How many are to come, as far as that is known.
    progress : callable, optional
        Told of a download; see `download.Progress`.
    accept_licence : bool
        Accept the model's licence, where that has to be done before a download; see docs/models.md.
    callers : int
        How many threads will predict at once, as far as that is known: ONNX Runtime and OpenVINO then give each its
        share of the cores.
    size : int, optional
        The longer side of what the network sees, in pixels, 32 to 1536; rounded to a multiple of 32, or of what the
        network asks for. Smaller is quicker, larger shows more detail. By default what the network was trained at,
        and some networks take no other.

    Raises
    ------
    UnknownModel, ModelUnavailable, LicenceNotAccepted, DownloadError, ModelFileCorrupted
        See `loader.load`.
    EngineUnavailable
        When openvino is asked for and not installed, or the model was not compiled for it.
    MissingExtra
        When a GPU or the engine torch is asked for and torch is not installed.
    UsageError
        When there is no such device or no such size, or the network does not take that size.
    """

    def __init__(
        self,
        model_name: str | None = None,
        device: str | torch.device | None = None,
        optimize: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
        use_cache: bool = True,
        *,
        engine: str = "auto",
        pictures: int = 1,
        progress: Progress | None = None,
        size: int | None = None,
        accept_licence: bool = False,
        callers: int = 1,
    ) -> None:
        if size is not None:
            input_sizes.rounded_size(size)  # an error comes before a model is loaded
        cache = ModelCache(cache_dir, accept_licence=accept_licence)
        places = os.pathsep.join(map(str, cache.settings.directories))
        self._arguments = {
            "device": None if device is None else str(device),
            "optimize": optimize,
            "cache_dir": None if cache_dir is None else places,  # absolute: a process may run elsewhere
            "use_cache": use_cache,
            "engine": engine,
            "pictures": pictures,
            "accept_licence": accept_licence,
            "callers": callers,
        }
        self.reason = "asked for by name"
        if model_name is None:
            spec, self.reason = choose(cache)
            model_name = spec.name
        if size is not None:
            input_sizes.at_size(cache.spec(model_name), size)  # which refuses what this network cannot take
        start = time.perf_counter()
        self.optimize = optimize
        self.device: torch.device | str = "cpu"
        self.engine = TORCH
        names = _engines(engine, device, pictures)
        many = pictures >= MANY
        with shared_by(callers):
            self._callers = runs_at_once()
            opened = names and open_model(
                model_name, cache, names, half=optimize, many=many, use_cache=use_cache
            )
            # Not compiled, it serves many pictures sooner than torch, and few where there is no torch.
            plain = engine == PLAIN.name or many or not TORCH_EXTRA.is_installed()
            if not opened and PLAIN.name in names and plain:
                opened = open_weights(model_name, cache, many=many, use_cache=use_cache, progress=progress)
        if opened:
            self._take(opened)
        elif engine in ENGINES:
            raise EngineUnavailable(
                f"The engine {engine} is not installed, or {model_name} was not compiled for it",
                model_name,
                f"Run 'pip install depthmap[{engine}]', then 'depthmap models compile --model {model_name}'.",
            )
        else:
            TORCH_EXTRA.check(device or "")
            if use_cache and not cache.settings.disable_cache:
                begin(model_name, cache)
            from .engines import torch as torch_engine

            self.device = _device(device)
            loaded = apart(load, model_name, cache, use_cache=use_cache, progress=progress)
            self.spec, self.source, self.sha256 = loaded.spec, loaded.source, loaded.sha256
            self._run: Runner = torch_engine.runner(loaded.network, self.device, optimize, pictures)
        self.size = None if size is None else input_sizes.at_size(self.spec, size).input_size
        self.load_seconds = time.perf_counter() - start

    def __getstate__(self) -> dict[str, Any]:
        return {**self._arguments, "model_name": self.spec.name, "size": self.size, "reason": self.reason}

    def __setstate__(self, state: dict[str, Any]) -> None:
        arguments = {name: value for name, value in state.items() if name != "reason"}
        DepthEstimator.__init__(self, **arguments)  # a subclass may take others
        self.reason = state["reason"]

    def _take(self, opened: OpenedModel) -> None:
        self.spec, self.source, self.sha256 = opened.spec, opened.source, opened.sha256
        self.engine = opened.engine.name
        self._run = opened.runner
        self._opened = opened  # its lease is to live as long

    def predict(self, image: Picture) -> Float32:
        """Return the depth of one picture: relative inverse depth, or metres if the model is a metric one.

        Parameters
        ----------
        image : path, bytes, PIL image, NumPy array or torch tensor
            See `images.read`; EXIF orientation is honoured.

        Returns
        -------
        array
            float32 (H, W), the size of the picture. Relative inverse depth: larger = nearer, up to an unknown scale
            and shift; cubic interpolation may bring single values slightly below 0, as in the official code. Metres:
            larger = farther. `depth` says which.

        Raises
        ------
        ImageError
            When the picture cannot be read.
        """
        return self.depth(image).values

    def predict_batch(self, images: Sequence[Picture], batch_size: int = 8) -> list[Float32]:
        """Return what `predict` does of each picture; those of one network size share forward passes."""
        return [depth.values for depth in self.depths(images, batch_size)]

    def depth(self, image: Picture | Photo) -> Depth:
        """Return the depth of one picture, with what its numbers mean; see `predict` for what is taken and raised."""
        return self.depths([image])[0]

    def depths(
        self, images: Sequence[Picture | Photo], batch_size: int = 8, *, size: int | None = None
    ) -> list[Depth]:
        """Return the depth of each picture; those of one network size share forward passes.

        ``size`` stands for that of this estimator, where it is given: the model is not loaded again.
        """
        seen = self._seen if size is None else input_sizes.at_size(self.spec, size)
        return self._depths(images, batch_size, seen)

    def network_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which the network sees a picture; those of one share forward passes."""
        return input_sizes.network_size(width, height, self._seen)

    @property
    def callers(self) -> int:
        """How many threads may run the network at once, each on its share of the cores."""
        return 1 if self.engine == TORCH else self._callers

    @property
    def _seen(self) -> ModelSpec:
        """How pictures are prepared: the spec's way, or at the size asked for."""
        return input_sizes.at_size(self.spec, self.size)

    def _depths(self, images: Sequence[Picture | Photo], batch_size: int, seen: ModelSpec) -> list[Depth]:
        """Return the depth of each picture as the network sees it by ``seen``."""
        photos = [read_photo(image) for image in images]
        inputs = [_inputs(photo, seen) for photo in photos]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for number, arrays in enumerate(inputs):
            by_size.setdefault(arrays[0].shape, []).append(number)
        depths: dict[int, Depth] = {}
        together = 1 if seen.family.alone else max(1, batch_size)
        for numbers in by_size.values():
            for start in range(0, len(numbers), together):
                chunk = numbers[start : start + together]
                batch = zip(*(inputs[number] for number in chunk), strict=True)
                outputs = self._run(*(np.stack(arrays) for arrays in batch))
                for number, *of_one in zip(chunk, *outputs, strict=True):
                    depths[number] = self._result(of_one, photos[number])
        return [depths[number] for number in range(len(photos))]

    def _result(self, outputs: readings.Outputs, photo: Photo) -> Depth:
        height, width = photo.pixels.shape[:2]
        with running:
            read = readings.read(outputs, readings.Scene(self.spec, width, height, photo.camera))
        return Depth(
            **read,
            model=self.spec.name,
            sha256=self.sha256,
            engine=self.engine,
            source=self.source,
            name=photo.name,
            pixels=photo.pixels,
        )


def _inputs(photo: Photo, seen: ModelSpec) -> list[Float32]:
    """Return what the network takes of one picture."""
    height, width = photo.pixels.shape[:2]
    others = [np.float32(transforms.INPUTS[name](width, height)) for name in seen.family.inputs[1:]]
    with running:  # NumPy's products of matrices have locks too
        return [transforms.prepare(photo.pixels, seen), *map(np.asarray, others)]


def _device(device: str | torch.device | None) -> torch.device:
    import torch

    if device is None:
        device = (
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if "forked" in str(error):
            from .engines.torch import after_fork

            raise after_fork(chosen) from error
        raise UsageError(
            "This machine has no such device", device, "Use cpu. cuda and mps need a GPU."
        ) from error
    return chosen


def _engines(engine: str, device: str | torch.device | None, pictures: int) -> Sequence[str]:
    """Return the engines to try before torch, in order."""
    if engine not in ("auto", TORCH, *ENGINES):
        raise UsageError(
            "There is no such engine", engine, f"Use one of auto, {', '.join((TORCH, *ENGINES))}."
        )
    if engine in ENGINES:
        if device is not None and str(device) != "cpu":
            raise UsageError(
                f"{engine} runs on the CPU only", device, "Leave out the device, or use engine torch."
            )
        return (engine,)
    on_cpu = str(device) == "cpu" if device is not None else not may_have_gpu()
    return order(pictures) if engine == "auto" and on_cpu else ()


@lru_cache(maxsize=1)
def _shared(
    model: str | None, device: str | None, engine: str, environment: tuple[str, ...]
) -> DepthEstimator:
    return DepthEstimator(model, device, engine=engine)


def estimate(
    image: Picture,
    model: str | None = None,
    device: str | None = None,
    engine: str = "auto",
    size: int | None = None,
) -> Depth:
    """Return the depth of one picture; the last model used stays loaded.

    Parameters
    ----------
    image : path, bytes, PIL image, NumPy array or torch tensor
        See `images.read`.
    model, device, engine, size : optional
        As for `DepthEstimator`. Another size does not load the model again.

    Returns
    -------
    Depth
        Inverse depth, which model it is from, and what can be done with it.

    Raises
    ------
    DepthmapError
        As `DepthEstimator` and its ``predict`` do.
    """
    environment = tuple(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("DEPTHMAP_"))
    if size is not None:
        input_sizes.rounded_size(size)  # an error comes before a model is loaded
    estimator = _shared(model, device, engine, environment)
    return estimator.depths([image], 1, size=size)[0]
