"""The ``.pt`` that we write is the one that torch writes; torch itself is the reader."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, cast

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from depthmap import formats
from depthmap.errors import UnrecognisedFile, UsageError
from depthmap.formats import pt
from depthmap.formats.arrays import Array
from depthmap.formats.pickling import View
from depthmap.formats.sink import Sink, sink
from depthmap.formats.tensors import NUMPY_LACKS
from support import python

from .test_round_trip import bits, same, tensors

_ID = ".data/serialization_id"
names = st.text(st.characters(codec="utf-8"), max_size=30).filter(lambda name: name not in ("storage", "cpu"))
"""torch writes any name; the two words are its own, see `pickling`."""


def changed(tensor: torch.Tensor, how: str) -> torch.Tensor:
    """Return a view of a tensor, or the tensor, that lies otherwise in memory."""
    if tensor.ndim and how == "part":
        return tensor[len(tensor) // 2 :]
    return tensor.mT if tensor.ndim > 1 and how == "transposed" else tensor


@st.composite
def states(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    """Tensors by name; some are views of others."""
    state: dict[str, torch.Tensor] = draw(st.dictionaries(names, tensors, max_size=8))
    for name in draw(st.lists(names, max_size=3)):
        if state:
            owner = state[draw(st.sampled_from(sorted(state)))]
            state[name] = changed(owner, draw(st.sampled_from(["part", "transposed", "same"])))
    return state


def torch_s(state: dict[str, torch.Tensor]) -> bytes:
    """Return what torch writes; each name gets a tensor object of its own, as in any ``state_dict()``."""
    buffer = io.BytesIO()
    torch.save(OrderedDict((name, tensor.detach().contiguous()) for name, tensor in state.items()), buffer)
    return buffer.getvalue()


def without_id(raw: bytes) -> bytes:
    """Return a file without what depends on the C++ library: half of a record, and its checksums."""
    archive = zipfile.ZipFile(io.BytesIO(raw))
    record = archive.getinfo(f"archive/{_ID}")
    half, checksum = archive.read(record)[:20], record.CRC.to_bytes(4, "little")
    assert raw.count(checksum) == 2
    return raw.replace(half, b"?" * 20).replace(checksum, b"????")


in_one_folder = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@in_one_folder
@given(state=states())
def test_the_file_is_torch_s_byte_for_byte_but_for_half_of_its_id(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    pt.save(state, tmp_path / "x.pt")
    ours, theirs = (tmp_path / "x.pt").read_bytes(), torch_s(state)
    if "archive/.storage_alignment" not in zipfile.ZipFile(io.BytesIO(theirs)).namelist():
        pytest.skip("this torch is older than the format")
    # An empty storage has no memory by which two tensors could be seen to share it.
    if len([t for t in state.values() if not t.untyped_storage().nbytes()]) < 2:
        assert without_id(ours) == without_id(theirs)


@in_one_folder
@given(state=states())
def test_torch_and_depthmap_read_every_bit_of_it(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    pt.save(state, tmp_path / "x.pt")
    assert zipfile.ZipFile(tmp_path / "x.pt").testzip() is None
    for mmap in (True, False):
        assert same(torch.load(tmp_path / "x.pt", weights_only=True, mmap=mmap), state)
    if state and all(name and name.isprintable() for name in state):
        assert same(formats.load(tmp_path / "x.pt"), state)
        assert formats.scan(tmp_path / "x.pt").mapped


def array_of(tensor: torch.Tensor) -> Array:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Array(dtype, tensor.view(getattr(torch, NUMPY_LACKS.get(dtype, dtype))).numpy())


@in_one_folder
@given(state=st.dictionaries(names, tensors, max_size=8))
def test_arrays_make_the_same_file_as_tensors(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    pt.save(state, tmp_path / "tensors.pt")
    pt.save({name: array_of(tensor) for name, tensor in state.items()}, tmp_path / "arrays.pt")
    assert (tmp_path / "arrays.pt").read_bytes() == (tmp_path / "tensors.pt").read_bytes()


def test_thousands_of_tensors_make_torch_s_file(tmp_path: Path) -> None:
    for count in (1, 999, 1000, 1001, 2001):
        state = {f"layer{n}": torch.zeros(n % 3, 70_000 if n == 7 else 300) for n in range(count)}
        pt.save(state, tmp_path / "x.pt")
        assert without_id((tmp_path / "x.pt").read_bytes()) == without_id(torch_s(state))


@pytest.mark.parametrize("name", ["storage", "cpu", "0", "10", "collections", ""])
def test_a_tensor_may_be_called_by_torch_s_own_words(tmp_path: Path, name: str) -> None:
    state = {"a": torch.ones(2), name: torch.arange(3), "b": torch.ones(4)}
    pt.save(state, tmp_path / "x.pt")
    assert same(torch.load(tmp_path / "x.pt", weights_only=True), state)


def test_views_keep_their_storage_strides_and_offset(tmp_path: Path) -> None:
    numbers = np.arange(24, dtype="f4")
    views = {
        "whole": View("float32", numbers, (4, 6), (6, 1)),
        "transposed": View("float32", numbers, (6, 4), (1, 6)),
        "part": View("float32", numbers, (2, 3), (6, 1), offset=8),
        "alone": View("bfloat16", b"\x80\x3f\0\xc0", (2,), (1,)),
        "bytes": View("float8_e5m2", bytearray(9), (3, 3), (3, 1)),
    }
    with sink(tmp_path / "x.pt") as file:
        pt.write(views, file, "x")
    state = torch.load(tmp_path / "x.pt", weights_only=True)
    whole = torch.arange(24.0).reshape(4, 6)
    expected = {"whole": whole, "transposed": whole.T, "part": whole[1:3, 2:5]}
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert all(state[name].stride() == tensor.stride() for name, tensor in expected.items())
    assert len({state[name].untyped_storage().data_ptr() for name in expected}) == 1
    assert state["alone"].tolist() == [1.0, -2.0]
    assert same(formats.load(tmp_path / "x.pt"), state)


def test_tied_weights_are_written_once_and_stay_tied(tmp_path: Path) -> None:
    tied = torch.randn(1000, 10)
    torch.save({"a": tied, "b": tied}, tmp_path / "start.pt")
    pt.save(formats.load(tmp_path / "start.pt"), tmp_path / "x.pt")
    values = tied.numpy()
    pt.save({"a": Array("float32", values), "b": Array("float32", values[:])}, tmp_path / "y.pt")
    for path in (tmp_path / "x.pt", tmp_path / "y.pt"):
        state = torch.load(path, weights_only=True)
        assert state["a"].data_ptr() == state["b"].data_ptr()
        assert path.stat().st_size < 1.1 * tied.nbytes


def test_a_storage_of_two_dtypes_is_refused_since_torch_could_not_read_it(tmp_path: Path) -> None:
    storage = bytes(8)
    views = {"a": View("float32", storage, (2,), (1,)), "b": View("int32", storage, (2,), (1,))}
    with sink(tmp_path / "x.pt") as file, pytest.raises(UsageError, match="'b' is int32"):
        pt.write(views, file)


def test_a_dtype_without_a_place_in_the_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedFile, match="bits8"):
        pt.save({"a": torch.empty(2, dtype=torch.bits8)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="bfloat16"):
        pt.save({"a": Array("bfloat16", np.zeros(2, "f4"))}, tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()


def test_arrays_that_lie_otherwise_in_memory_are_written_in_c_order(tmp_path: Path) -> None:
    values = np.arange(24, dtype=">i4").reshape(4, 6)
    state = {"big": values, "transposed": values.T, "step": values[::2, ::-3], "one": values[0, 0]}
    pt.save({name: Array("int32", np.asarray(v)) for name, v in state.items()}, tmp_path / "x.pt")
    found = torch.load(tmp_path / "x.pt", weights_only=True)
    assert {name: t.tolist() for name, t in found.items()} == {n: v.tolist() for n, v in state.items()}
    assert all(tensor.is_contiguous() for tensor in found.values())


def test_writing_takes_no_memory_beside_the_mapping(tmp_path: Path) -> None:
    pt.save({f"t{n}": torch.ones(1 << 20) for n in range(16)}, tmp_path / "start.pt")
    state = formats.load(tmp_path / "start.pt")
    tracemalloc.start()
    try:
        pt.save(state, tmp_path / "x.pt")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "x.pt").read_bytes() == (tmp_path / "start.pt").read_bytes()


def test_a_file_is_written_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    done = python(f"""
import sys
sys.modules["torch"] = None
from pathlib import Path
import numpy as np
from depthmap.formats import pt
from depthmap.formats.arrays import Array
state = {{"a": Array("float32", np.ones((2, 3), "f4")), "b": Array("bfloat16", np.array(16256, "u2"))}}
pt.save(state, Path({str(path)!r}))
""")
    assert done.returncode == 0, done.stderr
    state = torch.load(path, weights_only=True)
    assert same(state, {"a": torch.ones(2, 3), "b": torch.tensor(1.0, dtype=torch.bfloat16)})


def test_a_full_disk_stops_the_writing_and_is_what_the_error_says() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(OSError, match="No space left") as failed, full.open("r+b", buffering=0) as file:
        pt.write({"a": View("uint8", np.zeros(1 << 20, "u1"), (1 << 20,), (1,))}, Sink(file))
    assert failed.value.errno == 28


class Sparse:
    """A file that leaves holes where zeros are written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, data: memoryview) -> int:
        if len(data) < 4096 or data[:4096] != bytes(4096) or np.frombuffer(data, "u1").any():
            return self.file.write(data)
        self.file.seek(len(data), io.SEEK_CUR)
        return len(data)

    def seek(self, position: int) -> int:
        return self.file.seek(position)


