"""Commands run on a pseudo-terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence


def on_terminal(
    args: Sequence[str], columns: int = 80, *, stdout: int | None = None, typed: bytes = b""
) -> tuple[int, str]:
    """Run a command on a terminal so wide; return its exit status, and all that it wrote there.

    ``stdout`` may go elsewhere (`subprocess.DEVNULL`). ``typed`` waits there for the command to read it.
    """
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "depthmap", *args],
        stdin=follower,
        stdout=follower if stdout is None else stdout,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(follower)
    os.write(leader, typed)
    seen = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # how Linux says that nobody has the other end
            break
        if not part:
            break
        seen += part
    os.close(leader)
    return process.wait(60), seen.decode()
