"""What the package logs, shown as messages. Apart, because listings do without the logging module."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session


class _Messages(logging.Handler):
    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.session.warn(text)
        else:
            self.session.say(text)


def show_log(session: Session) -> None:
    """Show warnings, and with -v what is done."""
    log = logging.getLogger("depthmap")
    log.handlers = [handler for handler in log.handlers if not isinstance(handler, _Messages)]
    log.addHandler(_Messages(session))
    log.setLevel(logging.INFO if session.verbose else logging.WARNING)
