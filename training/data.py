"""Pictures with inverse depth: decoded once, kept in memory, cropped and disturbed at random.

A source is a folder with ``rgb/STEM.jpg`` and ``inverse_depth/STEM.png``, of one size; the PNG is 16-bit inverse
depth: 0 invalid, 1 as good as infinitely far, 65535 the nearest pixel.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from depthmap.catalog import EMBEDDED

from .config import Shape, Stage

Random = np.random.Generator
DEPTH_SCALE = 65535


@dataclass(frozen=True)
class Source:
    """One data set: pictures (H, W, 3) uint8 and their inverse depth (H, W) uint16."""

    name: str
    pictures: list[NDArray[np.uint8]]
    inverse_depths: list[NDArray[np.uint16]]

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Batch:
    """What a step trains on: all of one shape."""

    pictures: Tensor
    """Normalised RGB (N, 3, H, W), float32, channels last."""
    inverse_depths: Tensor
    """(N, H, W), float32 in [0, 1]."""
    masks: Tensor
    """(N, H, W), bool: where the inverse depth is valid."""

    def thinned(self) -> Batch:
        """Return the batch with depths of half the size, for a network that gives maps of that size."""
        return Batch(self.pictures, self.inverse_depths[:, ::2, ::2], self.masks[:, ::2, ::2])

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.pictures.to(device), self.inverse_depths.to(device), self.masks.to(device))


def stems(folder: Path) -> list[str]:
    """Return the names of the pairs of a source, sorted."""
    return sorted(path.stem for path in (folder / "inverse_depth").glob("*.png"))


def read_pair(folder: Path, stem: str) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Read one picture and its inverse depth."""
    picture = np.asarray(Image.open(folder / "rgb" / f"{stem}.jpg").convert("RGB"))
    depth = np.asarray(Image.open(folder / "inverse_depth" / f"{stem}.png")).astype(np.uint16)
    if picture.shape[:2] != depth.shape:
        raise ValueError(f"{folder.name}/{stem}: the picture is {picture.shape[:2]}, its depth {depth.shape}")
    return picture, depth


def read_sources(folder: Path, *more: Path) -> list[Source]:
    """Read every source below ``folder``, and what other folders have besides of the sources of these names."""
    sources = []
    for part in sorted(p for p in folder.iterdir() if (p / "inverse_depth").is_dir()):
        parts = [part, *(other / part.name for other in more)]
        pairs = [read_pair(place, stem) for place in parts for stem in stems(place)]
        sources.append(Source(part.name, [p for p, _ in pairs], [d for _, d in pairs]))
    if not sources:
        raise FileNotFoundError(f"{folder} holds no source: a folder with rgb/ and inverse_depth/")
    return sources


def normalised(pictures: NDArray[np.uint8]) -> Tensor:
    """Turn RGB (N, H, W, 3) uint8 into what the embedded network expects: (N, 3, H, W) float32, channels last."""
    # NumPy, not torch: in the thread that prepares batches, torch would start threads of its own
    mean, std = np.array(EMBEDDED.mean, np.float32), np.array(EMBEDDED.std, np.float32)
    scaled = np.multiply(pictures, 1 / (255 * std), dtype=np.float32)
    scaled -= mean / std
    return torch.from_numpy(scaled).permute(0, 3, 1, 2)  # of contiguous NHWC, this is channels_last


def random_crop(
    size: tuple[int, int], shape: Shape, narrowest: float, rng: Random
) -> tuple[float, float, float, float]:
    """Draw a crop (left, upper, right, lower) of a picture (width, height), of about the shape's aspect."""
    width, height = size
    aspect = shape[1] / shape[0] * np.exp(rng.uniform(-0.2, 0.2))
    widest = min(width, height * aspect)
    w = widest * rng.uniform(narrowest, 1.0) if rng.random() < 0.7 else widest
    h = min(w / aspect, height)  # not above by a rounding error
    left, upper = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return left, upper, left + w, upper + h


def recolour(picture: Image.Image, rng: Random) -> Image.Image:
    """Change brightness, contrast, gamma and white balance by one table per channel, then saturation and hue."""
    ramp = np.linspace(0, 1, 256)[None] ** np.exp(rng.uniform(-0.4, 0.4))
    contrast, brightness = np.exp(rng.uniform(-0.4, 0.4)), rng.uniform(-0.12, 0.12)
    cast = np.exp(rng.uniform(-0.15, 0.15, (3, 1))) if rng.random() < 0.6 else np.ones((3, 1))
    table = ((ramp - 0.5) * contrast + 0.5 + brightness) * cast
    looks = np.clip(table * 255, 0, 255).round().astype(np.uint8)
    values = np.asarray(picture)
    picture = Image.fromarray(np.stack([looks[c][values[..., c]] for c in range(3)], 2))
    picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.3, 1.6) if rng.random() < 0.85 else 0.0)
    if rng.random() < 0.3:
        hue, saturation, value = picture.convert("HSV").split()
        shift = int(rng.integers(-16, 17))
        hue = hue.point([(v + shift) % 256 for v in range(256)])
        picture = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    return picture


