"""Files are read as NumPy arrays without torch, which is the independent reader here."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from depthmap import formats
from depthmap.errors import FileError, ModelFileCorrupted, UnrecognisedFile
from depthmap.formats.arrays import Array, joined, map_arrays
from depthmap.formats.leases import is_mapped
from support import flip, python

from .test_round_trip import FORMATS, bits, everywhere, mappings_of, names, tensors


def same(arrays: dict[str, Array], state: dict[str, torch.Tensor]) -> bool:
    """Tell whether names in their order, dtypes, shapes and every bit are those of torch's tensors."""
    return list(arrays) == list(state) and all(
        f"torch.{dtype}" == str(state[name].dtype)
        and values.shape == tuple(state[name].shape)
        and np.ascontiguousarray(values).tobytes() == bits(state[name])
        and not values.flags.writeable
        for name, (dtype, values) in arrays.items()
    )


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arrays_have_every_bit_of_torch_s_tensors(
    format: str, read: bool, tmp_path: Path, data: st.DataObject
) -> None:
    kinds = everywhere if format == "safetensors" else tensors
    path = tmp_path / f"x.{format}"
    formats.get(format).save(data.draw(st.dictionaries(names, kinds, min_size=1, max_size=8)), path)
    assert same(map_arrays(path, read=read), formats.load(path))


def chunked(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("a/b", data=np.arange(100.0).reshape(10, 10), chunks=(5, 5), compression="gzip")
        file["c"] = np.arange(5, dtype=">i4")


def unaligned(path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}} '
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(range(16)))


def of_views(path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    state = {"base": base, "transposed": base.t(), "part": base[1:3, 2:5], "one": base[:1].expand(3, 6)}
    torch.save(state, path)


def old(path: Path) -> None:
    torch.save({"a": torch.randn(3, 4), "b": torch.ones(3)}, path, _use_new_zipfile_serialization=False)


def wrapped(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.randn(3, 4).bfloat16()}, "epoch": 3}, path)


@pytest.mark.parametrize("make", [chunked, unaligned, of_views, old, wrapped])
def test_anybody_s_files_are_read_as_arrays(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "x")
    arrays = map_arrays(tmp_path / "x")
    assert same(arrays, formats.load(tmp_path / "x"))
    assert all(values.flags.aligned for _, values in arrays.values())


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_copied(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a": torch.randn(1 << 22), "b": torch.randn(7).bfloat16()}, path)
    map_arrays(path)  # imports
    tracemalloc.start()
    try:
        arrays = map_arrays(path)
        total = sum(float(values[-1]) for _, values in arrays.values())
        assert np.isfinite(total)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    (line,) = mappings_of(path)
    low, high = (int(x, 16) for x in line.split()[0].split("-"))
    assert int(line.split()[4]) == os.stat(path).st_ino
    for _, values in arrays.values():
        assert low <= values.ctypes.data <= values.ctypes.data + values.nbytes <= high


def test_tied_names_are_one_array(tmp_path: Path) -> None:
    tied = torch.randn(3)
    torch.save({"a": tied, "b": tied, "c": tied.clone()}, tmp_path / "x.pt")
    arrays = map_arrays(tmp_path / "x.pt")
    assert arrays["a"].values is arrays["b"].values
    assert arrays["a"].values is not arrays["c"].values


@pytest.mark.parametrize("format", FORMATS)
def test_arrays_cannot_be_written_to_nor_made_writable(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a": torch.ones(5)}, path)
    values = map_arrays(path)["a"].values
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 2
    with pytest.raises(ValueError, match="WRITEABLE"):
        values.flags.writeable = True


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_in_use_while_one_of_its_arrays_lives_also_when_it_is_gone(
    format: str, tmp_path: Path
) -> None:
    path, other = tmp_path / f"x.{format}", tmp_path / "other"
    formats.get(format).save({"a": torch.arange(1000), "b": torch.ones(3)}, path)
    one = map_arrays(path)["a"].values[10:]
    os.link(path, other)
    path.unlink()
    assert is_mapped(other)
    assert one.tolist() == list(range(10, 1000))
    del one
    gc.collect()
    assert not is_mapped(other)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def altered(path: Path) -> None:
    for position in range(0, 200, 7):
        flip(path, position)


@pytest.mark.parametrize("damage", [cut, altered])
@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_file_is_refused_in_the_words_that_it_is_for_torch(
    format: str, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a": torch.randn(50)}, path)
    damage(path)
    with pytest.raises(FileError) as expected:
        formats.load(path)
    with pytest.raises(FileError) as found:
        map_arrays(path)
    assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value))


def test_a_file_that_is_replaced_without_end_is_never_read_by_another_s_layout(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    formats.get("pt").save({"a": torch.ones(5)}, path)

    def layout() -> formats.Layout:
        found = formats.scan(path)
        (tmp_path / "new").write_bytes(path.read_bytes() + b"")
        os.replace(tmp_path / "new", path)
        return found

    with pytest.raises(ModelFileCorrupted, match="keeps replacing"):
        map_arrays(path, layout)


@pytest.mark.parametrize("format", FORMATS)
def test_torch_is_not_needed(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a": torch.tensor([1.0, -2.0]).bfloat16()}, path)
    done = python(f"""
import sys
sys.modules["torch"] = None
from pathlib import Path
from depthmap.formats.arrays import map_arrays
dtype, values = map_arrays(Path({str(path)!r}))["a"]
print(dtype, values.dtype, values.tolist())
""")
    assert done.stdout.strip() == f"bfloat16 uint16 [{0x3F80}, {0xC000}]", done.stderr


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", [*FORMATS, "old", "chunked"])
def test_a_file_of_any_format_becomes_one_of_another_without_torch(
    source: str, target: str, tmp_path: Path
) -> None:
    path, made = tmp_path / f"x.{source}", tmp_path / f"y.{target}"
    if source in FORMATS:
        state = {"a": torch.randn(3, 4).bfloat16(), "b": torch.tensor(5), "c": torch.zeros(0, 2)}
        formats.get(source).save(state, path)
    else:
        {"old": old, "chunked": chunked}[source](path)
    done = python(f"""
import sys
sys.modules["torch"] = None
from pathlib import Path
from depthmap import formats
formats.convert(Path({str(path)!r}), {target!r}, Path({str(made)!r}), {{"x": 1}})
""")
    assert done.returncode == 0, done.stderr
    assert same(dict(sorted(map_arrays(made).items())), dict(sorted(formats.load(path).items())))
    if target != "pt":
        assert formats.scan(made).metadata == {"x": 1}


def test_arrays_of_different_dtypes_are_not_joined() -> None:
    one, half = Array("float32", np.ones((2, 3), "f4")), Array("float16", np.zeros((1, 3), "f2"))
    assert joined([one, one]).values.shape == (4, 3)
    with pytest.raises(UnrecognisedFile, match="float32, float16"):
        joined([one, half])
