"""What the store knows of one model: the content of its ``.pkl``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..catalog import ModelSpec
from ..errors import FileError, ModelFileCorrupted, UsageError
from . import names
from .digest import LEAF, Digest

_SHA256 = re.compile("[0-9a-f]{64}")


class Stamp(NamedTuple):
    """What of a file's status changes when its bytes do.

    Programs can set ``mtime_ns`` back, and some do. ``ctime_ns`` they cannot; but renaming changes it too, so of a file
    that is yet to be renamed it is not known (0), and such a stamp vouches for which file it is, not for its bytes.
    """

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int = 0

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return the stamp that the file has now."""
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)

    def staged(self) -> Stamp:
        """Return the stamp as far as it holds when the file is renamed."""
        return self._replace(ctime_ns=0)

    def is_same_file(self, other: Stamp | None) -> bool:
        """Tell whether both are of one file, whose name or links may have changed since."""
        return other is not None and self[:3] == other[:3]


class FileRecord(NamedTuple):
    """A file as it was when last verified.

    ``tensors`` says where they lie in it (`formats.tensors.Layout.dumps`), so that a load of the verified file need not
    look for them; it is empty where they cannot be mapped, or it is no file of tensors.
    """

    digest: Digest
    stamp: Stamp
    tensors: str = ""

    @classmethod
    def of(cls, path: Path, format: str, digest: Digest, stamp: Stamp) -> FileRecord:
        """Return the record of a file, which may yet be renamed, with this digest and stamp."""
        from .. import formats  # as below

        if format not in names.TENSOR_FORMATS:
            return cls(digest, stamp)
        with suppress(FileError):  # whoever publishes a file has looked into it: not judged here
            layout = formats.get(format).scan(path)
            return cls(digest, stamp, layout.dumps() if layout.mapped else "")
        return cls(digest, stamp)


@dataclass(frozen=True)
class Manifest:
    """A model in the store. ``provenance`` says where it came from: url or path, sha256, date, how.

    ``previous`` is there while files are being replaced: what was known before. A manifest is written before the
    files that it speaks of are renamed into place, and renaming keeps their stamps; so whenever the writer is killed,
    each file's stamp tells which of the two it belongs to.
    """

    spec: ModelSpec
    provenance: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    pinned: bool = False
    previous: Manifest | None = None

    def with_file(self, format: str, record: FileRecord) -> Manifest:
        """Return a manifest that knows one more file."""
        return replace(self, files={**self.files, format: record})

    def without_file(self, format: str) -> Manifest:
        """Return a manifest that has forgotten one."""
        return replace(self, files={k: v for k, v in self.files.items() if k != format})

    def dumps(self) -> bytes:
        """Return the bytes of the ``.pkl``."""
        from ..formats import metadata  # slow to import, and listings of an empty cache need none

        return metadata.dumps(self._as_builtins())

    def _as_builtins(self) -> dict[str, Any]:
        files = {
            name: {
                "size": r.digest.size,
                "sha256": r.digest.sha256,
                "leaves": r.digest.leaves,
                "stamp": list(r.stamp),
                "tensors": r.tensors,
            }
            for name, r in self.files.items()
        }
        content = {
            "name": self.spec.name,
            "spec": self.spec.to_dict(),
            "provenance": dict(self.provenance),
            "files": files,
            "pinned": self.pinned,
        }
        return content | ({"previous": self.previous._as_builtins()} if self.previous else {})

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
        from ..formats import metadata  # as above

        data = metadata.load(path)
        try:
            return cls._of(data, path, cls._of(data["previous"], path) if data.get("previous") else None)
        except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
            raise ModelFileCorrupted(
                f"it describes no model ({str(error)[:200]!r})",
                path,
                "Run 'depthmap models optimize' to remove it.",
            ) from error

    @classmethod
    def _of(cls, data: Mapping[str, Any], path: Path, previous: Manifest | None = None) -> Manifest:
        """Return what is known of ``data``: parts that an older schema had not are empty, newer ones left out."""
        files = {k: _record(v) for k, v in data.get("files", {}).items() if k in names.FORMATS}
        provenance = {k: v for k, v in data.get("provenance", {}).items() if type(k) is type(v) is str}
        return cls(_spec(data["spec"], path), provenance, files, data.get("pinned") is True, previous)


def _spec(data: Mapping[str, Any], path: Path) -> ModelSpec:
    """Return the model described, which must be the one that the ``.pkl`` is named after."""
    spec = ModelSpec.from_dict(data)
    named = names.parse(path.name)
    if names.slug_of(spec.name) != (named[0] if named else spec.slug):
        raise ValueError("it describes a model of another name")
    return spec


def _record(entry: Mapping[str, Any]) -> FileRecord:
    size, sha256, leaves, stamp = (entry[key] for key in ("size", "sha256", "leaves", "stamp"))
    if not all(type(n) is int for n in (size, *stamp)) or size < 0 or len(stamp) not in (3, 4):
        raise TypeError("sizes and stamps are whole numbers")
    if type(leaves) is not bytes or len(leaves) != -(-size // LEAF) * 32:
        raise ValueError("the leaf digests do not fit the size")
    if type(sha256) is not str or not _SHA256.fullmatch(sha256):
        raise ValueError("a digest is not a SHA-256")
    tensors = entry.get("tensors", "")  # an older schema has it not
    if type(tensors) is not str:
        raise TypeError("where tensors lie is written as text")
    return FileRecord(Digest(size, sha256, leaves), Stamp(*stamp), tensors)
