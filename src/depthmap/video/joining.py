"""Pieces into a film, with the sound of the film that it is of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from .looks import LOOKS
from .packages import PYAV
from .sound import Sound


def join(pieces: Sequence[Path], name: str, target: Path, sound: Sound, facts: dict[str, str]) -> None:
    """Join the pieces of a film under its final name, where it appears whole or not at all.

    Parameters
    ----------
    pieces : sequence of Path
        Files that `writing` made, in order.
    name : str
        One of `LOOKS`.
    target : Path
        The film; its ending says of which kind it is.
    sound : Sound
        Whose packets are copied.
    facts : dict
        What the file says of itself.
    """
    kind = LOOKS[name].kinds[target.suffix.lower()]
    whole = pieces[0].with_name(f"whole{target.suffix.lower()}")
    av = PYAV.load()
    with av.open(str(pieces[0])) as first:
        template = first.streams.video[0]
        base = Fraction(template.time_base.numerator, template.time_base.denominator)
        with av.open(str(whole), "w", format=kind, container_options=_options(kind, base)) as out:
            stream = out.add_stream_from_template(template, opaque=True)
            stream.time_base = base
            out.metadata.update(facts)
            for packet in _in_order(_pictures(pieces, stream), sound.packets(out)):
                out.mux(packet)
    with whole.open("rb") as file:
        os.fsync(file.fileno())
    whole.replace(target)


def _options(kind: str, base: Fraction) -> dict[str, str]:
    same = {"fflags": "+bitexact"}  # no random identifiers: a film made twice is the same
    if kind == "matroska":
        return same
    ticks = {"video_track_timescale": str(base.denominator)} if base.numerator == 1 else {}
    return {**same, "movflags": "+faststart", **ticks}


def _pictures(pieces: Sequence[Path], stream: Any) -> Iterator[tuple[Fraction, Any]]:
    av = PYAV.load()
    for piece in pieces:
        with av.open(str(piece)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.dts is None:
                    continue
                seconds = packet.pts * Fraction(packet.time_base.numerator, packet.time_base.denominator)
                packet.stream = stream
                yield seconds, packet


def _in_order(
    pictures: Iterator[tuple[Fraction, Any]], sounds: Iterator[tuple[Fraction, Any]]
) -> Iterator[Any]:
    """Yield the packets of both by their times, so that the file's writer has to keep none."""
    sound = next(sounds, None)
    for seconds, picture in pictures:
        while sound is not None and sound[0] <= seconds:
            yield sound[1]
            sound = next(sounds, None)
        yield picture
    while sound is not None:
        yield sound[1]
        sound = next(sounds, None)
