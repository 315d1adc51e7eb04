"""Zip archives and old checkpoints whose directories, records and tensors lie."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from .opcodes import (
    LEGACY_MAGIC,
    Record,
    archive,
    body,
    call,
    checkpoint,
    mapping,
    old_checkpoint,
    storage,
    tensor,
    uni,
    whole,
)
from .table import PT_DOORS, Maker, add, attack

pt = attack(".pt", PT_DOORS)
SOUND = whole(mapping({"a": tensor()}))


def network(shape_of: Any = lambda shape: (shape, (0,) * len(shape))) -> bytes:
    """Return a pickle with all the tensors of a network that we know, all views of one storage."""
    from depthmap import networks

    shapes = networks.expected_shapes("depthmap_tiny")
    return whole(mapping({name: tensor(*shape_of(shape)) for name, shape in shapes.items()}))


# -- archives ----------------------------------------------------------------------------------------------------


@pt
def _records_named_as_paths(path: Path, trace: Path) -> None:
    """Names that lead out of the folder into which somebody unpacks it."""
    names = ("../../escaped", str(trace), "..\\..\\escaped", "C:\\escaped", "x/../../../escaped")
    path.write_bytes(checkpoint(SOUND, bytes(16), *(Record(name.encode(), b"x") for name in names)))


@pt
def _deflated_records(path: Path, trace: Path) -> None:
    """A deflate bomb: 40 MB of zeros in 40 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", SOUND)
        file.writestr("x/data/0", bytes(40_000_000))


@pt
def _a_deflated_pickle(path: Path, trace: Path) -> None:
    """The pickle itself is the bomb."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", b"\x80\x02" + b"(" * 20_000_000)
        file.writestr("x/data/0", bytes(16))


@pt
def _overlapping_records(path: Path, trace: Path) -> None:
    """The overlap bomb: records that share their bytes, so that a small file unpacks to petabytes."""
    first = 30 + len(b"x/data/0")
    path.write_bytes(
        archive(
            [Record(b"x/data/0", bytes(100_000)), Record(b"x/data.pkl", SOUND)]
            + [Record(b"x/data/0", b"", offset=0, length=100_000 - first, packed=100_000 - first)] * 100
        )
    )


@pt
def _a_record_inside_another(path: Path, trace: Path) -> None:
    """The quoted overlap: a storage that holds the header of the next one."""
    inner = (
        b"PK\x03\x04" + struct.pack("<HHHHHLLLHH", 20, 0, 0, 0, 0, 0, 16, 16, 8, 0) + b"x/data/1" + bytes(16)
    )
    path.write_bytes(
        archive(
            [
                Record(b"x/data/0", inner),
                Record(b"x/data.pkl", SOUND),
                Record(b"x/data/1", b"", offset=38, length=16, packed=16),
            ]
        )
    )


@pt
def _two_pickles(path: Path, trace: Path) -> None:
    """Two records of one name: which one is read depends on the reader."""
    evil = whole(call("builtins.open", uni(str(trace)), uni("w")))
    path.write_bytes(checkpoint(SOUND, bytes(16), Record(b"x/data.pkl", evil)))


@pt
def _two_folders(path: Path, trace: Path) -> None:
    """Two checkpoints in one archive."""
    path.write_bytes(checkpoint(SOUND, bytes(16), Record(b"y/data.pkl", SOUND)))


@pt
def _another_name_in_the_header(path: Path, trace: Path) -> None:
    """The directory says one name, the record's own header another."""
    path.write_bytes(
        archive([Record(b"x/data.pkl", SOUND, local_name=b"x/code.pyc"), Record(b"x/data/0", bytes(16))])
    )


@pt
def _an_encrypted_record(path: Path, trace: Path) -> None:
    """The flag of encryption, and those that hide the directory."""
    path.write_bytes(archive([Record(b"x/data.pkl", SOUND, flags=0x2041), Record(b"x/data/0", bytes(16))]))


@pt
def _names_with_nuls(path: Path, trace: Path) -> None:
    """A name that ends earlier for readers written in C."""
    path.write_bytes(archive([Record(b"x/data.pkl\0.txt", SOUND), Record(b"x/data/0\0", bytes(16))]))


@pt
def _names_that_are_no_text(path: Path, trace: Path) -> None:
    """Bytes that no encoding has."""
    path.write_bytes(archive([Record(b"x/data.pkl", SOUND), Record(b"\xff\xfe/\x80", bytes(16))]))


@pt
def _a_second_end_in_the_comment(path: Path, trace: Path) -> None:
    """A comment that holds another end record: readers take the first, or the last."""
    evil = checkpoint(whole(call("builtins.open", uni(str(trace)), uni("w"))))
    path.write_bytes(checkpoint(SOUND, comment=evil[-200:]))


