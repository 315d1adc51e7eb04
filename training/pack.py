"""Pack the data in pieces small enough to copy, and unpack them again.

``python -m training.pack --data FOLDER --out PIECES [--mebibytes 60]`` writes ``piece-000.tar`` and so on, each a
plain tar file of whole files, and ``SHA256SUMS``. ``python -m training.pack --unpack PIECES --out FOLDER`` checks and
extracts them; ``sha256sum -c SHA256SUMS`` and ``tar xf`` do the same.
"""

from __future__ import annotations

import argparse
import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

MEBIBYTE = 2**20
PARTS = ("train", "val", "photos")
BLOCK, END = 512, 2 * 512 + tarfile.RECORDSIZE
"""Tar files are written in blocks; a file costs one more for its header, and the end is padded."""
SUMS = "SHA256SUMS"


def files(data: Path) -> list[Path]:
    """Return the files of the parts of the data that training needs, sorted."""
    return sorted(path for part in PARTS for path in (data / part).rglob("*") if path.is_file())


def packed_size(path: Path) -> int:
    """Return how many bytes a file takes in a tar file."""
    return BLOCK + -(-path.stat().st_size // BLOCK) * BLOCK


def pieces(paths: Iterable[Path], limit: int) -> Iterator[list[Path]]:
    """Share files out, in order, so that no piece takes more than ``limit`` bytes."""
    piece: list[Path] = []
    used = END
    for path in paths:
        size = packed_size(path)
        if END + size > limit:
            raise ValueError(f"{path} alone takes more than {limit} bytes")
        if used + size > limit:
            yield piece
            piece, used = [], END
        piece.append(path)
        used += size
    if piece:
        yield piece


def pack(data: Path, out: Path, limit: int) -> list[Path]:
    """Write the pieces and their sums; equal data gives equal pieces."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, piece in enumerate(pieces(files(data), limit)):
        written.append(out / f"piece-{number:03}.tar")
        with tarfile.open(written[-1], "w", format=tarfile.USTAR_FORMAT) as archive:
            for path in piece:
                archive.add(path, path.relative_to(data).as_posix(), filter=_anonymous)
    lines = [f"{digest(path)}  {path.name}\n" for path in written]
    (out / SUMS).write_text("".join(lines), encoding="ascii")
    return written


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out what differs from machine to machine."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(folder: Path, data: Path) -> None:
    """Check every piece against its sum, then extract them all."""
    sums = [line.split() for line in (folder / SUMS).read_text(encoding="ascii").splitlines()]
    wrong = [name for expected, name in sums if digest(folder / name) != expected]
    if wrong:
        raise ValueError(f"Copy these again, they are not what was packed: {', '.join(wrong)}")
    for _, name in sums:
        with tarfile.open(folder / name) as archive:
            archive.extractall(data, filter="data")


def main() -> None:
    """Read the command line, pack or unpack."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="pack this folder with train/, val/, photos/")
    what.add_argument("--unpack", type=Path, help="unpack the pieces of this folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mebibytes", type=int, default=60, help="the most a piece may take")
    options = parser.parse_args()
    if options.unpack:
        unpack(options.unpack, options.out)
    else:
        for path in pack(options.data, options.out, options.mebibytes * MEBIBYTE):
            print(f"{path} {path.stat().st_size}")


if __name__ == "__main__":
    main()
