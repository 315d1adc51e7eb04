"""Which of the media types that can be given a client would have, by its Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class _Range(NamedTuple):
    """A media range of an Accept header; the more exact one of two that fit says what is wanted."""

    kind: str
    quality: float

    def fits(self, media_type: str) -> bool:
        group, _, name = self.kind.partition("/")
        return self.kind in ("*/*", media_type) or (name == "*" and media_type.startswith(f"{group}/"))

    @property
    def exactness(self) -> int:
        return 2 - self.kind.count("*")


def choose(accept: str, offers: Sequence[str]) -> str | None:
    """Return the offer that is wanted most, the first of equals; None where none is wanted.

    Parameters
    ----------
    accept : str
        The header; without it ("") everything is wanted alike. What is no media range in it is passed over.
    offers : sequence of str
        Media types in lower case, those first that are given rather.
    """
    ranges = [parsed for text in accept.split(",") if (parsed := _parse(text))]
    if not accept.strip():
        ranges = [_Range("*/*", 1.0)]
    wanted = {offer: _quality(offer, ranges) for offer in offers}
    best = max(wanted, key=lambda offer: wanted[offer], default=None)
    return best if best is not None and wanted[best] > 0 else None


def _quality(media_type: str, ranges: Sequence[_Range]) -> float:
    fitting = [one for one in ranges if one.fits(media_type)]
    return max(fitting, key=lambda one: one.exactness).quality if fitting else 0.0


def _parse(text: str) -> _Range | None:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    group, slash, name = kind.partition("/")
    if not (group and slash and name) or (group == "*" and name != "*"):
        return None
    return _Range(kind, next((_weight(p[2:]) for p in parameters if p.startswith("q=")), 1.0))


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0  # what cannot be read is not asked for
