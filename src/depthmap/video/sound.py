"""The sound of a film: its packets as they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from .packages import PYAV


class Sound:
    """The sound of a file, to be copied into another; it is a context.

    Parameters
    ----------
    path : Path
        The film. A camera has none: None.
    start : Fraction
        Seconds at which the film begins by its own clock.
    end : Fraction, optional
        Seconds from there after which nothing is copied.
    """

    def __init__(self, path: Path | None, start: Fraction, end: Fraction | None = None) -> None:
        self._container: Any = PYAV.load().open(str(path)) if path else None
        self._start = start
        self._end = end
        self.left_out: list[str] = []
        """Names of the codecs that the target cannot take."""

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            self._container.close()

    def packets(self, target: Any) -> Iterator[tuple[Fraction, Any]]:
        """Make streams in ``target`` for all that it can take; return packets for them, with the seconds of each."""
        streams = {}
        for stream in self._container.streams.audio if self._container is not None else ():
            codec = getattr(stream.codec_context, "name", "unknown")
            if codec in target.supported_codecs:
                streams[stream.index] = target.add_stream_from_template(stream)
            else:
                self.left_out.append(codec)
        return self._read(streams)

    def _read(self, streams: dict[int, Any]) -> Iterator[tuple[Fraction, Any]]:
        if not streams:
            return
        error = PYAV.load().error.FFmpegError
        packets = self._container.demux([self._container.streams[index] for index in streams])
        while True:
            try:
                packet = next(packets, None)
            except (error, OSError):  # the file is cut short
                return
            if packet is None:
                return
            if packet.dts is None:
                continue
            base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
            offset = round(self._start / base)
            packet.dts -= offset
            packet.pts = packet.dts if packet.pts is None else packet.pts - offset
            seconds = packet.pts * base
            if self._end is None or seconds < self._end:
                packet.stream = streams[packet.stream.index]
                yield seconds, packet
