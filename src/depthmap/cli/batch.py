"""``depthmap batch``."""

from __future__ import annotations

import click

from ..outputs import DEFAULT_OUTPUTS, Options
from . import stdin
from .estimating import OUTPUTS_HELP, Choice, closing, document, estimating
from .measuring import Measures, measuring
from .session import Session, with_session
from .streaming import Flow, run_streamed, show_plan, streaming, tell


@click.command(epilog=OUTPUTS_HELP)
@click.argument("paths", metavar="DIR...", nargs=-1)
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
@streaming
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
    flow: Flow,
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

    For millions of pictures use --resume. Then DIR may also be a tar archive or
    WebDataset shard, a Parquet file, or a URL such as s3://bucket/photos, and
    OUT a URL. Files keep the picture's ending: photo.jpg_depth.png. A manifest
    in OUT says what is done, so that the same command goes on where it was.
    """
    from ..batch import Result, plan, run_jobs
    from .progress import in_pictures

    stdin.refuse(paths)
    if not paths and not flow.lists:
        raise click.UsageError("Missing argument 'DIR...'.")
    if session.json and (flow.jsonl or flow.dry_run):
        raise click.UsageError("stdout cannot take both one JSON document and lines: leave out --json.")
    if flow.streams(paths, out):
        more = {"recursive": recursive, "overwrite": overwrite, "batch_size": batch_size}
        return run_streamed(session, paths, out, flow, choice, measures, formats, options, **more)
    planned = plan(paths, formats or DEFAULT_OUTPUTS, out, recursive=recursive)
    jobs = planned.jobs
    if flow.dry_run:
        return show_plan(session, iter(jobs))
    session.say(
        f"{len(jobs)} pictures"
        + (f"; skipping {len(planned.left_out)} that are depth maps of them" if planned.left_out else "")
    )
    ended = 0
    with in_pictures(session) as report:

        def notify(result: Result) -> None:
            nonlocal ended
            ended += 1
            tell(session, flow, result)
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
