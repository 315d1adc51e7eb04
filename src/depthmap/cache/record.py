"""What a ``.pkl`` records of the file at its model's source. Imports nothing heavy: listings run on it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import NamedTuple

PUBLISHED, STATED, UNVERIFIED = "published", "stated by the source", "first download, unverified"
"""How a digest is known."""
CONVERTED = " and converted"
"""What is added to how a model came whose source has another form than the cache."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Known(NamedTuple):
    """The file that a model's source has to have: SHA-256 ("": any) and size in bytes (0: unknown).

    ``digest`` says how the digest is known, ``since`` and ``url`` when and from where it was recorded, if it was;
    ``commit`` is the revision that the source named.
    """

    sha256: str
    bytes: int
    digest: str
    commit: str = ""
    since: str = ""
    url: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """What a ``.pkl`` records of it, besides the digest itself."""
        since = self.since or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        facts = {"digest": self.digest, "bytes": str(self.bytes), "commit": self.commit}
        facts |= {"since": since} if self.digest != PUBLISHED else {}
        return {name: fact for name, fact in facts.items() if fact}


def of_provenance(provenance: Mapping[str, str]) -> Known | None:
    """Return what a ``.pkl`` records; None where it is no digest to hold a model to."""
    sha256, digest, size = (provenance.get(name, "") for name in ("sha256", "digest", "bytes"))
    if digest not in (STATED, UNVERIFIED) or not _SHA256.fullmatch(sha256):
        return None
    nbytes = int(size) if re.fullmatch(r"\d{1,18}", size) else 0
    commit, since, url = (provenance.get(name, "") for name in ("commit", "since", "url"))
    return Known(sha256, nbytes, digest, commit, since, url)
