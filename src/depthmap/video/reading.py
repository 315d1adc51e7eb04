"""Films as frames: upright pictures with their times, from a file or a camera."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import VideoError
from ..images import MAX_PIXELS
from ..signatures import HEAD, PICTURE, VIDEO, kind_of
from .packages import PYAV
from .tags import Tags

_MATRIX = "DISPLAYMATRIX"
_USUAL_RATE = Fraction(25)
_WHOLE = 0.98
"""Share of the frames that a whole film has at least: how many there are is partly a guess from its length."""
_MOVING = "gif"
"""The kind of picture that may be a film."""
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}
"""By system: what FFmpeg calls its cameras, and how it names one."""


class Frame(NamedTuple):
    """One frame: its number from 0, its time and how long it is shown, and its picture, sRGB uint8 (H, W, 3).

    Times are in `Film.time_base`, from the beginning of the film.
    """

    number: int
    time: int
    duration: int
    pixels: NDArray[np.uint8]


class Turn(NamedTuple):
    """How a stored picture is turned to be upright: its axes swapped, then flipped."""

    swap: bool = False
    up_down: bool = False
    left_right: bool = False

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture upright."""
        turned = pixels.swapaxes(0, 1) if self.swap else pixels
        return np.ascontiguousarray(turned[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1])

    @classmethod
    def of(cls, matrix: bytes) -> Turn:
        """Return the turn that a display matrix means, to the nearest quarter; see FFmpeg's ``libavutil/display.h``."""
        a, b, _, c, d = np.frombuffer(matrix, np.int32, 9)[:5].tolist()
        if abs(b) > abs(a):
            return cls(True, b < 0, c < 0)
        return cls(False, d < 0, a < 0)


