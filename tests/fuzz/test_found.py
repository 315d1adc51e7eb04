"""What fuzzing found, once each."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from attacks import ATTACKS
from attacks.opcodes import Record, archive
from depthmap.errors import ModelFileCorrupted
from depthmap.formats import global_heap, hdf5, metadata, zip_directory


def heap(*objects: tuple[int, int], width: int) -> bytes:
    """Return a collection of HDF5's global heap, of objects that say (index, size); what they hold is zeros."""
    form = f"<H6x{ {2: 'H6x', 4: 'I4x', 8: 'Q'}[width] }"
    return b"GCOL\x01\0\0\0" + struct.pack("<Q", 4096) + b"".join(struct.pack(form, *o) for o in objects)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_a_heap_that_steps_nowhere_is_found_wherever_it_lies(width: int, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for at in (0, 5, 100_000):
        path.write_bytes(bytes(at) + heap((1, 0), (0, 0), width=width).ljust(4096, b"\0"))
        with pytest.raises(ModelFileCorrupted, match="never ends"):
            global_heap.require_end(path, width)
        path.write_bytes(bytes(at) + heap((1, 0), (0, 4096 - 32), width=width).ljust(4096, b"\0"))
        global_heap.require_end(path, width)


def test_a_heap_whose_object_wraps_around_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(heap((1, 2**64 - 16), width=8).ljust(4096, b"\0"))
    with pytest.raises(ModelFileCorrupted, match="never ends"):
        global_heap.require_end(tmp_path / "x.h5", 8)


def test_a_text_of_any_length_is_not_read_for_our_attribute(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    ATTACKS["an attribute of four gigabytes"].make(path, tmp_path / "trace")
    assert hdf5.scan(path).metadata == {}


def test_a_record_of_an_archive_may_not_lie_in_its_directory() -> None:
    hidden = b"PK\x03\x04" + bytes(22) + struct.pack("<HH", 1, 0) + b"b"
    raw = archive([Record(b"a", b"x", extra=hidden), Record(b"b", b"", offset=0)])
    at = raw.index(hidden)
    raw = archive([Record(b"a", b"x", extra=hidden), Record(b"b", b"", offset=at)])
    with pytest.raises(ValueError, match="overlap"):
        zip_directory.records(io.BytesIO(raw), len(raw), Path("x.pt"))


@pytest.mark.parametrize(
    "name",
    [
        "a description with laughter under a digest",
        "a description with nesting without end under a digest",
        "a description with one text named without end",
    ],
)
def test_a_description_that_never_ends_is_refused_before_its_digest_is_made(
    name: str, tmp_path: Path
) -> None:
    ATTACKS[name].make(tmp_path / "x.pkl", tmp_path / "trace")
    with pytest.raises(ModelFileCorrupted, match="never ends"):
        metadata.load(tmp_path / "x.pkl")
