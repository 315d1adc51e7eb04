"""URL → verified file: resumed, from several mirrors, over several connections, under a digest that decides."""

from .partial import Partial
from .rounds import Progress, complete, download
from .sources import allowed, sources

__all__ = ["Partial", "Progress", "allowed", "complete", "download", "sources"]
