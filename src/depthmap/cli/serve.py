"""``depthmap serve``."""

from __future__ import annotations

import ipaddress
import os

import click

from .session import Session, complete_model, with_session


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=5000,
    show_default=True,
    help="Port to listen at.",
)
@click.option(
    "--model",
    "-m",
    metavar="MODEL",
    shell_complete=complete_model,
    help="The model to use when a request names none.",
)
@click.option(
    "--no-warm",
    is_flag=True,
    help="Load the model when it is first asked for, not as soon as the port is open.",
)
@with_session
def serve(session: Session, host: str, port: int, model: str | None, no_warm: bool) -> None:
    """Answer over HTTP on this machine, until Ctrl-C.

    There is no password: whoever reaches the port can use it. It is reachable
    from other machines only with another --host. The model that is used when
    none is named is loaded behind it, unless it would have to be downloaded.
    """
    if not _is_loopback(host):
        session.warn(
            f"{host} can be reached from other machines. Whoever reaches port {port} can read and delete the models "
            "in the cache and use this machine's processor; there is no password. 127.0.0.1 is safe."
        )
    # The app reads its settings from the environment, as its workers do.
    given = {"DEPTHMAP_CACHE_DIR": session.cache_dir, "DEPTHMAP_MODEL": model}
    os.environ.update({variable: value for variable, value in given.items() if value})
    session.cache()  # a wrong setting is an error now
    from ..web import serve as serve_app

    serve_app(host, port, warm=not no_warm)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"
