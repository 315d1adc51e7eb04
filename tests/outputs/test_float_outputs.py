"""npy and pfm hold the values as they are; png16 holds them to within half a step, and says what it is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from depthmap.depth import Depth
from depthmap.outputs import OUTPUTS

SIZES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
ANY_FLOAT = hnp.arrays(np.float32, SIZES, elements=st.floats(width=32))
FINITE = hnp.arrays(np.float32, SIZES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


def encoded(name: str, depth: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    OUTPUTS[name].write(stream, Depth(depth, **options))
    return stream.getvalue()


def pfm(data: bytes) -> np.ndarray:
    """Read a PFM as its description says: bottom row first, little-endian when the scale is negative."""
    kind, size, scale, body = data.split(b"\n", 3)
    width, height = map(int, size.split())
    assert kind == b"Pf"
    assert len(body) == width * height * 4
    return np.frombuffer(body, "<f4" if float(scale) < 0 else ">f4").reshape(height, width)[::-1]


def restored(data: bytes) -> np.ndarray:
    """Undo a png16 by the formula that it carries."""
    image = Image.open(io.BytesIO(data))
    low, high = float(image.text["Minimum"]), float(image.text["Maximum"])
    return low + np.asarray(image, np.float64) / 65535 * (high - low)


@given(ANY_FLOAT)
def test_npy_keeps_every_bit(depth):
    loaded = np.load(io.BytesIO(encoded("npy", depth)), allow_pickle=False)
    assert loaded.dtype == np.float32
    assert loaded.tobytes() == depth.tobytes()


@given(ANY_FLOAT)
def test_pfm_keeps_every_bit(depth):
    assert np.array_equal(pfm(encoded("pfm", depth)).view(np.uint32), depth.view(np.uint32))


def test_pillow_reads_our_pfm_the_same_way_up():
    depth = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded("pfm", depth)))), depth)


@given(FINITE)
@example(np.array([[-3e38, 1e38, 3e38]], np.float32))
@example(np.array([[0, 1e-45]], np.float32))
def test_png16_gives_the_values_back_to_within_half_a_step(depth):
    span = float(depth.max()) - float(depth.min())
    error = np.abs(restored(encoded("png16", depth)) - depth.astype(np.float64)).max()
    assert error <= span / 65535 * 0.5001


@given(FINITE)
def test_png16_uses_the_full_range_with_the_nearest_brightest(depth):
    pixels = np.asarray(Image.open(io.BytesIO(encoded("png16", depth))))
    assert pixels.dtype == np.uint16
    assert pixels[np.unravel_index(depth.argmin(), depth.shape)] == 0
    assert pixels.max() == (65535 if depth.max() > depth.min() else 0)
    order = np.argsort(depth, axis=None)
    assert np.all(np.diff(pixels.ravel()[order].astype(int)) >= 0)


def test_png16_tells_65536_values_apart_on_maps_larger_than_a_block():
    depth = np.arange(65536, dtype=np.float32).reshape(512, 128) / 7 - 300
    pixels = np.asarray(Image.open(io.BytesIO(encoded("png16", depth))))
    assert np.array_equal(pixels.ravel(), np.arange(65536))


def test_png16_says_what_it_is():
    text = Image.open(io.BytesIO(encoded("png16", np.array([[0.5, 2.25]]), model="DPT_Large"))).text
    assert text["Software"] == "depthmap"
    assert text["Model"] == "DPT_Large"
    assert text["Description"] == "relative inverse depth, larger = nearer"
    assert (float(text["Minimum"]), float(text["Maximum"])) == (0.5, 2.25)
    assert "Minimum + pixel / 65535" in text["Formula"]


@pytest.mark.parametrize("name", ["Größe-模型", "", "nul\0inside"])
def test_model_names_of_any_letters_leave_a_readable_file(name):
    image = Image.open(io.BytesIO(encoded("png16", np.zeros((2, 2)), model=name)))
    image.load()
    assert image.text["Model"] == (name.replace("\0", "") or "unknown")


@pytest.mark.parametrize("value", [0.0, -3.5, 1e38])
def test_a_constant_map_is_black_and_gives_its_value_back(value):
    depth = np.full((3, 4), value, np.float32)
    data = encoded("png16", depth)
    assert not np.asarray(Image.open(io.BytesIO(data))).any()
    assert np.array_equal(restored(data), depth)


def test_nan_is_farthest_and_infinity_the_end_of_the_range():
    depth = np.array([[np.nan, 1, 2, 3, np.inf, -np.inf]], np.float32)
    pixels = np.asarray(Image.open(io.BytesIO(encoded("png16", depth))))
    assert pixels.tolist() == [[0, 0, 32768, 65535, 65535, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_map_without_any_finite_value_is_black(value):
    image = Image.open(io.BytesIO(encoded("png16", np.full((2, 2), value, np.float32))))
    assert not np.asarray(image).any()
    assert image.text["Minimum"] == "nan"


@pytest.mark.parametrize(
    "make", [lambda d: d[::2, ::-1], lambda d: d.T, lambda d: d.astype(">f8"), lambda d: d.astype(int)]
)
@pytest.mark.parametrize("name", ["npy", "pfm"])
def test_views_and_other_number_types_become_float32(name, make):
    depth = make(np.arange(24, dtype=np.float32).reshape(4, 6))
    data = encoded(name, depth)
    result = pfm(data) if name == "pfm" else np.load(io.BytesIO(data))
    assert result.dtype == np.float32
    assert np.array_equal(result, depth)
