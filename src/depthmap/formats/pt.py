"""``.pt``: torch's zip format, read without torch and without running anything.

A checkpoint is a zip archive of stored (not compressed) records: ``NAME/data.pkl``, a pickle that names the
tensors, and ``NAME/data/KEY``, the bytes of one storage each. The pickle is read with stand-ins for the few
globals that torch writes for a state dict, the tensors are mapped in place.
"""

from __future__ import annotations

import collections
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ModelFileCorrupted, UnrecognisedFile, UnsafeFile
from .mapping import map_tensors
from .tensors import ITEM_SIZES, Layout, TensorInfo, checked
from .unpickling import MAX_PICKLE_BYTES, unpickle

if TYPE_CHECKING:
    import torch

suffix = ".pt"
_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
_AGAIN = "Get the file again from where it came from."


class _Storage(NamedTuple):
    dtype: str
    offset: int
    elements: int


class _Bag(dict[Any, Any]):
    """Stands in for OrderedDict: whatever attributes a pickle gives it (torch's ``_metadata``) are dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Other:
    """Stands in for what a checkpoint may hold beside tensors (an optimizer's flags): accepted and ignored."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> TensorInfo:
    size = ITEM_SIZES[storage.dtype]
    info = TensorInfo(storage.dtype, tuple(shape), storage.offset + offset * size, tuple(strides))
    if offset < 0 or offset + info.extent > storage.elements or min(strides, default=0) < 0:
        raise ValueError("a tensor reaches outside its storage")
    return TensorInfo(info.dtype, info.shape, info.offset, None if _is_contiguous(info) else info.strides)


def _is_contiguous(info: TensorInfo) -> bool:
    expected = 1
    for length, stride in zip(reversed(info.shape), reversed(info.strides or ()), strict=True):
        if length != 1 and stride != expected:
            return False
        expected *= length
    return True


def _rebuild_parameter(tensor: TensorInfo, *_: Any) -> TensorInfo:
    return tensor


_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Bag,
    ("collections", "defaultdict"): _Other,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
    ("torch", "device"): _Other,
    **{("torch", storage): dtype for storage, dtype in _STORAGES.items()},
}


def scan(path: Path, *, trusted: bool = False) -> Layout:
    """Return the tensors of a checkpoint, reading only its directory and its pickle.

    ``trusted`` says that its digest was verified: it is then read faster, and no less strictly.

    Raises
    ------
    UnsafeFile
        When its pickle names anything but tensors, or it is a TorchScript archive.
    ModelFileCorrupted
        When it is damaged.
    UnrecognisedFile
        When it is no zip checkpoint, or holds no state dict.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(len(_LEGACY_MAGIC))
        if magic == _LEGACY_MAGIC:
            return Layout(path, {}, mapped=False)
        if not magic.startswith(_ZIP_MAGIC):
            raise UnrecognisedFile("this is no PyTorch checkpoint", path, _AGAIN)
        try:
            records = _records(file, path)
        except (zipfile.BadZipFile, struct.error, EOFError, ValueError, NotImplementedError) as error:
            raise ModelFileCorrupted(f"its directory cannot be read: {error}", path, _AGAIN) from error
        prefix = _prefix(records, path)
        start, length = records[f"{prefix}/data.pkl"]
        if length > MAX_PICKLE_BYTES:
            raise ModelFileCorrupted(f"its pickle is {length} bytes; no model needs so many", path, _AGAIN)
        file.seek(start)
        pickled = file.read(length)
        if f"{prefix}/byteorder" in records:
            file.seek(records[f"{prefix}/byteorder"][0])
            if file.read(6) != b"little":
                raise UnrecognisedFile(
                    "its numbers are big-endian", path, "Save it again on a little-endian machine."
                )

    def storage(pid: Any) -> _Storage:
        kind, dtype, key, _location, _elements = pid
        offset, nbytes = records[f"{prefix}/data/{key}"]
        if kind != "storage" or dtype not in ITEM_SIZES:
            raise ValueError("an unknown kind of storage")
        return _Storage(dtype, offset, nbytes // ITEM_SIZES[dtype])

    tensors, wrapped = _state_dict(unpickle(pickled, path, _ALLOWED, storage, trusted=trusted), path)
    return checked(Layout(path, tensors, mapped=not wrapped), size)


def _records(file: Any, path: Path) -> dict[str, tuple[int, int]]:
    """Return {record: (first byte, length)}; the local headers say where the bytes begin."""
    records = {}
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if (
                entry.compress_type != zipfile.ZIP_STORED
                or entry.flag_bits & 1
                or entry.compress_size != entry.file_size
            ):
                raise UnsafeFile(
                    "its records are compressed or encrypted, which torch never writes",
                    path,
                    "Save it again with torch.save.",
                )
            file.seek(entry.header_offset)
            signature, name_length, extra_length = struct.unpack("<4s22xHH", file.read(30))
            if signature != _ZIP_MAGIC:
                raise ValueError("a record has no header")
            records[entry.filename] = (entry.header_offset + 30 + name_length + extra_length, entry.file_size)
    return records


def _prefix(records: Mapping[str, Any], path: Path) -> str:
    prefixes = [name[: -len("/data.pkl")] for name in records if name.endswith("/data.pkl")]
    if len(prefixes) != 1:
        raise UnrecognisedFile("this zip file is no PyTorch checkpoint", path, _AGAIN)
    if f"{prefixes[0]}/constants.pkl" in records:
        raise UnsafeFile(
            "this is a TorchScript archive, which holds code",
            path,
            "Use the checkpoint (state dict) instead.",
        )
    return prefixes[0]


def _state_dict(content: Any, path: Path) -> tuple[dict[str, TensorInfo], bool]:
    """Return the state dict in ``content`` and whether something was wrapped around it."""
    flat = _tensors_of(content, TensorInfo)
    if flat:
        return flat, len(flat) != len(content)
    for key in _WRAPPERS:
        if isinstance(content, dict) and (inner := _tensors_of(content.get(key), TensorInfo)):
            return inner, True
    raise UnrecognisedFile("it holds no state dict", path, "Use a checkpoint: tensors by name.")


def _tensors_of(content: Any, kind: type) -> dict[str, Any]:
    if not isinstance(content, dict):
        return {}
    return {
        name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, kind)
    }


def load(path: Path, *, trusted: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors: mapped in place, or read where the file is of torch's format before 1.6.

    ``trusted`` says that its digest was verified, see `scan`.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    with path.open("rb") as file:
        legacy = file.read(len(_LEGACY_MAGIC)) == _LEGACY_MAGIC
    return _load_legacy(path) if legacy else map_tensors(path, scan(path, trusted=trusted).tensors)


def _load_legacy(path: Path) -> dict[str, torch.Tensor]:
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeFile(
            "the file asks to run code; nothing of it was run", path, "Use a file that holds tensors only."
        ) from error
    except Exception as error:  # torch raises whatever a damaged pickle leads it to
        raise ModelFileCorrupted(f"it cannot be read ({type(error).__name__})", path, _AGAIN) from error
    for candidate in (content, *(content.get(key) for key in _WRAPPERS if isinstance(content, dict))):
        if tensors := _tensors_of(candidate, torch.Tensor):
            return tensors
    raise UnrecognisedFile("it holds no state dict", path, "Use a checkpoint: tensors by name.")


def save(tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a flat state dict in torch's zip format; ``metadata`` has no place in it and is not written."""
    import torch

    torch.save(
        collections.OrderedDict((name, tensor.detach().contiguous()) for name, tensor in tensors.items()),
        path,
    )
