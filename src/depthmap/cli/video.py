"""``depthmap video``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..outputs import Options
from ..video.looks import LOOKS, NUMBERS, NUMBERS_ABOUT, SEQUENCES
from ..video.targets import DEFAULT, Target, known, plan
from .estimating import Choice, choosing, colouring, outputs_help, outputs_option, printing0
from .output import count, seconds_text
from .session import INTERRUPTED, Session, with_session

if TYPE_CHECKING:
    from ..video import Film, Summary

_ABOUTS = {
    **{name: look.about for name, look in LOOKS.items()},
    **{name: f"a folder of frames: {output.about}" for name, output in SEQUENCES.items()},
    NUMBERS: NUMBERS_ABOUT,
}
_LIVE = 1_000
"""Frames that a camera is taken to give: many."""


@click.command(epilog=outputs_help(_ABOUTS))
@click.argument("film", metavar="[FILM]", required=False)
@click.option(
    "--out",
    "-o",
    default=".",
    metavar="PATH",
    help="File to write, whose ending says what: .mp4 or .mkv. Or the folder for it. By default this folder.",
)
@outputs_option(known(), f"what the ending of -o says, or {DEFAULT}")
@click.option("--camera", metavar="N", help="Film with a camera instead, by its number, until Ctrl-C.")
@click.option("--no-steady", is_flag=True, help="Leave each frame as the network gives it, flicker and all.")
@click.option(
    "--resume", is_flag=True, help="Go on from where an earlier run with the same options was stopped."
)
@click.option("--frames", type=click.IntRange(1), metavar="N", help="Only the first N frames.")
@colouring
@choosing
@printing0
@with_session
def video(
    session: Session,
    film: str | None,
    out: str,
    formats: tuple[str, ...],
    camera: str | None,
    no_steady: bool,
    resume: bool,
    frames: int | None,
    colours: str,
    choice: Choice,
) -> int:
    """Estimate the depth of a film: film.mp4 gives film_colour.mp4, with its
    sound. Brighter is nearer.

    The depth is steady: scale and range stay the same through a shot. After
    Ctrl-C or a crash, run the same command with --resume to go on.
    """
    if (film is None) == (camera is None):
        raise click.UsageError("Give a film, or a camera with --camera N; one of the two.")
    source = None if film is None else Path(film)
    stem = f"camera{camera}" if source is None else source.stem
    targets = plan(stem, Path(out), formats)
    if source is not None and any(_is_same(source, target.path) for target in targets):
        raise click.UsageError(f"{film} is the film itself: name another file.")
    if resume and source is not None and (done := _done(source, targets)):
        session.say("Nothing to do: the film is there already.")
        return _names(session, done)
    from ..engines.cores import callers
    from ..video import make, open_camera, open_film
    from .progress import in_frames

    with open_film(source) if source is not None else open_camera(str(camera)) as opened:
        estimator = choice.make(session, frames or opened.frames or _LIVE, 1 if opened.is_live else callers())
        session.say(_about(opened))
        with in_frames(session) as report:
            summary = make(
                opened,
                source,
                targets,
                estimator,
                steady=not no_steady,
                resume=resume,
                limit=frames,
                options=Options(colours),
                notify=lambda done, total: report(opened.name, done, total),
            )
    return _closing(session, choice, summary)


def _is_same(source: Path, target: Path) -> bool:
    return source.exists() and target.exists() and source.samefile(target)


def _done(source: Path, targets: list[Target]) -> list[Target]:
    """Return the targets, if all are there and none is older than the film."""
    try:
        age = source.stat().st_mtime_ns
        whole = all(path.stat().st_mtime_ns >= age for _, path in targets)
    except OSError:
        return []
    return targets if whole else []


def _about(film: Film) -> str:
    length = f"about {count(film.frames, 'frame')}" if film.frames else "as long as it lasts"
    return f"{film.name}: {film.width} × {film.height}, {float(film.rate):.4g} frames a second, {length}"


def _closing(session: Session, choice: Choice, summary: Summary) -> int:
    """Say what came of it, and return the exit status."""
    done = summary.work
    if summary.damage:
        session.warn(
            f"The film ends early or is damaged ({summary.damage}). The frames that it has are done."
        )
    if summary.silent:
        names = ", ".join(dict.fromkeys(summary.silent))
        session.warn(
            f"The file cannot hold this kind of sound, which is left out: {names}. An .mkv file holds any."
        )
    kept = f", {done.kept} of them before" if done.kept else ""
    rate = (done.frames - done.kept) / done.seconds if done.seconds else 0.0
    session.say(
        f"{count(done.frames, 'frame')} done{kept}, {count(done.shots, 'shot')}, in {seconds_text(done.seconds)}: "
        f"{rate:.1f} frames a second."
    )
    if session.json:
        session.result(_document(choice, summary))
    if not summary.is_whole:
        session.say("Interrupted. What is done is kept; the same command with --resume goes on from here.")
        return INTERRUPTED
    return 0 if session.json else _names(session, summary.targets)


def _names(session: Session, targets: Any) -> int:
    for _, path in targets:
        session.name(path)
    return 0


def _document(choice: Choice, summary: Summary) -> dict[str, Any]:
    """Return everything as builtins, for JSON."""
    done = summary.work
    return {
        **choice.used,
        "frames": done.frames,
        "kept": done.kept,
        "shots": done.shots,
        "damage": summary.damage,
        "sound_left_out": summary.silent,
        "stopped": type(done.stopped).__name__ if done.stopped else None,
        "seconds": {**choice.seconds, "film": round(done.seconds, 4), "predict": round(done.inference, 4)},
        "files": [str(path) for _, path in summary.targets] if summary.is_whole else [],
    }
