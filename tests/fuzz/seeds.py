"""Small valid inputs of every parser."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from attacks.opcodes import checkpoint, mapping, old_checkpoint, storage, tensor, uni, whole
from depthmap import formats
from depthmap.catalog import EMBEDDED
from depthmap.formats import metadata
from depthmap.store import Digest, FileRecord, Manifest, Stamp


def _tensors() -> dict[str, torch.Tensor]:
    return {"a.b": torch.arange(6.0).reshape(2, 3), "c": torch.arange(3), "d": torch.ones(())}


def _written(write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


def _saved(content: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def checkpoints() -> list[bytes]:
    """Return checkpoints of both of torch's formats, flat, wrapped, transposed, and written by hand."""
    flat = _tensors()
    return [
        _saved(flat),
        _saved({"model": {"a": torch.ones(3, 2).T}, "epoch": 3}),
        _saved(flat, _use_new_zipfile_serialization=False),
        checkpoint(whole(mapping({"a": tensor()}))),
        old_checkpoint(whole(mapping({"a": tensor(kept=storage("0", "FloatStorage", 4, b"N"))}))),
    ]


def archives() -> list[bytes]:
    """Return those of them that are zip archives."""
    return [raw for raw in checkpoints() if raw.startswith(b"PK")]


def pickles() -> list[bytes]:
    """Return the pickles of checkpoints."""
    with zipfile.ZipFile(io.BytesIO(checkpoints()[0])) as archive:
        written = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    return [
        written,
        whole(mapping({"a": tensor()})),
        whole(b"](" + uni("x") + b"q\x00h\x00e"),
        *(pickle.dumps({"a": [1, 2.5, None, (True, "y" * 300), 2**70]}, protocol) for protocol in (2, 3, 4, 5)),
    ]  # fmt: skip


def hdf5_files() -> list[bytes]:
    """Return our own file, and strangers' with groups, chunks and packed data sets."""
    return [_written(lambda path: formats.get("h5").save(_tensors(), path, {"spec": EMBEDDED.to_dict()})),
            _written(_strange_hdf5)]  # fmt: skip


def _strange_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("g")["a"] = np.ones((2, 3), ">f4")
        file.create_dataset(
            "b", data=np.arange(8), chunks=(4,), compression="gzip", shuffle=True, fletcher32=True
        )
        file.create_dataset("c", (4,), "f2")
        file.attrs["depthmap"] = '{"spec": {}}'  # a text of any length, as h5py writes them


def safetensors_files() -> list[bytes]:
    """Return our own file."""
    return [_written(lambda path: formats.get("safetensors").save(_tensors(), path, {"spec": {}}))]


def descriptions() -> list[bytes]:
    """Return descriptions with and without a digest: without one, alterations reach what lies behind it."""
    record = FileRecord(Digest(3, "0" * 64, bytes(32)), Stamp(3, 1, 1, 1))
    known = Manifest(EMBEDDED.renamed("file"), {"how": "imported"}, {"pt": record, "h5": record})
    raw = Manifest(EMBEDDED.renamed("file"), {}, {"pt": record}, True, known).dumps()
    content = pickle.loads(raw)
    del content["digest"]
    return [raw, pickle.dumps(content, 4), metadata.dumps(content)]


def model_names() -> list[bytes]:
    """Return names of models."""
    return [b"DPT_Large", b"my.model-2", b"x"]


def file_names() -> list[bytes]:
    """Return names of models' files, and of what a writer that was killed left of them."""
    return [b"midas_dpt_large.pt", b"midas_x.h5.part.journal", b"midas_a.b.pkl.12-3f"]


def sizes() -> list[bytes]:
    """Return sizes as people write them."""
    return [b"2GB", b"500 MB", b"1.5GiB", b"123", b"0.25tib"]


def ranges() -> list[bytes]:
    """Return Content-Range headers as servers send them."""
    return [b"bytes 0-99/100", b"bytes 5-9/*", b"bytes */100"]


def etags() -> list[bytes]:
    """Return strong ETags."""
    return [b'"an-etag"', b'""']
