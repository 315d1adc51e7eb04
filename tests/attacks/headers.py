"""Safetensors files whose header lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .table import SAFETENSORS_DOORS, add


def _entry(**lies: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **lies}


def _bytes(header: bytes, length: int | None = None, data: bytes = bytes(16)) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


_HEADERS: dict[str, Any] = {
    "a size that its shape has not": {"a": _entry(shape=[10])},
    "a shape of exabytes": {"a": _entry(shape=[2**39, 2**39], data_offsets=[0, 2**80])},
    "a negative offset": {"a": _entry(data_offsets=[-16, 0])},
    "offsets in the wrong order": {"a": _entry(data_offsets=[16, 0])},
    "a negative shape": {"a": _entry(shape=[-1, -4])},
    "offsets of halves": {"a": _entry(data_offsets=[0.0, 16.0])},
    "offsets of truth": {"a": _entry(shape=[], dtype="U8", data_offsets=[False, True])},
    "offsets of text": {"a": _entry(data_offsets="0F")},
    "offsets that are no numbers": {"a": _entry(data_offsets=[float("nan"), float("inf")])},
    "an unknown type": {"a": _entry(dtype="F8_E4M3")},
    "a type that is a list": {"a": _entry(dtype=["F32"])},
    "a shape of lists": {"a": _entry(shape=[[4]])},
    "a thousand dimensions": {"a": _entry(shape=[1] * 1000)},
    "tensors over each other": {"a": _entry(), "b": _entry()},
    "a gap": {"a": _entry(shape=[2], data_offsets=[8, 16])},
    "an end before the file's": {"a": _entry(shape=[2], data_offsets=[0, 8])},
    "names that no terminal should print": {"\x1b[2J": _entry(), "\ud800": _entry(shape=[0], data_offsets=[16, 16])},
    "an entry that is a number": {"a": 3},
    "an entry of nothing": {"a": None},
    "a list": [1, 2],
    "metadata that is a list": {"__metadata__": [1], "a": _entry()},
    "metadata nested without end": {"__metadata__": {"depthmap": "[" * 100_000}, "a": _entry()},
    "a spec of nonsense": {"__metadata__": {"depthmap": json.dumps({"spec": {"mean": 3, "std": "x"}})}, "a": _entry()},
}  # fmt: skip

_FILES: dict[str, bytes] = {
    "a length of exabytes": _bytes(b"{}", 2**63 - 1),
    "a length of nothing": _bytes(b"{}", 0),
    "two tensors of one name": _bytes(b'{"a":%s,"a":%s}' % ((json.dumps(_entry()).encode(),) * 2)),
    "nesting without end": _bytes(b'{"a":' * 200_000),
    "eight million lists": _bytes(b'{"a":[' + b"[]," * 8_000_000 + b"[]]}"),
    "a number of a million digits": _bytes(b'{"a":{"dtype":"F32","shape":[' + b"9" * 10**6 + b"]}}"),
    "bytes that are no text": _bytes(b'{"\xff\xfe":{}}'),
    "no end": _bytes(b'{"a":{"dty'),
}  # fmt: skip


def _enter(name: str, raw: bytes) -> None:
    def make(path: Path, trace: Path) -> None:
        path.write_bytes(raw)

    add(f"a safetensors header of {name}", "A header that lies.", ".safetensors", make, SAFETENSORS_DOORS)


for _name, _header in _HEADERS.items():
    _enter(_name, _bytes(json.dumps(_header).encode()))
for _name, _raw in _FILES.items():
    _enter(_name, _raw)
