"""The model cache as files: names, manifests, digests, atomic publication. Knows neither torch nor HTTP."""

from .digest import Digest, Hasher, digest_file
from .manifest import FileRecord, Manifest, Stamp
from .store import Store

__all__ = ["Digest", "FileRecord", "Hasher", "Manifest", "Stamp", "Store", "digest_file"]
