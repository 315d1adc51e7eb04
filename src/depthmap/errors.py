"""Every error that depthmap raises on purpose.

    DepthmapError                     what happened, where, and what to do
    ├── UsageError                    a wrong argument
    ├── UnknownModel                  no model has that name
    ├── ModelUnavailable              known, but neither cached nor to be had now
    ├── LicenceNotAccepted            its licence asks to be accepted before a download
    ├── CacheError
    │   ├── CacheNotWritable          "Cache directory not writable"
    │   ├── CacheNotReadable          a file of the cache that its owner lets nobody read
    │   ├── InsufficientDiskSpace     "Insufficient disk space"
    │   ├── BudgetExceeded            the model would not fit into DEPTHMAP_CACHE_MAX_SIZE
    │   └── CacheBusy                 another process holds the model's lock
    ├── FileError
    │   ├── ModelFileCorrupted        "Model file corrupted"
    │   ├── UnsafeFile                reading it as its author meant would run code or leave its bounds
    │   ├── UnrecognisedFile          not a format, or not a network, that we know
    │   └── ExportError               the target of an export or of an output cannot be written
    ├── DownloadError
    │   ├── NetworkTimeout            "Network timeout"
    │   ├── DigestMismatch            the bytes are not the published ones, or those that the model is held to
    │   ├── Unverified                nothing tells beforehand what the bytes must be
    │   ├── AccessDenied              the source gives the file only to those who accepted its terms
    │   └── Cancelled                 somebody ended it; it can go on from where it was
    ├── EngineUnavailable             an engine that is not installed, or does not run the model as torch does
    ├── MissingExtra                  a package is missing that an extra of depthmap installs
    ├── ImageError                    a picture that cannot be read
    └── VideoError                    a video that cannot be read

Each carries ``what``, ``where`` and ``remedy``; ``str()`` joins them. All can be pickled, so that they cross
process boundaries whole.
"""

from __future__ import annotations

from typing import Any


class DepthmapError(Exception):
    """Base of the tree.

    Parameters
    ----------
    what : str
        What happened, as a sentence without its full stop.
    where : object
        The file, URL or name it happened to; empty when there is none.
    remedy : str
        What the user can do about it.
    """

    title = ""
    """Words that users know for this error; the message starts with them."""

    def __init__(self, what: str, where: object = "", remedy: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.remedy = remedy
        super().__init__(what, self.where, remedy)

    def __str__(self) -> str:
        head = f"{self.title}: {self.what}" if self.title else self.what
        place = f" ({self.where})" if self.where else ""
        return f"{head}{place}." + (f" {self.remedy}" if self.remedy else "")

    def as_dict(self) -> dict[str, Any]:
        """Return the parts as builtins, for JSON."""
        return {
            "error": type(self).__name__,
            "message": str(self),
            "where": self.where,
            "remedy": self.remedy,
        }


class UsageError(DepthmapError):
    """A wrong argument."""


class UnknownModel(DepthmapError):
    """No model of the catalogue or of the cache has that name."""


class ModelUnavailable(DepthmapError):
    """The model is known, but it is neither cached nor embedded, and it could not be downloaded."""


class LicenceNotAccepted(DepthmapError):
    """The model's licence does not let everybody use it for everything, and has to be accepted before a download."""


class CacheError(DepthmapError):
    """The cache directory cannot do what was asked of it."""


class CacheNotWritable(CacheError):
    """The cache directory, or a file in it, cannot be written."""

    title = "Cache directory not writable"


class InsufficientDiskSpace(CacheError):
    """The disk has, or had, too little room."""

    title = "Insufficient disk space"


class CacheNotReadable(CacheError):
    """A file or directory of the cache cannot be read: its owner and permissions say so."""

    title = "Cache file not readable"


class BudgetExceeded(CacheError):
    """The cache may not hold so much: what is pinned, in use, and asked for exceeds ``DEPTHMAP_CACHE_MAX_SIZE``."""

    title = "Cache budget exceeded"


class CacheBusy(CacheError):
    """Another process is writing this model, and did not finish within the time-out."""


class FileError(DepthmapError):
    """A file is not what it should be."""


class ModelFileCorrupted(FileError):
    """The bytes of a model file are damaged."""

    title = "Model file corrupted"


class UnsafeFile(FileError):
    """A file asks for more than tensors and builtins, and is refused: nothing in it was run."""

    title = "Unsafe file refused"


class UnrecognisedFile(FileError):
    """The file is of no format, or its tensors fit no network, that depthmap knows."""


class ExportError(FileError):
    """The target of an export or of an output cannot be written."""


class DownloadError(DepthmapError):
    """A download failed."""


class NetworkTimeout(DownloadError):
    """The server did not answer in time."""

    title = "Network timeout"


class DigestMismatch(DownloadError):
    """The bytes that came, or that the source offers, are not the published ones, or not those of the first time."""


class Unverified(DownloadError):
    """Neither the catalogue nor the source states the file's SHA-256, and nobody allowed a download without it."""


class AccessDenied(DownloadError):
    """The source gives the file only to those who accepted its terms, and show so by a token."""


class Cancelled(DownloadError):
    """A download was cancelled; what came is kept, and a later one goes on from there."""


class EngineUnavailable(DepthmapError):
    """An engine that was asked for is not installed, has no artefact of the model, or does not run it as torch does."""


class MissingExtra(DepthmapError):
    """A package is missing that one of depthmap's extras installs."""


class ImageError(DepthmapError):
    """A picture cannot be read.

    ``passing`` says that it may be later: a server is busy, or a connection broke.
    """

    passing = False


class VideoError(DepthmapError):
    """A video or a camera cannot be read."""
