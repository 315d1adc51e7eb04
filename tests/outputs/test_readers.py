"""Independent readers open what the outputs write, find the values bit for bit, and each file says what it is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from depthmap import Depth
from depthmap.calibration import Calibration
from depthmap.camera import Camera
from depthmap.errors import FileError, UnrecognisedFile
from depthmap.inspection import inspect
from depthmap.outputs import OUTPUTS

ANY_MAP = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(width=32),
)
random = np.random.default_rng(0)
VALUES = random.random((48, 64), np.float32)
VALUES[0, :4] = np.nan, np.inf, -np.inf, -0.0
DEPTH = Depth(
    VALUES,
    valid=VALUES < 0.9,
    camera=Camera(70, 71, 31.5, 23.5, "EXIF"),
    calibration=Calibration(2, 0.1, "2 points"),
    model="DPT_Large",
    sha256="ab" * 32,
    engine="torch",
    source="pt",
    name="Größe.jpg",
    pixels=random.integers(0, 256, (48, 64, 3), np.uint8),
)


def bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, "<f4").view(np.uint32)


def written(name: str, depth: Depth, folder: Path) -> Path:
    return depth.save(folder / "photo", [name, "colour"])[0]


def exr(data: Path | bytes) -> np.ndarray:
    source = str(data) if isinstance(data, Path) else io.BytesIO(data)
    (channel,) = OpenEXR.File(source, separate_channels=True).channels().values()
    return channel.pixels


READERS = {
    "npy": np.load,
    "npz": lambda path: np.load(path)["values"],
    "pfm": lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED),
    "tiff": tifffile.imread,
    "exr": exr,
    "rgbd": lambda path: tifffile.imread(path, key=1),
}


@pytest.mark.parametrize("name", READERS)
def test_another_program_reads_the_values_bit_for_bit(name: str, tmp_path: Path) -> None:
    expected = DEPTH.values if name == "npz" else DEPTH.masked
    assert np.array_equal(bits(READERS[name](written(name, DEPTH, tmp_path))), bits(expected))


def test_pillow_and_opencv_read_the_tiff_too(tmp_path: Path) -> None:
    path = written("tiff", DEPTH, tmp_path)
    with Image.open(path) as image:
        assert np.array_equal(bits(np.asarray(image)), bits(DEPTH.masked))
    assert np.array_equal(bits(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)), bits(DEPTH.masked))


def test_opencv_and_pillow_read_the_same_16_bits(tmp_path: Path) -> None:
    path = written("png16", DEPTH, tmp_path)
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.asarray(Image.open(path)))


@given(ANY_MAP)
def test_exr_and_tiff_keep_every_bit(values: np.ndarray) -> None:
    for name, read in (("exr", exr), ("tiff", lambda data: tifffile.imread(io.BytesIO(data)))):
        stream = io.BytesIO()
        OUTPUTS[name].write(stream, Depth(values))
        assert np.array_equal(bits(read(stream.getvalue())).reshape(values.shape), bits(values))


def test_the_first_page_of_depth_in_the_photo_is_the_photo(tmp_path: Path) -> None:
    path = written("rgbd", DEPTH, tmp_path)
    assert np.array_equal(tifffile.imread(path, key=0), DEPTH.pixels)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), DEPTH.pixels)


def test_exr_names_the_channel_by_what_it_holds(tmp_path: Path) -> None:
    for depth, channel in ((DEPTH, "Y"), (DEPTH.metric(), "Z")):
        assert list(OpenEXR.File(str(written("exr", depth, tmp_path))).channels()) == [channel]


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("depth", [DEPTH, DEPTH.metric()], ids=["relative", "metric"])
def test_every_file_says_the_same_facts(name: str, depth: Depth, tmp_path: Path) -> None:
    facts = inspect(written(name, depth, tmp_path)).facts
    assert facts is not None
    assert {key: facts[key] for key in depth.facts()} == json.loads(json.dumps(depth.facts()))


def test_npz_gives_the_whole_depth_back(tmp_path: Path) -> None:
    for depth in (DEPTH, DEPTH.metric(), Depth(np.ones((2, 3)))):
        again = Depth.load(written("npz", depth, tmp_path))
        assert again.facts() == depth.facts()
        assert np.array_equal(bits(again.values), bits(depth.values))
        for name in ("valid", "pixels"):
            one, other = getattr(again, name), getattr(depth, name)
            assert (one is None and other is None) or np.array_equal(one, other)
        assert (again.camera, again.calibration, again.source) == (
            depth.camera,
            depth.calibration,
            depth.source,
        )


def test_what_is_no_npz_of_ours_is_refused(tmp_path: Path) -> None:
    for name, data in (
        ("text", b"hello"),
        ("cut", written("npz", DEPTH, tmp_path).read_bytes()[:500]),
        ("empty", b""),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnrecognisedFile, match="depthmap inspect"):
            Depth.load(tmp_path / name)
    np.savez(tmp_path / "other.npz", values=np.zeros((2, 2)))
    np.savez(tmp_path / "evil.npz", values=np.zeros((2, 2)), facts=np.array([print], dtype=object))
    for name in ("other.npz", "evil.npz"):
        with pytest.raises(UnrecognisedFile):
            Depth.load(tmp_path / name)
    with pytest.raises(FileError, match="no such file"):
        Depth.load(tmp_path / "missing.npz")
