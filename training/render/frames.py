"""Frames on disk: 16-bit inverse depth, a tone-mapped picture, and a record of the scenes that are finished.

A frame is written whole or not at all, its depth last. ``meta.jsonl`` gets the lines of a scene when all its frames
are there: a scene without lines is rendered again, under the same names.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NEAREST, INFINITE, INVALID = 65535, 1, 0
JPEG_QUALITY = 92


def encode(depth: NDArray[np.float32], far: float) -> NDArray[np.uint16]:
    """Turn planar depth into inverse depth: nearest 65535, at or beyond ``far`` 1, not a depth 0."""
    valid = depth > 0  # false for NaN
    near = valid & (depth < far)
    encoded = np.where(valid, INFINITE, INVALID).astype(np.uint16)
    if near.any():
        inverse = NEAREST * (depth[near].min() / depth[near].astype(np.float64))
        encoded[near] = np.maximum(np.round(inverse), INFINITE)
    return encoded


def expose(light: NDArray[np.floating[Any]], rng: Random) -> NDArray[np.uint8]:
    """Turn linear light into a picture as a camera would: exposure, white balance, a tone curve, sRGB."""
    light = np.nan_to_num(np.maximum(light, 0), posinf=100.0)
    luminance = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    key = 0.5 * np.exp(np.log(luminance + 1e-4).mean()) + 0.3 * np.percentile(luminance, 70)
    light = light * (rng.uniform(0.13, 0.3) / max(float(key), 1e-5))
    mean = np.minimum(light, 1).reshape(-1, 3).mean(0) + 1e-4
    balance = np.clip((mean.mean() / mean) ** rng.uniform(0.3, 0.8), 0.55, 1.7)
    warmth = rng.gauss(0, 0.07)
    light = light * balance * np.array([1 + warmth, 1 + rng.gauss(0, 0.025), 1 - warmth])
    if rng.random() < 0.6:  # Narkowicz's fit of the ACES curve
        light = light * 0.8
        light = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    else:  # a soft shoulder
        light = np.where(light < 0.7, light, 0.7 + 0.3 * (1 - np.exp(-(light - 0.7) / 0.3)))
    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray((np.clip(encoded, 0, 1) * 255).round().astype(np.uint8))


@dataclass
class Folder:
    """A source's folder, as training reads it."""

    path: Path
    finished: Counter[int] = field(default_factory=Counter)
    """How many frames each finished scene gave, by its seed."""

    def __post_init__(self) -> None:
        for part in ("rgb", "inverse_depth"):
            (self.path / part).mkdir(parents=True, exist_ok=True)
        if self._meta.exists():
            lines = self._meta.read_text(encoding="utf-8").splitlines()
            self.finished = Counter(json.loads(line)["seed"] for line in lines)

    @property
    def _meta(self) -> Path:
        return self.path / "meta.jsonl"

    def write(self, stem: str, picture: NDArray[np.uint8], inverse: NDArray[np.uint16]) -> None:
        """Write a frame."""
        _write_image(self.path / "rgb" / f"{stem}.jpg", picture, "JPEG", quality=JPEG_QUALITY)
        _write_image(self.path / "inverse_depth" / f"{stem}.png", inverse, "PNG")

    def finish(self, seed: int, lines: list[dict[str, object]]) -> None:
        """Record a scene whose frames are all written."""
        text = "".join(json.dumps({"seed": seed, **line}) + "\n" for line in lines)
        old = self._meta.read_text(encoding="utf-8") if self._meta.exists() else ""
        _write_atomically(self._meta, (old + text).encode())
        self.finished[seed] = len(lines)


def stem_of(seed: int, number: int) -> str:
    """Return the name of a scene's frame."""
    return f"{seed:06}-{number:02}"


def _write_image(path: Path, values: NDArray[np.generic], kind: str, **options: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    _write_atomically(path, buffer.getvalue())


def _write_atomically(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)
