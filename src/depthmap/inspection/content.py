"""What is in a file of depth, format by format."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..outputs.base import sidecar_of
from ..outputs.exr import OPENEXR
from ..outputs.tiff import DESCRIPTION
from ..ranges import value_range

HEAD = 16
"""Bytes by which a format is known."""
_MAX_TEXT = 1 << 20  # bytes of text that may be facts
_MAX_JSON = 1 << 26  # bytes of the JSON in a GLB, which lists its parts


@dataclass(frozen=True)
class Content:
    """What is in a file.

    Parameters
    ----------
    format : str
        In words, with the type of its numbers.
    shape : tuple of int
        Of the numbers that are depth: (height, width), with a third for colours; or the numbers of vertices and faces.
    low, high : float or None
        The least and the greatest finite number; None where there are none, or they are no depth.
    facts : dict or None
        What depthmap wrote into it or beside it.
    values : array, optional
        The numbers themselves.
    hints : mapping
        Other things that tell where it is from.
    """

    format: str
    shape: tuple[int, ...]
    low: float | None = None
    high: float | None = None
    facts: dict[str, Any] | None = None
    values: NDArray[Any] | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)


def _of_values(name: str, values: NDArray[Any], facts: dict[str, Any] | None, **hints: Any) -> Content:
    low, high = value_range(values) if values.size and values.dtype.kind in "fiu" else (float("nan"),) * 2
    known = low == low
    return Content(
        f"{name}, {values.dtype}",
        values.shape,
        low if known else None,
        high if known else None,
        facts,
        values,
        hints,
    )


def _facts(text: object) -> dict[str, Any] | None:
    """Return the facts that a text holds; None when it holds others."""
    if not isinstance(text, str) or len(text) > _MAX_TEXT or not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    ours = isinstance(data, dict) and str(data.get("software", "")).startswith("depthmap")
    return data if ours and isinstance(data.get("kind"), str) else None


def _beside(path: Path, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the facts in the .json beside a file, if they are of a map of its size."""
    sidecar = sidecar_of(path)
    if sidecar is None or not sidecar.is_file() or sidecar.stat().st_size > _MAX_TEXT:
        return None
    facts = _facts(sidecar.read_text(encoding="utf-8"))
    picture = facts and facts.get("picture")
    size = (picture.get("height"), picture.get("width")) if isinstance(picture, dict) else None
    return facts if size == shape else None


def _png(path: Path) -> Content:
    with Image.open(path, formats=["PNG"]) as image:
        image.load()
        text = getattr(image, "text", {})
        values = np.asarray(image if image.mode != "P" else image.convert("RGB"))
    return _of_values("PNG", values, _facts(text.get("depthmap")), text=text)


def _tiff(path: Path) -> Content:
    with Image.open(path, formats=["TIFF"]) as image:
        pages = getattr(image, "n_frames", 1)
        image.seek(pages - 1)  # behind a photo comes its depth
        image.load()
        facts = _facts(image.tag_v2.get(DESCRIPTION))
        values = np.asarray(image)
    return _of_values(f"TIFF of {pages} pages" if pages > 1 else "TIFF", values, facts)


def _exr(path: Path) -> Content:
    part = OPENEXR.load().File(str(path), separate_channels=True)
    header, channels = part.header(), part.channels()
    name = next((name for name in ("Z", "Y", "R") if name in channels), next(iter(channels)))
    text = header.get("depthmap")
    return _of_values(
        f"OpenEXR, channel {name}", channels[name].pixels, _facts(text), channels=list(channels)
    )


def _npy(path: Path) -> Content:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return _of_values("NPY", values, _beside(path, values.shape))


def _npz(path: Path) -> Content:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        names = list(archive)
        facts = _facts(str(archive["facts"])) if "facts" in names else None
        name = next((name for name in ("values", "depth") if name in names), names[0] if names else "")
        values = archive[name] if name else np.empty(0)
    return _of_values("NPZ", values, facts, names=names)


def _pfm(path: Path) -> Content:
    with path.open("rb") as stream:
        kind, size, scale = (stream.readline(64).strip() for _ in range(3))
        width, height = map(int, size.split())
        channels = {b"Pf": 1, b"PF": 3}[kind]
        values = np.fromfile(stream, "<f4" if float(scale) < 0 else ">f4", width * height * channels)
    shape = (height, width) if channels == 1 else (height, width, 3)
    values = values.reshape(shape)[::-1].astype(np.float32, copy=False)
    return _of_values("PFM", values, _beside(path, shape), scale=scale.decode())


def _glb(path: Path) -> Content:
    with path.open("rb") as stream:
        _, _, _, length, _ = struct.unpack("<5I", stream.read(20))
        if length > _MAX_JSON:
            raise ValueError(f"its JSON has {length} bytes")
        document = json.loads(stream.read(length))
    accessors = document.get("accessors", [])
    parts = [part for mesh in document.get("meshes", []) for part in mesh["primitives"]]
    vertices = sum(accessors[part["attributes"]["POSITION"]]["count"] for part in parts)
    faces = sum(accessors[part["indices"]]["count"] // 3 for part in parts if "indices" in part)
    facts = next((facts for text in _extras(document) if (facts := _facts(text))), None)
    return Content(f"GLB, {vertices} vertices, {faces} triangles", (vertices, faces), facts=facts)


def _extras(document: Mapping[str, Any]) -> Iterator[object]:
    """Yield what may be facts of ours in a glTF document, as text."""
    for part in (document.get("asset", {}), *document.get("scenes", [])):
        yield json.dumps(part.get("extras"))


def _ply(path: Path) -> Content:
    with path.open("rb") as stream:
        head = stream.read(_MAX_TEXT).split(b"end_header", 1)[0].decode("utf-8", "replace")
    counts, facts = {"vertex": 0, "face": 0}, None
    for line in head.splitlines():
        word, _, rest = line.partition(" ")
        if word == "element":
            name, count = rest.split()
            counts[name] = int(count)
        elif word == "comment" and facts is None:
            facts = _facts(rest.removeprefix("depthmap "))
    shape = (counts["vertex"], counts["face"])
    return Content(f"PLY, {shape[0]} points, {shape[1]} faces", shape, facts=facts)


READERS: tuple[tuple[bytes, Callable[[Path], Content]], ...] = (
    (b"\x89PNG", _png),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"v/1\x01", _exr),
    (b"\x93NUMPY", _npy),
    (b"PK\x03\x04", _npz),
    (b"Pf", _pfm),
    (b"PF", _pfm),
    (b"glTF", _glb),
    (b"ply", _ply),
)
"""How a file is read, by the bytes that it begins with."""
