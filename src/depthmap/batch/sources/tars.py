"""Tar archives and WebDataset shards: member by member, from the beginning to the end."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING

from ...errors import ImageError
from ...images import MAX_BYTES, drain
from .item import Item, broken, is_picture

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on


class _Member(tarfile.TarInfo):
    """One that does not take a header which is cut short for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.TruncatedHeaderError as error:  # type: ignore[attr-defined]  # typeshed lacks it
            raise tarfile.ReadError(str(error)) from error


def members(stream: IO[bytes], place: str, path: str, tag: str) -> Iterator[Item]:
    """Yield the pictures in an archive; it may be compressed, and ``stream`` need not be able to seek.

    Their paths begin with ``path``, their tags with that of the archive.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps the header of each
                name = member.name.removeprefix("./")
                if member.isfile() and is_picture(name):
                    where = f"{place}/{name}"
                    load = partial(_load, archive, member, where)
                    yield Item(path + name, where, tag and f"{tag}@{member.offset_data}", load)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        yield broken(place, "The archive is damaged or cut short", error, "Copy it again.")


def _load(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> bytes:
    try:
        stream = archive.extractfile(member)
        return drain(stream, where, MAX_BYTES) if stream else b""
    except (tarfile.TarError, EOFError) as error:
        what = f"The archive is damaged or cut short: {error or type(error).__name__}"
        raise ImageError(what, where, "Copy it again.") from error
