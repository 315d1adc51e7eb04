"""The data in pieces: complete, small, and checked when unpacked."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from training import pack


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Files of several sizes below the three parts, and one beside them."""
    for i, part in enumerate(pack.PARTS):
        folder = tmp_path / "data" / part / "rgb"
        folder.mkdir(parents=True)
        for j in range(20):
            (folder / f"{j:03}.jpg").write_bytes(bytes([i, j]) * (1 + 400 * j))
    (tmp_path / "data" / "video.avi").write_bytes(b"not packed")
    return tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in pack.files(folder)}


def test_what_is_unpacked_is_what_was_packed(store: Path, tmp_path: Path) -> None:
    written = pack.pack(store, tmp_path / "pieces", limit=60_000)
    assert len(written) > 3
    assert all(path.stat().st_size <= 60_000 for path in written)
    pack.unpack(tmp_path / "pieces", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(store)
    assert len(contents(store)) == 60


def test_pieces_are_filled(store: Path, tmp_path: Path) -> None:
    one = pack.pack(store, tmp_path / "one", limit=10_000_000)
    assert len(one) == 1
    many = pack.pack(store, tmp_path / "many", limit=60_000)
    assert len(many) <= 2 * one[0].stat().st_size / 60_000 + 1


def test_equal_data_gives_equal_pieces(store: Path, tmp_path: Path) -> None:
    first = pack.pack(store, tmp_path / "first", limit=60_000)
    for path in pack.files(store):
        path.touch()
    again = pack.pack(store, tmp_path / "again", limit=60_000)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]


def test_a_damaged_piece_is_named_and_nothing_is_unpacked(store: Path, tmp_path: Path) -> None:
    damaged = pack.pack(store, tmp_path / "pieces", limit=60_000)[1]
    content = bytearray(damaged.read_bytes())
    content[600] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match=damaged.name):
        pack.unpack(tmp_path / "pieces", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_piece_does_not_write_beside_its_folder(tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    piece = pieces / "piece-000.tar"
    (tmp_path / "evil").write_bytes(b"x")
    with tarfile.open(piece, "w") as archive:
        archive.add(tmp_path / "evil", "../outside")
    (pieces / pack.SUMS).write_text(f"{pack.digest(piece)}  {piece.name}\n")
    with pytest.raises(tarfile.TarError):
        pack.unpack(pieces, tmp_path / "data")
    assert not (tmp_path / "outside").exists()


def test_a_file_larger_than_a_piece_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="alone takes more"):
        pack.pack(store, tmp_path / "pieces", limit=20_000)
