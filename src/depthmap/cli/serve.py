"""``depthmap serve``."""

from __future__ import annotations

import os

import click

from ..web.binding import is_loopback
from .session import Session, accepting_licences, complete_model, with_session


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=5000,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--model",
    "-m",
    metavar="MODEL",
    shell_complete=complete_model,
    help="The model to use if a request names none.",
)
@click.option(
    "--no-warm",
    is_flag=True,
    help="Load the model at the first request, not at the start.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that answer. They share the memory of the models' weights.",
)
@click.option(
    "--no-token",
    is_flag=True,
    help="Do not ask for a token: whoever reaches the port can use and delete the models.",
)
@accepting_licences
@with_session
def serve(
    session: Session, host: str, port: int, model: str | None, no_warm: bool, workers: int, no_token: bool
) -> None:
    """Serve the model cache over HTTP on this machine. Press Ctrl-C to stop.

    Only this machine can reach it, unless you give another --host. The server
    then asks for a token: the one in DEPTHMAP_TOKEN, or one that it makes and
    prints as a link to open. Once the port is open, the server loads the
    default model, unless it would have to download it.
    """
    if no_token and not is_loopback(host):
        session.warn(
            f"Other machines can reach {host}. Without a token, anyone who reaches port {port} can read, replace and "
            "delete the models in the cache, fill its disk, and use this machine's processor. 127.0.0.1 is safe."
        )
    # The app reads its settings from the environment, as its workers do.
    given = {"DEPTHMAP_CACHE_DIR": session.cache_dir, "DEPTHMAP_MODEL": model}
    os.environ.update({variable: value for variable, value in given.items() if value})
    session.cache()  # a wrong setting is an error now
    from ..web import serve as serve_app

    serve_app(host, port, warm=not no_warm, workers=workers, token="" if no_token else None)