@dataclass
class Film:
    """A film that is open; `open_film` and `open_camera` make it, and it is a context that closes it.

    Parameters
    ----------
    name : str
        The file's name, or the camera's.
    width, height : int
        Pixels of the upright frames.
    time_base : Fraction
        Seconds of one tick of the frames' times.
    rate : Fraction
        Frames a second, on average as far as the file says.
    frames : int
        About how many there are; 0: nobody knows.
    aspect : Fraction
        Width of a pixel divided by its height, upright.
    tags : Tags
        What it says of its colours.
    """

    name: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    frames: int
    aspect: Fraction
    tags: Tags
    is_live: bool
    start: Fraction
    """Seconds at which it begins, by its own clock."""
    _container: Any
    _stream: Any
    _decoded: Iterator[Any]
    _turn: Turn
    _reformatter: Any  # a frame's own begins anew each time
    damage: str = ""
    """Why it ended before its end, or what was left out; empty when it is whole."""

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file or the camera."""
        self._decoded = iter(())
        self._container.close()

    def read(self, skip: int = 0) -> Iterator[Frame]:
        """Yield the frames; the first ``skip`` of them are passed over quickly, and still counted."""
        offset = round(self.start / self.time_base)
        usual = max(1, round(1 / (self.rate * self.time_base)))
        last = -usual
        tags = self.tags.assumed(min(self.width, self.height))
        number = -1
        for number, frame in enumerate(self._decoded):
            time = last + usual if frame.pts is None else frame.pts - offset
            time = max(time, last + 1)
            last = time
            if number >= skip:
                yield Frame(number, time, int(frame.duration or usual), self._turn(self._rgb(frame, tags)))
        if number + 1 < self.frames * _WHOLE - 1:
            self.damage = self.damage or "it is shorter than it says"

    def _rgb(self, frame: Any, tags: Tags) -> NDArray[np.uint8]:
        """Return the pixels of a frame, at the size of the first."""
        width, height = (self.height, self.width) if self._turn.swap else (self.width, self.height)
        picture: NDArray[np.uint8] = self._reformatter.reformat(
            frame,
            format="rgb24",
            width=width,
            height=height,
            src_colorspace=tags.scaler,
            dst_colorspace=tags.scaler,
            src_color_range=tags.range,
        ).to_ndarray()
        return picture


def open_film(path: str | PathLike[str]) -> Film:
    """Open a file.

    Raises
    ------
    VideoError
        When there is no such file, or no frame in it can be read.
    MissingExtra
        When PyAV is not installed.
    """
    av = PYAV.load()
    name = str(path)
    if not Path(path).is_file():
        raise VideoError("There is no such video", path, "Check the path.")
    kind = _kind(Path(path))
    try:
        container = av.open(name)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(Path(path), kind, error) from error
    if kind == PICTURE and container.format.name != _MOVING:
        container.close()
        raise _unreadable(Path(path), kind)
    return _film(container, Path(name).name, is_live=False)


def open_camera(number: int | str) -> Film:
    """Open a camera by its number (on Windows its name), or by ``FORMAT:NAME`` as FFmpeg has it.

    Raises
    ------
    VideoError
        When there is no such camera, or it gives no picture.
    MissingExtra
        When PyAV is not installed.
    """
    av = PYAV.load()
    format, name = _device(str(number))
    try:
        container = av.open(name, format=format)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"The camera cannot be opened: {_reason(error)}",
            name,
            "Check that it is plugged in, that no other program uses it and that you may, or name another: --camera 1.",
        ) from error
    return _film(container, f"camera {number}", is_live=True)


def _device(camera: str) -> tuple[str, str]:
    if ":" in camera:
        format, _, name = camera.partition(":")
        return format, name
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    format, pattern = _DEVICES.get(system, _DEVICES["linux"])
    return format, pattern.format(camera)


def _film(container: Any, name: str, *, is_live: bool) -> Film:
    stream = container.streams.best("video")
    if stream is None:
        container.close()
        raise VideoError("There is no picture in this file", name, "Give a video: this may be sound alone.")
    av = PYAV.load()
    stream.thread_type = "AUTO"
    film = Film(
        name, 0, 0, _fraction(stream.time_base, Fraction(1, 90000)), _fraction(stream.average_rate, _USUAL_RATE),
        0, Fraction(1), Tags(), is_live, Fraction(0), container, stream, iter(()), Turn(),
        av.video.reformatter.VideoReformatter(),
    )  # fmt: skip
    decoded = _decoded(film)
    first = next(decoded, None)
    if first is None:
        container.close()
        why = f": {film.damage}" if film.damage else ""
        raise VideoError(f"No frame of the video can be read{why}", name, "Copy it again, or convert it.")
    film._decoded = chain([first], decoded)
    _describe(film, first)
    return film


def _describe(film: Film, first: Any) -> None:
    """Fill in what is known of a film, now that its first frame is there."""
    stream, container = film._stream, film._container
    matrix = first.side_data.get(_MATRIX)
    film._turn = Turn.of(bytes(matrix)) if matrix is not None else Turn()
    sides = (first.width, first.height)
    if sides[0] * sides[1] > MAX_PIXELS:
        film.close()
        raise VideoError(f"The frames are too large: {sides[0]} × {sides[1]}", film.name, "Make it smaller.")
    aspect = _fraction(stream.sample_aspect_ratio, Fraction(1))
    film.width, film.height = sides[::-1] if film._turn.swap else sides
    film.aspect = 1 / aspect if film._turn.swap else aspect
    film.tags = Tags.of(stream.codec_context)
    if not film.is_live:
        seconds = (stream.duration or 0) * film.time_base or Fraction(container.duration or 0, 1_000_000)
        film.frames = stream.frames or int(seconds * film.rate)
    film.start = _start(film, first)


def _start(film: Film, first: Any) -> Fraction:
    """Return when the film begins by its own clock: at its first frame or its sound, whichever is earlier."""
    begins: Fraction = (first.pts or 0) * film.time_base
    sound: list[Fraction] = [
        stream.start_time * _fraction(stream.time_base, Fraction(1))
        for stream in film._container.streams.audio
        if stream.start_time is not None
    ]
    if film.is_live or begins < 0:
        return begins
    # Sound before 0 is what its decoder begins with, and not heard.
    return max(min([begins, *sound]), Fraction(0))


def _decoded(film: Film) -> Iterator[Any]:
    """Yield the frames as FFmpeg has them; what cannot be decoded is left out, and noted."""
    av = PYAV.load()
    packets = film._container.demux(film._stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError) as error:
            film.damage = _reason(error)
            packet = None
        try:
            yield from film._stream.codec_context.decode(packet)  # None: what is still inside
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            film.damage = _reason(error)
        if packet is None:
            return


def _fraction(value: Any, otherwise: Fraction) -> Fraction:
    """Return one of PyAV's fractions, whose class depends on its version."""
    return Fraction(value.numerator, value.denominator) if value else otherwise


def _reason(error: Exception | None) -> str:
    return getattr(error, "strerror", None) or str(error)


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return kind_of(file.read(HEAD))
    except OSError as error:
        raise VideoError(
            f"The video cannot be read: {error.strerror}", path, "Check its permissions."
        ) from error


def _unreadable(path: Path, kind: str, error: Exception | None = None) -> VideoError:
    if kind == PICTURE:
        return VideoError("This is a picture, not a video", path, f"Run: depthmap predict {path}")
    if kind == VIDEO:
        what = f"The video is damaged, or cut short before its index: {_reason(error)}"
        return VideoError(
            what, path, "Copy it again. MP4 files have the index at their end, MKV files need none."
        )
    return VideoError(
        f"This is {kind or 'no file'} that FFmpeg cannot read as a video", path, "Convert it to MP4."
    )
