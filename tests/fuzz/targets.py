"""The parsers as functions of bytes: each refuses by the errors that it documents, and by no others."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from depthmap import formats
from depthmap.download.ranges import parse_content_range, range_header, strong_etag
from depthmap.errors import FileError, UnsafeFile, UsageError
from depthmap.formats import metadata, zip_directory
from depthmap.formats.state_dict import ALLOWED, Storage
from depthmap.formats.unpickling import unpickle
from depthmap.settings import parse_size
from depthmap.store import Manifest, names

from . import seeds

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Target:
    """A parser, the errors by which it refuses, and what makes small inputs that it takes.

    ``parse`` also checks what the parser says, by assertions.
    """

    parse: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], Iterable[bytes]]

    def takes(self, raw: bytes) -> bool:
        """Tell whether the parser takes these bytes, or refuses them as documented; anything else is raised."""
        try:
            self.parse(raw)
        except self.refusals:
            return False
        return True


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="depthmap-fuzz-", dir=memory if memory.is_dir() else None)


def _file(name: str, raw: bytes) -> Path:
    path = Path(_folder().name) / name
    path.unlink(missing_ok=True)  # what is still mapped must not change
    path.write_bytes(raw)
    return path


def tensors(format: str) -> Callable[[bytes], None]:
    """Return the reading of a format: every tensor of it, to its last element."""

    def parse(raw: bytes) -> None:
        path, module = _file(f"file.{format}", raw), formats.get(format)
        layout = module.scan(path)
        assert _read(module.load(path)) == layout.shapes, "other tensors are loaded than were announced"

    return parse


def _read(loaded: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    for tensor in loaded.values():
        tensor.sum()
    return {name: tuple(tensor.shape) for name, tensor in loaded.items()}


def description(raw: bytes) -> None:
    """Read a ``.pkl``: what it says can be printed, and the model that it describes written again."""
    path = _file("file.pkl", raw)
    repr(metadata.load(path))
    Manifest.load(path).dumps()


def checkpoint_pickle(raw: bytes) -> None:
    """Read the pickle of a checkpoint."""
    unpickle(raw, Path("file.pt"), ALLOWED, lambda _: Storage("float32", 64, 1000))


def archive_directory(raw: bytes) -> None:
    """Read an archive's directory: its records lie in the file, and not in each other."""
    end = 0
    for record in sorted(zip_directory.records(io.BytesIO(raw), len(raw), Path("file.pt")).values()):
        assert end <= record.start <= record.start + record.length, "records overlap"
        end = record.start + record.length
    assert end <= len(raw), "a record reaches outside the file"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def model_name(raw: bytes) -> None:
    """Read a model's name: its files are found again by it."""
    slug = names.slug_of(_text(raw))
    assert names.slug_of(slug) == slug
    assert all(names.parse(names.file_name(slug, format)) == (slug, format) for format in names.FORMATS)


def file_name(raw: bytes) -> None:
    """Read a file's name: what is taken for ours is named by a model that can be, and is no path."""
    text = _text(raw)
    ours, left = names.parse(text), names.origin(text)
    for found in filter(None, (ours, left)):
        assert names.slug_of(found[0]) == found[0]
        assert not set(text) & set('/\\:*?"<>| \0\n')
    assert not ours or text == names.file_name(*ours)
    assert not left or text.startswith(f"{names.file_name(*left)}.")
    if not ours and not left:
        raise _NotOurs


def size(raw: bytes) -> None:
    """Read a size: a whole number of bytes, which written out reads the same."""
    number = parse_size(_text(raw))
    assert 0 <= number < 1 << 90
    assert number >= 10**15 or parse_size(f" {number} B") == number


def content_range(raw: bytes) -> None:
    """Read a Content-Range: it is not empty, and inside its total."""
    said = parse_content_range(raw.decode("latin-1"))  # as headers are
    if not said:
        raise _NotOurs
    if said.first is None or said.last is None:
        assert said.total is not None
        return
    assert 0 <= said.first <= said.last < (said.last + 1 if said.total is None else said.total)
    assert range_header(said.first, said.last + 1) == f"bytes={said.first}-{said.last}"


def etag(raw: bytes) -> None:
    """Read an ETag: it is as it came, and would end no header."""
    text = raw.decode("latin-1")
    strong = strong_etag(text)
    assert strong in ("", text)
    assert not set(strong) & set("\r\n\0")
    if not strong:
        raise _NotOurs


class _NotOurs(Exception):
    """Stands for the None by which some parsers refuse."""


TARGETS = {
    "pt": Target(tensors("pt"), (FileError,), seeds.checkpoints),
    "h5": Target(tensors("h5"), (FileError,), seeds.hdf5_files),
    "safetensors": Target(tensors("safetensors"), (FileError,), seeds.safetensors_files),
    "pickle": Target(checkpoint_pickle, (FileError,), seeds.pickles),
    "pkl": Target(description, (FileError,), seeds.descriptions),
    "zip": Target(archive_directory, (UnsafeFile, ValueError, struct.error, IndexError), seeds.archives),
    "name": Target(model_name, (UsageError,), seeds.model_names),
    "file-name": Target(file_name, (_NotOurs,), seeds.file_names),
    "size": Target(size, (ValueError,), seeds.sizes),
    "content-range": Target(content_range, (_NotOurs,), seeds.ranges),
    "etag": Target(etag, (_NotOurs,), seeds.etags),
}
