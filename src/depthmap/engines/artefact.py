"""What an engine opens: the graph of a network, bound to the file that has its weights.

The graph (``graphs/NETWORK.onnx``, made by ``tools/graphs.py``) is an ONNX model without weights. The artefact is
the same with one entry per tensor that says where in the ``.pt`` or ``.h5`` beside it the tensor's bytes lie, so no
weight is stored twice. Protocol buffers allow to prepend these entries without reading the rest: a message that
occurs twice is merged (protobuf.dev, "Encoding", last one wins). The artefact begins with its properties, so that they
can be read without a parser: whose weights it is bound to, and how exactly each engine has run it.

Format: onnx.proto, IR version 10; external data as in ONNX's ``docs/ExternalData.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import UnrecognisedFile
from ..formats.tensors import Layout, TensorInfo

GRAPHS = Path(__file__).parent / "graphs"
_TYPES = {"float32": 1, "float16": 10, "float64": 11, "bfloat16": 16}
"""TensorProto.DataType."""
_KEY = "depthmap"
_HEAD = 4096
"""Bytes within which the properties are."""
_EXTERNAL = 1
_INT = 2  # AttributeProto.AttributeType
_VARINT, _BYTES = 0, 2  # wire types
_GRAPH, _PROPERTY = 7, 14  # fields of ModelProto


def bind(network: str, layout: Layout, names: Iterable[str], properties: Mapping[str, str]) -> bytes:
    """Return the artefact of a network whose weights lie in a file, to be stored in that file's directory.

    Parameters
    ----------
    network : str
        One of `networks.NETWORKS`.
    layout : Layout
        Of the file of weights.
    names : iterable of str
        The tensors that the network reads; those that are no floats (counters of batches) are left out.
    properties : mapping of str to str
        Come first; see `properties_of`.

    Raises
    ------
    UnrecognisedFile
        When a tensor does not lie in the file as it would in memory, or is of float8.
    """
    entries = {name: layout.tensors[name] for name in names}
    floats = {name: info for name, info in entries.items() if info.dtype in _TYPES}
    if not (layout.mapped and are_in_place(floats.values())):
        raise UnrecognisedFile(
            "its tensors cannot be used in place", layout.path, "Import it; that rewrites it."
        )
    if short := type_not_run(entries.values()):
        raise UnrecognisedFile(
            f"its numbers are of type {short}, which engines do not run", layout.path, "torch runs it."
        )
    entries_of = b"".join(_graph(floats, layout.path.name))
    return _property(properties) + _message(_GRAPH, entries_of) + graph_of(network)


def are_in_place(tensors: Iterable[TensorInfo]) -> bool:
    """Tell whether each tensor lies in a mapped file as an engine wants it in memory: in one piece."""
    return not any(info.strides for info in tensors)


def type_not_run(tensors: Iterable[TensorInfo]) -> str:
    """Return a type among those of tensors that no engine runs; empty where there is none."""
    return next((info.dtype for info in tensors if info.dtype.startswith("float8")), "")


def graph_of(network: str) -> bytes:
    """Return the graph of a network, without weights."""
    return (GRAPHS / f"{network}.onnx").read_bytes()


def properties_of(path: Path) -> dict[str, str]:
    """Return the properties of an artefact; empty where it is none.

    ``weights`` is `weights_id` of the file that it is bound to; ``parity:ENGINE`` is the relative error of that engine
    against torch, where it was compared.
    """
    with suppress(OSError, ValueError, IndexError, AttributeError), path.open("rb") as file:
        return _read_property(file.read(_HEAD))
    return {}


def weights_id(format: str, sha256: str) -> str:
    """Return what names the file of weights in an artefact: its format and its digest."""
    return f"{format} {sha256}"


def _property(properties: Mapping[str, str]) -> bytes:
    """Return one entry that has them all: OpenVINO takes a model that begins with several for another format."""
    return _message(_PROPERTY, _text(1, _KEY) + _text(2, json.dumps(properties)))


def _read_property(head: bytes) -> dict[str, str]:
    """Return what `_property` wrote."""
    entry, _ = _take(head)
    key, rest = _take(entry)
    value, _ = _take(rest)
    if head[0] != _PROPERTY << 3 | _BYTES or key.decode() != _KEY:
        raise ValueError("no artefact")
    return {str(name): str(text) for name, text in json.loads(value).items()}


def _take(data: bytes) -> tuple[bytes, bytes]:
    """Return the content of the message at the beginning, and what follows it."""
    length, position, shift = 0, 1, 0
    while data[position] > 127:
        length |= (data[position] & 127) << shift
        position, shift = position + 1, shift + 7
    length |= data[position] << shift
    start = position + 1
    if start + length > len(data):
        raise ValueError("cut short")
    return data[start : start + length], data[start + length :]


def _graph(tensors: Mapping[str, TensorInfo], location: str) -> Iterator[bytes]:
    """Yield the fields of a GraphProto: a place per tensor, and a cast where it is not stored in float32."""
    for name, info in tensors.items():
        stored = name if info.dtype == "float32" else f"{name}:{info.dtype}"
        if stored != name:
            yield _message(1, _cast(stored, name))
        yield _message(5, _place(stored, info, location))


def _place(name: str, info: TensorInfo, location: str) -> bytes:
    """Return a TensorProto."""
    entries = {"location": location, "offset": info.offset, "length": info.nbytes}
    return b"".join(
        (
            *(_number(1, n) for n in info.shape),
            _number(2, _TYPES[info.dtype]),
            _text(8, name),
            *(_message(13, _text(1, key) + _text(2, str(value))) for key, value in entries.items()),
            _number(14, _EXTERNAL),
        )
    )


def _cast(source: str, target: str) -> bytes:
    """Return a NodeProto that turns a tensor into float32."""
    to = _text(1, "to") + _number(3, _TYPES["float32"]) + _number(20, _INT)
    return _text(1, source) + _text(2, target) + _text(4, "Cast") + _message(5, to)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    """Return seven bits a byte, the lowest first; all but the last byte have the eighth bit set."""
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