@pt
def _sixty_five_thousand_entries(path: Path, trace: Path) -> None:
    """A count of entries that the directory has not."""
    path.write_bytes(checkpoint(SOUND, entries=0xFFFE))


@pt
def _a_directory_of_half_a_million_entries(path: Path, trace: Path) -> None:
    """46 bytes each in the file, 600 in memory."""
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHLLLHHHHHLL", 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    directory = entry * 500_000
    end_64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 500_000, 500_000, len(directory), 30)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 30 + len(directory), 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(26) + directory + end_64 + locator + end)


@pt
def _a_zip64_directory_that_lies(path: Path, trace: Path) -> None:
    """Offsets and counts of 64 bits that lead outside everything."""
    honest = checkpoint(SOUND)
    end_64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 2**64 - 1, 2**64 - 1, 2**63, 2**63)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 2**64 - 1, 1)
    path.write_bytes(honest[:-22] + end_64 + locator + honest[-22:])


@pt
def _zip64_sizes_that_lie(path: Path, trace: Path) -> None:
    """A record whose 64-bit size and offset lead outside the file."""
    lies = struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, 2**63)
    wide = Record(b"x/data/1", b"x", length=2**32 - 1, packed=2**32 - 1, offset=2**32 - 1, extra=lies)
    path.write_bytes(checkpoint(SOUND, bytes(16), wide))


@pt
def _a_record_longer_than_the_file(path: Path, trace: Path) -> None:
    """A storage that claims 4 GB."""
    path.write_bytes(
        archive(
            [Record(b"x/data.pkl", SOUND), Record(b"x/data/0", bytes(16), length=2**32 - 2, packed=2**32 - 2)]
        )
    )


@attack(".pt", ("load", "import"))
def _a_pickle_longer_than_memory(path: Path, trace: Path) -> None:
    """A sparse file whose pickle has 3 GB."""
    raw = bytearray(
        archive([Record(b"x/data.pkl", b"", length=3 << 30, packed=3 << 30)], offset=40 + (3 << 30))
    )
    with path.open("wb") as file:
        file.write(raw[:40])
        file.seek(3 << 30, os.SEEK_CUR)
        file.write(raw[40:])


@pt
def _records_before_the_file(path: Path, trace: Path) -> None:
    """A directory whose offset leads before the beginning."""
    path.write_bytes(checkpoint(SOUND, offset=2**32 - 2, size=2**32 - 2))


@pt
def _a_torchscript_archive(path: Path, trace: Path) -> None:
    """An archive that torch.jit would run."""
    more = (
        Record(b"x/constants.pkl", whole(b")")),
        Record(b"x/code/__torch__.py", b"def forward(self): ..."),
    )
    path.write_bytes(checkpoint(SOUND, bytes(16), *more))


@pt
def _numbers_of_a_big_endian_machine(path: Path, trace: Path) -> None:
    """Read as they stand, they would be wrong weights."""
    path.write_bytes(checkpoint(SOUND, bytes(16), Record(b"x/byteorder", b"big")))


@pt
def _a_bare_pickle(path: Path, trace: Path) -> None:
    """What people call a model and joblib would run."""
    path.write_bytes(pickle.dumps({}, 4)[:-1] + call("builtins.open", uni(str(trace)), uni("w")) + b".")


# -- tensors -----------------------------------------------------------------------------------------------------

_LIES: dict[str, dict[str, Any]] = {
    "a shape larger than its storage": {"shape": (10**9,)},
    "a negative offset": {"offset": -1},
    "an offset beyond its storage": {"offset": 4},
    "negative strides": {"strides": (-1,)},
    "strides that reach outside": {"shape": (2, 2), "strides": (4, 1)},
    "fewer strides than dimensions": {"shape": (2, 2)},
    "an offset that is no number": {"offset": float("nan")},
    "an offset of 2**63": {"offset": 2**63},
    "a shape of infinity": {"shape": (float("inf"),)},
    "a shape of truth": {"shape": (True,)},
    "a shape of halves": {"shape": (0.5, 8.0), "strides": (1, 1)},
    "a shape of text": {"shape": ("4",)},
    "a shape that is a list": {"shape": [4]},
    "a thousand dimensions": {"shape": (1,) * 1000, "strides": (1,) * 1000},
    "nothing times exabytes": {"shape": (0, 2**39, 2**39), "strides": (1, 1, 1)},
    "one number expanded to terabytes": {"shape": (2**39,), "strides": (0,)},
    "windows that share their numbers": {"shape": (2, 2**38), "strides": (1, 0)},
}  # fmt: skip


def _lying(claims: dict[str, Any]) -> Maker:
    def make(path: Path, trace: Path) -> None:
        path.write_bytes(checkpoint(whole(mapping({"a": tensor(**claims)}))))

    return make


for _name, _claims in _LIES.items():
    add(_name, "A tensor that claims what its storage has not.", ".pt", _lying(_claims), PT_DOORS)


