"""Little films for the tests, and readers of films that share no code with ours."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from support import PHOTO

Pixels = np.ndarray[Any, Any]
TICKS = Fraction(1, 12800)
"""A time base that divides 25 frames a second."""


def photo(width: int, height: int, path: Path = PHOTO) -> Pixels:
    """A photo at a size."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def scene(frames: int, width: int = 96, height: int = 64) -> list[Pixels]:
    """A pan over a photo, so that no two frames are alike."""
    wide = photo(width + 2 * frames, height)
    return [wide[:, 2 * number : 2 * number + width] for number in range(frames)]


def numbered(frames: int, width: int = 96, height: int = 64) -> list[Pixels]:
    """Frames that say which they are: their number in black and white blocks, which no codec hides."""
    found = []
    for number in range(frames):
        picture = np.full((height, width, 3), 128, np.uint8)
        for bit in range(8):
            picture[: height // 2, bit * width // 8 : (bit + 1) * width // 8] = 235 * (number >> bit & 1)
        found.append(picture)
    return found


def write(
    path: Path,
    frames: Iterable[Pixels],
    *,
    rate: Fraction | int = 25,
    times: Sequence[int] | None = None,
    time_base: Fraction = TICKS,
    codec: str = "libx264",
    format: str = "yuv420p",
    sound: float = 0.0,
    tags: tuple[int, int, int, int] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Write a film; ``times`` are in ``time_base``, ``sound`` is its length in seconds."""
    usual = int(1 / (Fraction(rate) * time_base))
    with av.open(str(path), "w", container_options=container or {}) as out:
        stream: Any = None
        audio: Any = None
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = out.add_stream(codec, rate=Fraction(rate), options=options or {})
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = format
                stream.codec_context.time_base = stream.time_base = time_base
                if aspect:
                    stream.codec_context.sample_aspect_ratio = aspect
                if tags:
                    context = stream.codec_context
                    context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
                if sound:
                    audio = out.add_stream("aac", rate=48000, layout="mono")
                    _write_sound(out, audio, sound)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = (times[number] if times else number * usual), time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _write_sound(out: Any, audio: Any, seconds: float) -> None:
    samples = int(48000 * seconds)
    tone = np.sin(np.arange(samples) * 440 * 2 * np.pi / 48000).astype(np.float32)[None]
    for start in range(0, samples, 1024):
        frame = av.AudioFrame.from_ndarray(tone[:, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))


MATRICES = {
    0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0), -1: (-1, 0, 0, 1),
}  # fmt: skip
"""By how many degrees clockwise players turn a film, what its display matrix says; -1 mirrors it."""


def turn(path: Path, degrees: int) -> None:
    """Write a display matrix into the header of an MP4 file, as phones do."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">3i", data, place) == (1 << 16, 0, 0)
    a, b, c, d = (value << 16 for value in MATRICES[degrees])
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def cut_short(path: Path, share: float) -> None:
    """Cut off the end of a file."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))


def seen_by_opencv(path: Path) -> list[Pixels]:
    """Return the frames as OpenCV shows them, RGB."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame[..., ::-1])
    capture.release()
    return frames


def packets(path: Path, kind: str = "video") -> list[tuple[Fraction, Fraction, bytes]]:
    """Return the time, the duration, both in seconds, and the bytes of each packet, by time."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(**{kind: 0}):
            if packet.pts is not None and packet.size:
                base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
                found.append((packet.pts * base, (packet.duration or 0) * base, bytes(packet)))
    return sorted(found, key=lambda packet: packet[0])


def times(path: Path) -> list[Fraction]:
    """Return the seconds at which frames are shown."""
    return [time for time, _, _ in packets(path)]


def grey(path: Path) -> Pixels:
    """Return the frames of a lossless film, uint16 (N, H, W)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])


def ffprobe(path: Path, *wanted: str) -> dict[str, Any] | None:
    """Return what ffprobe says of the first picture stream; None where it is not installed."""
    program = shutil.which("ffprobe")
    if program is None:
        return None
    command = [
        program,
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-count_frames",
        "-show_streams",
        "-of",
        "json",
    ]
    done = subprocess.run([*command, *wanted, str(path)], capture_output=True, text=True, check=True)
    stream: dict[str, Any] = json.loads(done.stdout)["streams"][0]
    return stream
