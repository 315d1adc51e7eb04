"""What the store knows of one model: the content of its ``.pkl``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..catalog import ModelSpec
from ..errors import ModelFileCorrupted, UsageError
from ..formats import metadata
from .digest import Digest


class Stamp(NamedTuple):
    """What of a file's status changes when its bytes do."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return the stamp that the file has now."""
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class FileRecord:
    """A file as it was when last verified."""

    digest: Digest
    stamp: Stamp


@dataclass(frozen=True)
class Manifest:
    """A model in the store. ``provenance`` says where it came from: url or path, sha256, date, how."""

    spec: ModelSpec
    provenance: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    pinned: bool = False

    def with_file(self, format: str, record: FileRecord) -> Manifest:
        """Return a manifest that knows one more file."""
        return replace(self, files={**self.files, format: record})

    def without_file(self, format: str) -> Manifest:
        """Return a manifest that has forgotten one."""
        return replace(self, files={k: v for k, v in self.files.items() if k != format})

    def dumps(self) -> bytes:
        """Return the bytes of the ``.pkl``."""
        files = {
            name: {
                "size": r.digest.size,
                "sha256": r.digest.sha256,
                "leaves": r.digest.leaves,
                "stamp": list(r.stamp),
            }
            for name, r in self.files.items()
        }
        return metadata.dumps(
            {
                "name": self.spec.name,
                "spec": self.spec.to_dict(),
                "provenance": dict(self.provenance),
                "files": files,
                "pinned": self.pinned,
            }
        )

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a ``.pkl``.

        Raises
        ------
        UnsafeFile
            When it names a global.
        ModelFileCorrupted
            When it is damaged.
        """
        data = metadata.load(path)
        try:
            files = {str(name): _record(entry) for name, entry in data["files"].items()}
            spec = ModelSpec.from_dict(data["spec"])
            provenance = {str(k): str(v) for k, v in data["provenance"].items()}
            return cls(spec, provenance, files, bool(data.get("pinned", False)))
        except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
            raise ModelFileCorrupted(
                f"it describes no model ({error!r})", path, "'depthmap models optimize' removes it."
            ) from error


def _record(entry: Mapping[str, Any]) -> FileRecord:
    size, leaves = int(entry["size"]), bytes(entry["leaves"])
    if len(leaves) != -(-size // (1 << 20)) * 32:
        raise ValueError("the leaf digests do not fit the size")
    return FileRecord(Digest(size, str(entry["sha256"]), leaves), Stamp(*(int(n) for n in entry["stamp"])))
