"""Every format gives back, bit for bit and mapped in place, what was saved."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from depthmap import formats
from depthmap.errors import FileError, UnrecognisedFile
from depthmap.formats.mapping import map_tensors
from depthmap.formats.tensors import ITEM_SIZES, placed

FORMATS = ("pt", "h5", "safetensors")
DTYPES = [dtype for name in ITEM_SIZES if (dtype := getattr(torch, name, None))]

names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=30).filter(
    lambda name: name.isprintable() and name not in (".", "..", "__metadata__")
)


def tensors_of(dtypes: list[torch.dtype]) -> st.SearchStrategy[torch.Tensor]:
    shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
    return st.builds(some_tensor, shapes, st.sampled_from(dtypes))


def some_tensor(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Make a tensor out of bytes, since some types can be neither counted up nor compared; its bool are 0 and 1."""
    size = math.prod(shape) * dtype.itemsize
    raw = torch.arange(size) % (2 if dtype == torch.bool else 251)
    return raw.to(torch.uint8).view(dtype).reshape(shape)


def bits(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().view(-1).view(torch.uint8).tolist())


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Tell whether names, types, shapes and every bit are the same."""
    return set(a) == set(b) and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and bits(a[k]) == bits(b[k]) for k in a
    )


tensors = tensors_of(DTYPES)
everywhere = tensors_of([dtype for dtype in DTYPES if dtype not in (torch.complex32, torch.complex128)])
"""safetensors has complex numbers of 64 bits only."""


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_state_dict_survives(format: str, tmp_path: Path, data: st.DataObject) -> None:
    kinds = everywhere if format == "safetensors" else tensors
    state = data.draw(st.dictionaries(names, kinds, min_size=1, max_size=8))
    path = tmp_path / f"x.{format}"
    formats.get(format).save(state, path, {"spec": {"a": [1, 2]}})
    layout = formats.get(format).scan(path)
    assert layout.mapped
    assert layout.shapes == {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert same(formats.load(path), state)
    assert placed(path, layout.dumps(), path.stat().st_size).tensors == layout.tensors


@given(
    text=st.text()
    | st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.sampled_from(["float32", "a"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    ).map(json.dumps)
)
def test_no_text_for_a_layout_does_more_than_raise(text: str) -> None:
    with suppress(FileError):
        layout = placed(Path("x"), text, 100)
        assert all(info.offset + info.nbytes <= 100 for info in layout.tensors.values())


@pytest.mark.parametrize("format", ["h5", "safetensors"])
def test_metadata_survives(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a": torch.zeros(2)}, path, {"spec": {"mean": [0.5], "name": "ü"}})
    assert formats.scan(path).metadata == {"spec": {"mean": [0.5], "name": "ü"}}


@pytest.mark.parametrize("format", FORMATS)
def test_tensors_lie_in_the_mapping(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    state = {"a": torch.randn(300, 300), "b": torch.randn(7)}
    formats.get(format).save(state, path)
    loaded = formats.load(path)
    ranges = [tuple(int(x, 16) for x in line.split()[0].split("-")) for line in mappings_of(path)]
    for tensor in loaded.values():
        assert any(
            low <= tensor.data_ptr() and tensor.data_ptr() + tensor.nbytes <= high for low, high in ranges
        )


def mappings_of(path: Path) -> list[str]:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    return [line for line in maps.read_text().splitlines() if line.endswith(str(path))]


@pytest.mark.parametrize("format", FORMATS)
def test_writing_to_a_loaded_tensor_never_reaches_the_file(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    formats.get(format).save({"a": torch.ones(1000)}, path)
    before = path.read_bytes()
    first, second = formats.load(path)["a"], formats.load(path)["a"]
    first += 1
    assert path.read_bytes() == before
    assert torch.equal(second, torch.ones(1000))


@pytest.mark.parametrize("format", FORMATS)
def test_tensors_outlive_the_file(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"
    state = {"a": torch.randn(100_000)}
    formats.get(format).save(state, path)
    loaded = formats.load(path)
    path.unlink()
    assert same(loaded, state)


def test_views_and_strides_of_a_pt_file_survive(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    state = {"base": base, "transposed": base.t(), "part": base[1:3, 2:5]}
    torch.save(state, tmp_path / "x.pt")
    assert same(formats.load(tmp_path / "x.pt"), state)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_of_number_goes_from_file_to_file_bit_for_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {"a": some_tensor((3, 7), dtype), "b": some_tensor((), dtype)}
    torch.save(state, tmp_path / "start.pt")
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    formats.get("h5").save(formats.load(tmp_path / "start.pt"), tmp_path / "x.h5")
    formats.get("pt").save(formats.load(tmp_path / "x.h5"), tmp_path / "x.pt")
    assert same(torch.load(tmp_path / "x.pt", weights_only=True), state)
    assert same(formats.load(tmp_path / "old.pt"), state)
    if dtype not in (torch.complex32, torch.complex128):
        formats.get("safetensors").save(formats.load(tmp_path / "x.h5"), tmp_path / "x.safetensors")
        assert same(formats.load(tmp_path / "x.safetensors"), state)


def test_safetensors_says_of_which_type_it_has_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedFile, match="complex32"):
        formats.get("safetensors").save(
            {"a": torch.zeros(2, dtype=torch.complex32)}, tmp_path / "x.safetensors"
        )


def test_an_h5_says_what_the_numbers_are_that_hdf5_has_not(tmp_path: Path) -> None:
    import h5py

    formats.get("h5").save({"a": torch.tensor([1.0, -2.0]).bfloat16()}, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["a"].attrs["torch_dtype"] == b"bfloat16"
        assert file["a"][:].tolist() == [0x3F80, 0xC000]
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        data = file["a"][:]
        del file["a"]
        file.create_dataset("a", data=data, chunks=(2,), compression="gzip").attrs["torch_dtype"] = np.bytes_(
            b"bfloat16"
        )
    assert formats.load(tmp_path / "x.h5")["a"].tolist() == [1.0, -2.0]


@pytest.mark.parametrize("claim", [b"float8_e5m2", b"float64", b"x" * 60, b"\xff\x1b"])
def test_an_h5_that_claims_another_type_than_its_numbers_can_be_is_refused(
    tmp_path: Path, claim: bytes
) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.zeros(3, "u2")
        file["a"].attrs["torch_dtype"] = np.bytes_(claim)
    with pytest.raises(UnrecognisedFile, match="stored as uint16"):
        formats.scan(tmp_path / "x.h5")


def test_h5_is_contiguous_little_endian_and_aligned_to_64_bytes(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    import h5py

    state = formats.load(tiny_checkpoint)
    path = tmp_path / "x.h5"
    formats.get("h5").save(state, path)
    with h5py.File(path) as file:
        assert set(file) == set(state)
        for dataset in file.values():
            assert dataset.chunks is None
            assert dataset.id.get_offset() % 64 == 0
            assert dataset.dtype.newbyteorder("<") == dataset.dtype
    assert list(formats.load(path)) == list(state)
    assert path.stat().st_size <= 1.01 * tiny_checkpoint.stat().st_size


def test_safetensors_are_the_official_library_s(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = {"b": torch.randn(3, 5), "a": torch.arange(7), "c": torch.randn(3).half()}
    formats.get("safetensors").save(state, tmp_path / "ours.safetensors", {"x": 1})
    assert same(load_file(tmp_path / "ours.safetensors"), state)
    save_file(state, tmp_path / "theirs.safetensors", {"format": "pt"})
    assert same(formats.load(tmp_path / "theirs.safetensors"), state)


def test_anybody_s_h5_is_read(tmp_path: Path) -> None:
    import h5py

    a, b = np.random.default_rng(0).standard_normal((50, 60)).astype("f4"), np.arange(10, dtype=">i4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("group/inner/weight", data=a, chunks=(10, 10), compression="gzip", shuffle=True)
        file["group/bias"] = b
    layout = formats.scan(tmp_path / "x.h5")
    loaded = formats.load(tmp_path / "x.h5")
    assert not layout.mapped
    assert np.array_equal(loaded["group.inner.weight"].numpy(), a)
    assert loaded["group.bias"].tolist() == list(range(10))


def test_an_h5_that_another_program_rewrote_is_read(tmp_path: Path) -> None:
    import h5py

    state = {"a": torch.randn(100), "b": torch.randn(100)}
    formats.get("h5").save(state, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as old, h5py.File(tmp_path / "y.h5", "w") as new:
        new.attrs["depthmap"] = old.attrs["depthmap"]
        for name in ("b", "a"):
            new[name] = old[name][()]
    assert same(formats.load(tmp_path / "y.h5"), state)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_read_by_the_layout_written_down_with_the_same_result(
    format: str, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    state = formats.load(tiny_checkpoint)
    path = tmp_path / "x"
    formats.get(format).save(state, path)
    layout = placed(path, formats.get(format).scan(path).dumps(), path.stat().st_size)
    loaded = map_tensors(path, lambda: layout)
    assert same(loaded, state)
    assert list(loaded) == list(state)


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_a_wrapped_checkpoint_is_unwrapped(tmp_path: Path, wrapper: str) -> None:
    model = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 3)).sum().backward()
    optimizer.step()
    torch.save(
        {wrapper: model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "x.pt"
    )
    assert not formats.scan(tmp_path / "x.pt").mapped
    assert same(formats.load(tmp_path / "x.pt"), model.state_dict())


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_checkpoint_of_torch_before_1_6_is_read(tmp_path: Path, wrapped: bool) -> None:
    state = {"a": torch.randn(3, 4), "b": torch.zeros((), dtype=torch.int64)}
    torch.save(
        {"model": state} if wrapped else state, tmp_path / "x.pt", _use_new_zipfile_serialization=False
    )
    assert not formats.scan(tmp_path / "x.pt").mapped
    assert same(formats.load(tmp_path / "x.pt"), state)


def test_parameters_are_tensors_too(tmp_path: Path) -> None:
    torch.save({"a": torch.nn.Parameter(torch.ones(3))}, tmp_path / "x.pt")
    assert torch.equal(formats.load(tmp_path / "x.pt")["a"], torch.ones(3))
