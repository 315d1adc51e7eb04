"""Frames into the pieces of a film."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..depth import Depth
from ..outputs import Options
from .looks import LOOKS, SEQUENCES, Look
from .packages import PYAV
from .parts import Parts
from .reading import Film
from .tags import Tags

_PIECE = "nut"  # it keeps times exactly, where MKV rounds them to milliseconds


class Shape(NamedTuple):
    """What films of depth have of the film that they are of."""

    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    tags: Tags

    @classmethod
    def of(cls, film: Film) -> Shape:
        """Return it for a film."""
        return cls(film.time_base, film.rate, film.aspect, film.tags)


class Piece:
    """Writes the frames of one piece into all outputs; it is a context.

    Parameters
    ----------
    parts : Parts
        The folder.
    number : int
        Which piece it is.
    names : sequence of str
        The outputs.
    shape : Shape
        See there.
    """

    def __init__(self, parts: Parts, number: int, names: Sequence[str], shape: Shape) -> None:
        self._films = [
            _FilmPiece(parts.film(number, name), LOOKS[name], shape) for name in names if name in LOOKS
        ]
        self._folders = {name: parts.frames(name) for name in names if name in SEQUENCES}
        for folder in self._folders.values():
            folder.mkdir(exist_ok=True)

    def write(self, number: int, time: int, duration: int, depth: Depth, options: Options) -> None:
        """Write a frame: its number in the film, its time and duration in ticks."""
        for film in self._films:
            film.write(time, duration, depth, options)
        for name, folder in self._folders.items():
            output = SEQUENCES[name]
            output.write(folder / f"{number:06d}{Path(output.suffix).suffix}", depth, options)

    def close(self) -> None:
        """Write what encoders still hold."""
        for film in self._films:
            film.close()


class _FilmPiece:
    def __init__(self, path: Path, look: Look, shape: Shape) -> None:
        self._path = path
        self._look = look
        self._shape = shape
        self._durations: dict[int, int] = {}
        self._container: Any = None
        self._stream: Any = None
        self._reformatter = (
            PYAV.load().video.reformatter.VideoReformatter()
        )  # a frame's own begins anew each time
        self._tags = Tags()

    def _open(self, width: int, height: int) -> None:
        look, shape = self._look, self._shape
        side = look.name == "side-by-side"
        tags = shape.tags.assumed(height) if side else shape.tags.of_depth(height)
        self._tags = tags if look.painted == "rgb24" else Tags(range=2)
        self._container = PYAV.load().open(str(self._path), "w", format=_PIECE)
        stream = self._container.add_stream(look.codec, rate=shape.rate, options=dict(look.options))
        codec = stream.codec_context
        stream.width, stream.height = width, height
        stream.pix_fmt = look.format(width, height)
        codec.time_base = stream.time_base = shape.time_base
        codec.sample_aspect_ratio = shape.aspect
        self._tags.put(codec)
        self._stream = stream

    def write(self, time: int, duration: int, depth: Depth, options: Options) -> None:
        pixels = np.ascontiguousarray(self._look.paint(depth, options))
        if self._container is None:
            self._open(pixels.shape[1], pixels.shape[0])
        frame = PYAV.load().VideoFrame.from_ndarray(pixels, format=self._look.painted)
        if self._look.painted == "rgb24":
            frame = self._reformatter.reformat(
                frame,
                format=self._stream.pix_fmt,
                src_colorspace=self._tags.scaler,
                dst_colorspace=self._tags.scaler,
                src_color_range=2,
                dst_color_range=self._tags.range,
            )
        frame.pts, frame.time_base = time, self._shape.time_base
        self._durations[time] = duration
        self._mux(frame)

    def close(self) -> None:
        if self._container is not None:
            self._mux(None)
            self._container.close()

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._durations.pop(packet.pts, packet.duration or 0)
            self._container.mux(packet)
