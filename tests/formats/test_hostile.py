"""A file that is damaged or hostile is refused in our words, and nothing in it is run."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from depthmap import formats
from depthmap.errors import FileError, ModelFileCorrupted, UnrecognisedFile, UnsafeFile
from depthmap.formats import metadata


class RunsCode:
    """Unpickling this the usual way makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "code-was-run"


def test_the_hostile_object_is_hostile(trace: Path) -> None:
    pickle.loads(pickle.dumps(RunsCode(trace)))
    assert trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pt_file_that_would_run_code_runs_nothing(tmp_path: Path, trace: Path, zipped: bool) -> None:
    torch.save(
        {"a": torch.ones(2), "x": RunsCode(trace)}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(UnsafeFile, match="depthmap ran nothing"):
        formats.load(tmp_path / "x.pt")
    assert not trace.exists()


def test_a_pkl_file_that_would_run_code_runs_nothing(tmp_path: Path, trace: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"schema": 1, "x": RunsCode(trace)}))
    with pytest.raises(UnsafeFile, match="depthmap ran nothing"):
        metadata.load(tmp_path / "x.pkl")
    assert not trace.exists()


def test_a_bare_pickle_named_pt_is_refused(tmp_path: Path, trace: Path) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps(RunsCode(trace)))
    with pytest.raises(UnrecognisedFile):
        formats.load(tmp_path / "x.pt")
    assert not trace.exists()


def test_a_pickle_that_asks_for_a_huge_memo_costs_nothing(tmp_path: Path) -> None:
    # LONG_BINPUT at index 2³¹-1: the C unpickler would allocate 32 GB.
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04}r\xff\xff\xff\x7f.")
    with pytest.raises(ModelFileCorrupted):
        metadata.load(tmp_path / "x.pkl")


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py"):
            archive.writestr(name, b"\x80\x02}.")
    with pytest.raises(UnsafeFile, match="TorchScript"):
        formats.scan(tmp_path / "x.pt")


def test_a_compressed_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(UnsafeFile, match="compressed"):
        formats.scan(tmp_path / "x.pt")


def test_paths_in_a_zip_are_only_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("../../escape", b"x")
        archive.writestr("x/data.pkl", b"\x80\x02}.")
    with pytest.raises(UnrecognisedFile, match="no state dict"):
        formats.scan(tmp_path / "x.pt")
    assert not (tmp_path.parent / "escape").exists()


@pytest.mark.parametrize(
    "numbers", [(0, (10**9,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (3, (2,), (1,)), (0, (2, 2), (1,))]
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path: Path, numbers: tuple[Any, ...]) -> None:
    write_pt(tmp_path / "x.pt", *numbers)
    with pytest.raises(ModelFileCorrupted):
        formats.load(tmp_path / "x.pt")


def write_pt(path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Write a checkpoint by hand, whose one tensor claims what it likes of a storage of 4 numbers."""
    rebuild = torch._utils._rebuild_tensor_v2

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            return rebuild, (Storage(), offset, shape, strides, False, {})

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(obj, Storage) else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump({"a": Tensor()})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", buffer.getvalue())
        archive.writestr("x/data/0", struct.pack("<4f", 1, 2, 3, 4))


def test_the_hand_written_checkpoint_is_sound_when_its_numbers_are(tmp_path: Path) -> None:
    write_pt(tmp_path / "x.pt", 1, (3,), (1,))
    assert formats.load(tmp_path / "x.pt")["a"].tolist() == [2, 3, 4]


@pytest.mark.parametrize("format", ["pt", "h5", "safetensors"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_leads_to_anything_but_tensors_or_our_errors(
    format: str, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a.b": torch.randn(20, 30), "c": torch.arange(5)}, path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(raw))))
    path.write_bytes(raw[:cut])
    try:
        loaded = formats.get(format).load(path)
    except FileError:
        return
    assert all(tensor.isnan().any() is not None for tensor in loaded.values())  # every element can be read


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300))
def test_no_bytes_named_pkl_lead_to_anything_but_builtins_or_our_errors(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.pkl").write_bytes(raw)
    with suppress(FileError):
        assert isinstance(metadata.load(tmp_path / "x.pkl"), dict)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [10], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}},
        {"a": {"dtype": "F32"}},
        {"a": 3},
        [],
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, header: Any) -> None:
    raw = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + b"\0" * 8)
    with pytest.raises(FileError):
        formats.get("safetensors").load(tmp_path / "x.safetensors")


def test_a_safetensors_header_of_absurd_length_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelFileCorrupted, match="length"):
        formats.get("safetensors").load(tmp_path / "x.safetensors")


class TestHdf5:
    """What HDF5 allows and we do not."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "x.h5"

    def test_external_storage(self, path: Path, tmp_path: Path) -> None:
        import h5py

        (tmp_path / "secret").write_bytes(b"\0" * 400)
        with h5py.File(path, "w") as file:
            file.create_dataset("a", (100,), "f4", external=[(str(tmp_path / "secret"), 0, 400)])
        with pytest.raises(UnsafeFile, match="outside"):
            formats.load(path)

    def test_external_and_soft_links(self, path: Path, tmp_path: Path) -> None:
        import h5py

        for link in (h5py.ExternalLink(str(tmp_path / "other.h5"), "/a"), h5py.SoftLink("/a")):
            with h5py.File(path, "w") as file:
                file["a"] = [1.0]
                file["b"] = link
            with pytest.raises(UnsafeFile, match="link"):
                formats.load(path)

    def test_virtual_data_sets(self, path: Path, tmp_path: Path) -> None:
        import h5py

        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", (4,))
        with h5py.File(path, "w", libver="latest") as file:
            file.create_virtual_dataset("a", layout)
        with pytest.raises(UnsafeFile, match="outside"):
            formats.load(path)

    def test_cycles(self, path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            file.create_group("g")["back"] = file["/"]
        with pytest.raises(UnsafeFile, match="cycle"):
            formats.load(path)

    def test_a_bomb_of_empty_chunks(self, path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("a", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")
        with pytest.raises(UnsafeFile, match="claims"):
            formats.load(path)

    def test_strings_and_compounds(self, path: Path) -> None:
        import h5py

        for value in (b"text", [("a", 1)]):
            with h5py.File(path, "w") as file:
                file.create_dataset("a", data=value if isinstance(value, bytes) else np.zeros(2, "f4,i4"))
            with pytest.raises(UnrecognisedFile, match="type"):
                formats.load(path)

    def test_contents_that_were_never_allocated(self, path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("a", (4,), "f4")  # HDF5 gives it no place before the first write
        assert formats.load(path)["a"].tolist() == [0, 0, 0, 0]