@pytest.mark.slow
def test_a_file_of_more_than_4_gib_is_torch_s_and_read_by_torch(tmp_path: Path) -> None:
    state = {"s": torch.ones(2), "a": torch.zeros((1 << 32) + 10, dtype=torch.uint8), "b": torch.ones(3)}
    state |= {"empty": torch.zeros(0), "last": torch.zeros(1 << 20)}
    from depthmap.formats.views import views_of

    for name, write in {
        "ours": lambda file: pt.write(views_of(state, tmp_path), file),
        "theirs": lambda file: torch.save(OrderedDict(state), file),
    }.items():
        with (tmp_path / name).open("w+b", buffering=0) as file:
            write(Sink(cast(BinaryIO, Sparse(file))))
    for path in (tmp_path / "ours", tmp_path / "theirs"):
        loaded = torch.load(path, weights_only=True, mmap=True)
        assert loaded["a"].nbytes == (1 << 32) + 10
        assert all(torch.equal(loaded[name], state[name]) for name in ("s", "b", "empty", "last"))
        assert formats.scan(path).tensors == formats.scan(tmp_path / "ours").tensors
    with (tmp_path / "ours").open("rb") as ours, (tmp_path / "theirs").open("rb") as theirs:
        size = ours.seek(0, io.SEEK_END)
        assert size == theirs.seek(0, io.SEEK_END)
        heads, tails = [], []
        for file in (ours, theirs):
            file.seek(0)
            heads.append(file.read(4096))
            file.seek((1 << 32) + 4096)
            tails.append(file.read())
        assert heads[0] == heads[1]
        differing = [n for n, (a, b) in enumerate(zip(*tails, strict=True)) if a != b]
        assert len(differing) <= 20 + 2 * 4
    assert bits(formats.load(tmp_path / "ours")["b"]) == bits(state["b"])
