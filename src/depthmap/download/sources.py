"""Where a file may be, and in which order it is asked for there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import DepthmapError
from ..fetching import shown
from . import hub


def places(url: str, path: str) -> tuple[str, ...]:
    """Return where below its base URL a mirror may have the file that the official source has at ``url``.

    It may keep the folders of the releases (``v3/dpt_large_384.pt``) or the plain file (``dpt_large_384.pt``). Files of
    Hugging Face's hub are all called alike: a mirror keeps the folders of the hub (``OWNER/NAME/resolve/main/FILE``) or
    one for each repository (``OWNER/NAME/FILE``).
    """
    repository, name = hub.place(url)
    if repository:
        return urlsplit(url).path.lstrip("/"), f"{repository}/{name}"
    return path, path.rsplit("/", 1)[-1]


def sources(url: str, path: str, mirrors: Sequence[str]) -> list[str]:
    """Return the URLs at which a checkpoint may be, mirrors first; see `places`."""
    candidates = [mirror + part for mirror in mirrors for part in places(url, path)]
    return list(dict.fromkeys([*candidates, url]))


def allowed(urls: Sequence[str], *, offline: bool) -> list[str]:
    """Return the URLs that may be asked: offline, only those of files."""
    return [url for url in urls if url.lower().startswith("file:") or not offline]


@dataclass
class Source:
    """One URL, and what was learnt of it during a download."""

    url: str
    etag: str = ""
    """The strong ETag of the bytes that came from here, or ""."""
    takes_ranges: bool = True
    failure: DepthmapError | None = None
    """Why nothing more is asked of it; None while it may give the file."""
    was_alone: bool = False
    """Whether it has been asked for every byte, after bytes of several answers did not fit together."""
    carry: dict[int, bytearray] = field(default_factory=dict)
    """Bytes of leaves that it left unfinished, by the leaf's first byte: in one run nothing is asked for twice."""

    @property
    def scheme(self) -> str:
        """The URL's scheme, in lower case."""
        return urlsplit(self.url).scheme.lower()

    @property
    def name(self) -> str:
        """The URL as messages may show it."""
        return shown(self.url)