def _blur(picture: Image.Image, rng: Random) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2.2)))


def _sharpen(picture: Image.Image, rng: Random) -> Image.Image:
    """Cameras sharpen, and a resize without anti-aliasing leaves such edges too."""
    return picture.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 2), int(rng.integers(40, 200)), 0))


def _compress(picture: Image.Image, rng: Random) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(rng.integers(20, 80)))
    return Image.open(buffer).convert("RGB")


def _noise(picture: Image.Image, rng: Random) -> Image.Image:
    values = np.asarray(picture, np.float32)
    shape, strength = (*values.shape[:2], 3 if rng.random() < 0.7 else 1), rng.uniform(2, 14)
    noise = rng.standard_normal(shape, np.float32) * np.float32(strength)
    return Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8))


DISTURBANCES: tuple[tuple[float, Callable[[Image.Image, Random], Image.Image]], ...] = (
    (0.3, _blur),
    (0.3, _sharpen),
    (0.25, _noise),
    (0.2, _compress),
)
"""What befalls a picture after its colours change, and how often."""


def sample(
    picture: NDArray[np.uint8],
    depth: NDArray[np.uint16],
    shape: Shape,
    narrowest: float,
    rng: Random,
    disturbed: bool = True,
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Crop a pair at random, resize it to ``shape``, perhaps mirror it, and change its looks if ``disturbed``.

    The depth is sampled by nearest neighbour: between 0, which is invalid, and a depth there is no mean.
    """
    rgb, inverse = Image.fromarray(picture), Image.fromarray(depth.astype(np.int32))
    box = random_crop(rgb.size, shape, narrowest, rng)
    size = (shape[1], shape[0])
    rgb = rgb.resize(size, Image.Resampling.BICUBIC, box=box)
    inverse = inverse.resize(size, Image.Resampling.NEAREST, box=box)
    if rng.random() < 0.5:
        rgb, inverse = (im.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for im in (rgb, inverse))
    if disturbed:
        rgb = recolour(rgb, rng) if rng.random() < 0.9 else rgb
        for chance, disturb in DISTURBANCES:
            rgb = disturb(rgb, rng) if rng.random() < chance else rgb
    return np.asarray(rgb), np.asarray(inverse).astype(np.uint16)


class Sampler:
    """Draws batches: each source gives its share, whatever its size, and goes round before it repeats.

    A batch is a function of the seed and the step alone, so that a run resumes as if it had not stopped.
    """

    def __init__(
        self, sources: Sequence[Source], shares: Mapping[str, int], seed: int, disturbed: bool = True
    ) -> None:
        if odd := {source.name for source in sources} ^ shares.keys():
            raise ValueError(f"sources and shares must have the same names: {', '.join(sorted(odd))}")
        self.sources, self.shares, self.seed = sources, shares, seed
        self.disturbed = disturbed

    def _chosen(self, source: Source, step: int) -> list[int]:
        """Return the pictures of a source in this step: it is shuffled anew for each round."""
        share = self.shares[source.name]
        places = range(step * share, (step + 1) * share)
        orders = {p // len(source): None for p in places}
        shuffled = {r: np.random.default_rng([self.seed, r, 7]).permutation(len(source)) for r in orders}
        return [int(shuffled[p // len(source)][p % len(source)]) for p in places]

    def batch(self, step: int, stage: Stage) -> Batch:
        """Return the batch of ``step``, of a shape drawn from the stage's by weight."""
        rng = np.random.default_rng([self.seed, step])
        weights = np.array(list(stage.shapes.values()))
        shape = list(stage.shapes)[int(rng.choice(len(weights), p=weights / weights.sum()))]
        pairs = [
            sample(source.pictures[i], source.inverse_depths[i], shape, stage.narrowest, rng, self.disturbed)
            for source in self.sources
            for i in self._chosen(source, step)
        ]
        inverse = np.stack([d for _, d in pairs])
        pictures = normalised(np.stack([p for p, _ in pairs]))
        scaled = np.multiply(inverse, 1 / DEPTH_SCALE, dtype=np.float32)
        return Batch(pictures, torch.from_numpy(scaled), torch.from_numpy(inverse > 0))

    def ahead(self, step: int, stages: Sequence[Stage], workers: int = 1) -> Iterator[Batch]:
        """Yield the batches of ``step`` and after, one for each of ``stages``, prepared in threads ahead of time."""
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Batch]] = deque()
            for place, stage in enumerate(stages):
                waiting.append(pool.submit(self.batch, step + place, stage))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            yield from (future.result() for future in waiting)
