"""``depthmap predict``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..fetching import hide_login, is_url
from ..outputs import DEFAULT_OUTPUTS, OUTPUTS, Options
from . import stdin
from .estimating import OUTPUTS_HELP, Choice, announce, closing, document, estimating
from .measuring import Measures, measuring
from .session import Session, with_session

if TYPE_CHECKING:
    from ..batch import Job


@click.command(epilog=OUTPUTS_HELP)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--out",
    "-o",
    default=".",
    metavar="PATH",
    help="Directory to write to, by default this one. For one picture also a file, or - for stdout.",
)
@estimating
@measuring
@with_session
def predict(
    session: Session,
    images: tuple[str, ...],
    out: str,
    choice: Choice,
    measures: Measures,
    formats: tuple[str, ...],
    options: Options,
) -> int:
    """Estimate the depth of pictures: photo.jpg gives photo_depth.png (16 bits)
    and photo_colour.png. Brighter is nearer.

    IMAGE is a picture, a directory of pictures, the URL of a picture, a
    pattern such as 'photos/*.jpg', or - for a picture on stdin. Your pictures
    are never changed. Earlier outputs of the same name are replaced.
    """
    jobs = _jobs(session, images, out, formats)
    from ..batch import run_jobs

    summary = run_jobs(
        jobs,
        lambda: choice.make(session, len(jobs)),
        overwrite=True,
        allow_private=session.allow_private,
        begin=measures.begin,
        finish=measures.finish,
        notify=None if len(jobs) == 1 else lambda r: announce(session, r),
        options=options,
    )
    if len(jobs) == 1 and summary.results:
        if error := summary.results[0].error:
            raise error
        announce(session, summary.results[0])
    status = closing(session, choice, summary, len(jobs))
    if session.json:
        session.result(document(choice, summary))
    return status


def _jobs(session: Session, images: Sequence[str], out: str, formats: tuple[str, ...]) -> list[Job]:
    """Return what is to be done, or say what is wrong before a model is loaded."""
    from ..batch import expand, plan

    names = [str(name) for name in expand(images)]
    stdin.check_once(names)
    if out == "-":
        return [_to_stdout(session, names, formats)]
    if len(names) == 1 and Path(out).suffix and not Path(out).is_dir() and not _is_directory(names[0]):
        return [_to_file(names[0], Path(out), formats)]
    outputs = formats or DEFAULT_OUTPUTS
    planned = plan([name for name in names if name != stdin.STDIN], outputs, out)
    for path in planned.left_out:
        session.say(f"{path} is left out: it is an output of another picture.")
    return planned.jobs + ([_from_stdin(Path(out), outputs, planned.jobs)] if stdin.STDIN in names else [])


def _is_directory(image: str) -> bool:
    return not is_url(image) and Path(image).is_dir()


def _picture(image: str) -> Path | str | bytes:
    return stdin.read_picture() if image == stdin.STDIN else image if is_url(image) else Path(image)


def _from_stdin(directory: Path, names: Sequence[str], others: Sequence[Job]) -> Job:
    """Return the job of the picture in stdin; its files are called stdin, unless another picture is."""
    from ..batch import Job

    taken = {path for job in others for path in job.paths}
    for number in count(1):
        stem = f"stdin-{number}" if number > 1 else "stdin"
        files = {name: directory / f"{stem}{OUTPUTS[name].suffix}" for name in names}
        if not taken & set(files.values()):
            break
    return Job(_picture(stdin.STDIN), stdin.STDIN, files)


def _to_stdout(session: Session, images: Sequence[str], formats: tuple[str, ...]) -> Job:
    from ..batch import Job

    names = formats or DEFAULT_OUTPUTS[:1]
    if len(images) != 1 or len(names) != 1:
        raise click.UsageError(
            "stdout takes one output of one picture: name one of each, or a directory with -o."
        )
    if session.json:
        raise click.UsageError("stdout cannot take both the output and --json.")
    if sys.stdout.isatty():
        raise click.UsageError("stdout is a terminal, the output is binary: redirect it to a file or a pipe.")
    return Job(_picture(images[0]), hide_login(images[0]), {names[0]: sys.stdout.buffer})


def _to_file(image: str, target: Path, formats: tuple[str, ...]) -> Job:
    from ..batch import Job
    from ..outputs import by_ending

    names = formats or (by_ending(target).name,)
    if len(names) != 1:
        raise click.UsageError(
            f"{target} is one file, and {len(names)} outputs are asked for: name a directory."
        )
    picture = _picture(image)
    if isinstance(picture, Path) and target.exists() and picture.exists() and target.samefile(picture):
        raise click.UsageError(f"{target} is the picture itself: name another file.")
    return Job(picture, hide_login(image), {names[0]: target})
