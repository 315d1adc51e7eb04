"""URL → verified file: resumed, from several mirrors, over several connections, under a digest that decides."""

from .partial import Partial
from .rounds import Progress, complete, download
from .sources import allowed, places, sources
from .stated import Stated, stated

__all__ = ["Partial", "Progress", "Stated", "allowed", "complete", "download", "places", "sources", "stated"]
