"""``depthmap batch``."""

from __future__ import annotations

import click

from ..outputs import DEFAULT_OUTPUTS, Options
from . import stdin
from .estimating import OUTPUTS_HELP, Choice, announce, closing, document, estimating
from .measuring import Measures, measuring
from .session import Session, with_session


@click.command(epilog=OUTPUTS_HELP)
@click.argument("paths", metavar="DIR...", nargs=-1, required=True)
@click.option("--out", "-o", required=True, metavar="OUT", help="Directory to write to; created if needed.")
@click.option("--recursive", "-r", is_flag=True, help="Include pictures in subdirectories.")
@click.option("--overwrite", is_flag=True, help="Also redo pictures whose files exist already.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, 256),
    metavar="N",
    default=4,
    show_default=True,
    help="How many pictures of one size to run at once.",
)
@estimating
@measuring
@with_session
def batch(
    session: Session,
    paths: tuple[str, ...],
    out: str,
    recursive: bool,
    overwrite: bool,
    batch_size: int,
    choice: Choice,
    measures: Measures,
    formats: tuple[str, ...],
    options: Options,
) -> int:
    """Estimate the depth of all pictures in directories.

    DIR may also be a picture, the URL of one, or a pattern such as
    'photos/*.jpg'. A picture that cannot be read is reported and skipped. After
    Ctrl-C, run the same command again to go on: it skips pictures whose files
    exist and are not older than the picture, and URLs whose files exist.
    """
    from ..batch import Result, plan, run_jobs
    from .progress import in_pictures

    stdin.refuse(paths)
    planned = plan(paths, formats or DEFAULT_OUTPUTS, out, recursive=recursive)
    jobs = planned.jobs
    session.say(
        f"{len(jobs)} pictures"
        + (f"; skipping {len(planned.left_out)} that are depth maps of them" if planned.left_out else "")
    )
    ended = 0
    with in_pictures(session) as report:

        def notify(result: Result) -> None:
            nonlocal ended
            ended += 1
            announce(session, result)
            if result.status != "skipped":  # those come before the model is loaded, which has its own bar
                report(result.job.short_name, ended, len(jobs))

        summary = run_jobs(
            jobs,
            lambda: choice.make(session, len(jobs)),
            overwrite=overwrite,
            batch_size=batch_size,
            allow_private=session.allow_private,
            begin=measures.begin,
            finish=measures.finish,
            notify=notify,
            options=options,
        )
    status = closing(session, choice, summary, len(jobs))
    if session.json:
        session.result(document(choice, summary, out=out))
    return status