@pt
def _a_network_of_one_number(path: Path, trace: Path) -> None:
    """All the tensors of a known network as views of four numbers: 60 kB that would be written as 17 MB."""
    path.write_bytes(checkpoint(network()))


@pt
def _a_hundred_thousand_names_of_one_tensor(path: Path, trace: Path) -> None:
    """Views of one storage of a megabyte, which would be written as 100 GB."""
    kept = tensor((250_000,), (1,), 0, storage("0", "FloatStorage", 250_000))
    names = b"".join(uni(f"t{i}") + b"h\x00" for i in range(90_000))
    content = whole(kept + b"q\x000}(" + names + b"u")
    path.write_bytes(checkpoint(content, bytes(1_000_000)))


@pt
def _names_that_no_terminal_should_print(path: Path, trace: Path) -> None:
    """Tensors named by control characters, by nothing, and by a megabyte."""
    names = ("\x1b]0;owned\x07\x1b[2J", "", "a\0b", "\u202egnp.", "x" * 1_000_000, "..", "/etc/passwd")
    path.write_bytes(checkpoint(whole(mapping({name: tensor() for name in names}))))


@pt
def _a_storage_of_an_unknown_type(path: Path, trace: Path) -> None:
    """A type of numbers that is not known here."""
    path.write_bytes(checkpoint(whole(mapping({"a": tensor(kept=storage("0", "ComplexFloatStorage"))}))))


@pt
def _one_storage_of_two_types(path: Path, trace: Path) -> None:
    """The same bytes as floats and as integers."""
    wide = tensor((2,), (1,), 0, storage("0", "DoubleStorage", 2))
    path.write_bytes(checkpoint(whole(mapping({"a": tensor(), "b": wide}))))


@pt
def _a_missing_storage(path: Path, trace: Path) -> None:
    """A tensor whose storage the archive has not."""
    path.write_bytes(checkpoint(whole(mapping({"a": tensor(kept=storage("7"))}))))


@pt
def _a_wrapped_tensor_outside_the_file(path: Path, trace: Path) -> None:
    """Under "model", where the layout is read and not mapped at once."""
    lying = Record(b"x/data/1", bytes(4), length=2**31, packed=2**31)
    inner = mapping({"a": tensor((2**28,), (1,), 0, storage("1", "FloatStorage", 2**28))})
    path.write_bytes(archive([Record(b"x/data.pkl", whole(mapping({"model": inner}))), lying]))


# -- before torch 1.6 --------------------------------------------------------------------------------------------

_OLD = storage("0", "FloatStorage", 4, b"N")


def _claims(elements: int, shape: tuple[int, ...], count: bytes) -> bytes:
    content = whole(mapping({"a": tensor(shape, (1,), 0, storage("0", "FloatStorage", elements, b"N"))}))
    return old_checkpoint(content, storages=count + bytes(16))


def _keyed(keys: bytes, kept: bytes = _OLD) -> bytes:
    return old_checkpoint(whole(mapping({"a": tensor(kept=kept)})), keys=whole(keys))


_OLD_FILES = {
    "a storage of exabytes": _claims(2**60, (2**39,), struct.pack("<q", 2**60)),
    "a storage of a negative size": _claims(-4, (0,), struct.pack("<q", -4)),
    "a storage of another size than it says": _claims(4, (4,), struct.pack("<q", 5)),
    "a storage that was never stored": _keyed(b"]"),
    "the same key a million times": _keyed(b"](" + uni("0") + b"q\x00" + b"h\x00" * 800_000 + b"e"),
    "keys that are no names": _keyed(b"](]}K\x01e"),
    "a view of a view": _keyed(body(["0"]), storage("0", "FloatStorage", 4, body(("1", -9, 2**40)))),
    "no storages": old_checkpoint(whole(mapping({"a": tensor(kept=_OLD)})), storages=b""),
    "no end": LEGACY_MAGIC + b"\x80\x02",
}


def _old(raw: bytes) -> Maker:
    def make(path: Path, trace: Path) -> None:
        path.write_bytes(raw)

    return make


for _name, _raw in _OLD_FILES.items():
    add(
        f"an old checkpoint with {_name}",
        "A file of torch before 1.6 that lies.",
        ".pt",
        _old(_raw),
        PT_DOORS,
    )


@pt
def _a_tar_archive_that_begins_as_an_old_checkpoint(path: Path, trace: Path) -> None:
    """torch.load would unpack it into a temporary directory: its member is a link to what never ends."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        link = tarfile.TarInfo("storages")
        link.type, link.linkname = tarfile.SYMTYPE, "/dev/zero"
        file.addfile(tarfile.TarInfo("placeholder"), io.BytesIO())
        file.addfile(link)
    raw = bytearray(path.read_bytes())
    raw[: len(LEGACY_MAGIC)] = LEGACY_MAGIC
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    path.write_bytes(raw)
