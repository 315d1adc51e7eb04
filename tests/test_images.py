"""Pictures of every kind come out upright, as RGB, at full precision; hostile ones are refused in words."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from depthmap.errors import ImageError
from depthmap.images import FORMATS, MAX_BYTES, SUFFIXES, find_images, read

HEIGHT, WIDTH = 16, 24


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    """Four quarters of different colours, with a ramp: no flip or turn leaves it as it is."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:8, :12] = (200, 30, 30)
    picture[:8, 12:] = (30, 200, 30)
    picture[8:, :12] = (30, 30, 200)
    picture[..., 0] += np.arange(WIDTH, dtype=np.uint8)
    return picture


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int, *chunks: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(array: np.ndarray, *, planes: bool = False, kind: int = 1) -> bytes:
    """Write an uncompressed TIFF; ``kind`` is its SampleFormat: 1 unsigned, 3 float."""
    height, width, channels = array.shape
    data = (array.transpose(2, 0, 1) if planes else array).tobytes()
    bits, counts = (
        [array.itemsize * 8] * channels,
        [len(data) // channels] * channels if planes else [len(data)],
    )
    offsets = [8 + sum(counts[:n]) for n in range(len(counts))]
    tags = {
        **{256: [width], 257: [height], 258: bits, 259: [1], 262: [2 if channels > 2 else 1], 273: offsets},
        **{277: [channels], 278: [height], 279: counts, 284: [1 + planes], 339: [kind] * channels},
    }
    if channels in (2, 4):
        tags[338] = [2]
    directory, extra = b"", b""
    end = 8 + len(data) + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", end + len(extra)), extra + packed
        directory += struct.pack("<HHI", tag, 4, len(values)) + packed
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + directory
        + bytes(4)
        + extra
    )


def png16(array: np.ndarray) -> bytes:
    """Write a PNG of 16 bits per colour, which Pillow cannot."""
    height, width, channels = array.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


# --- where a picture comes from -------------------------------------------------------------------


def test_path_bytes_stream_and_pil_give_the_same_picture(rgb, tmp_path):
    path = tmp_path / "ünï code.png"
    Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    with path.open("rb") as stream, Image.open(path) as image:
        sources = [path, str(path), data, bytearray(data), memoryview(data), stream, io.BytesIO(data), image]
        for source in sources:
            assert np.array_equal(read(source), rgb), type(source)


def test_a_stream_is_read_from_where_it_stands_and_stays_open(rgb):
    stream = io.BytesIO(b"header" + encoded(Image.fromarray(rgb), "PNG"))
    stream.seek(6)
    assert np.array_equal(read(stream), rgb)
    assert not stream.closed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read(rgb, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(encoded(Image.fromarray(rgb), "PNG")))
    writer.start()
    assert np.array_equal(read(pipe), rgb)
    writer.join()


@pytest.mark.parametrize("kind", [k for k in FORMATS if k not in ("JPEG", "GIF")])
def test_every_lossless_kind_of_file_is_read(rgb, kind):
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(kind, {})
    try:
        data = encoded(Image.fromarray(rgb), kind, **options)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {kind}")
    assert np.abs(read(data).astype(int) - rgb).max() <= (2 if kind == "AVIF" else 0)


def test_jpeg_is_read_as_pillow_decodes_it(rgb):
    data = encoded(Image.fromarray(rgb), "JPEG")
    assert np.array_equal(read(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(kind):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(read(data).astype(int) - (255, 0, 0)).max() <= 2


def test_of_a_pil_image_the_current_frame_is_read():
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    image = Image.open(io.BytesIO(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])))
    image.seek(1)
    assert np.array_equal(read(image)[0, 0], (0, 0, 255))


@pytest.mark.parametrize("thing", [None, 3, ["a.png"], object(), torch.float32])
def test_other_things_are_refused(thing):
    with pytest.raises(ImageError, match="cannot be read from"):
        read(thing)


# --- orientation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_to_files(rgb, kind, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{kind.lower()}"
    Image.fromarray(rgb).save(path, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert expected.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
        assert np.array_equal(read(path), expected)
    with Image.open(path) as image:
        assert np.array_equal(read(image), expected)
    assert np.array_equal(read(path.read_bytes()), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_pictures_are_turned_without_loss(orientation):
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5001
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = read(encoded(Image.fromarray(grey), "PNG", exif=exif))
    expected = ImageOps.exif_transpose(
        Image.open(io.BytesIO(encoded(Image.fromarray(grey), "PNG", exif=exif)))
    )
    assert np.array_equal(np.rint(upright[..., 0] * 65535), np.asarray(expected))


UPRIGHT = {  # by the EXIF standard: which side of the picture the 0th row and the 0th column are
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "TIFF"])
def test_avif_and_16_bit_tiff_pictures_are_turned_once(rgb, kind, orientation):
    """Their decoders turn them too."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 100
    picture = rgb if kind == "AVIF" else grey
    expected = UPRIGHT[orientation](picture)
    options = {"quality": 100, "subsampling": "4:4:4"} if kind == "AVIF" else {}
    try:
        result = read(encoded(Image.fromarray(picture), kind, exif=exif, **options))
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {kind}")
    if kind == "TIFF":
        assert np.array_equal(np.rint(result[..., 0] * 65535), expected)
    else:
        assert result.shape == expected.shape
        assert np.abs(result.astype(int) - expected).max() <= 2


def test_a_picture_that_was_turned_already_is_not_turned_again(rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(Image.fromarray(rgb), "PNG", exif=exif))))
    assert np.array_equal(read(image), np.asarray(image))


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_unknown_orientation_is_ignored(rgb, value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert np.array_equal(read(encoded(Image.fromarray(rgb), "PNG", exif=exif)), rgb)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_does_not_cost_the_picture(rgb):
    data = encoded(Image.fromarray(rgb), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert np.array_equal(read(data), rgb)


# --- modes, precision, transparency ---------------------------------------------------------------


MODES = ["1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"]


@pytest.mark.parametrize("mode", MODES)
def test_opaque_pil_images_of_every_8_bit_mode_match_pillows_rgb(rgb, mode):
    image = Image.fromarray(rgb).convert(mode)
    result = read(image)
    assert result.dtype == np.uint8
    assert np.array_equal(result, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("mode", "plain"), [("La", "LA"), ("RGBa", "RGBA")])
def test_premultiplied_modes_are_read(rgb, mode, plain):
    image = Image.fromarray(rgb).convert(plain)
    assert np.abs(read(image.convert(mode)).astype(int) - np.asarray(image.convert("RGB"))).max() <= 1


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I"])
def test_pil_images_of_16_bits_keep_every_level(mode):
    levels = np.array([[0, 1, 255, 256], [4097, 32768, 65534, 65535]])
    image = Image.new(mode, (4, 2))
    for (y, x), value in np.ndenumerate(levels):
        image.putpixel((x, y), int(value))
    result = read(image)
    assert result.dtype == np.float32
    assert np.array_equal(np.rint(result[..., 0].astype(np.float64) * 65535), levels)
    assert np.array_equal(result[..., 0], result[..., 2])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_all_65536_levels_survive_a_16_bit_file(kind, tmp_path):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / "deep"
    if kind == "PPM":  # older Pillows read it and cannot write it
        path.write_bytes(b"P5\n256 256\n65535\n" + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(path, kind)
    assert np.array_equal(np.rint(read(path)[..., 1].astype(np.float64) * 65535), levels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("write", [png16, tiff])
def test_16_bit_colours_are_read_to_8_bits_at_least(write, channels):
    array = np.random.default_rng(channels).integers(0, 65536, (8, 9, channels), np.uint16)
    if channels in (2, 4):
        array[..., -1] = 65535
    if write is tiff and channels == 2:
        refused(tiff(array), "kind of pixels is not supported")
        return
    result = read(write(array))
    unit = result / (255 if result.dtype == np.uint8 else 1)
    assert np.abs(unit - array[..., : 1 if channels < 3 else 3] / 65535).max() < 1 / 255


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_planes_that_pillow_mixes_up_are_refused(channels):
    array = np.random.default_rng(0).integers(0, 65536, (8, 9, channels), np.uint16)
    refused(tiff(array, planes=True), "separate planes")
    eight = (array >> 8).astype(np.uint8)
    eight[..., 3:] = 255
    assert np.array_equal(read(tiff(eight, planes=True)), eight[..., :3])


@pytest.mark.parametrize("dtype", [np.float32, np.uint32])
def test_kinds_of_pixels_that_cannot_be_read_are_not_called_damaged(dtype):
    refused(
        tiff(np.ones((4, 5, 3), dtype), kind=3 if dtype == np.float32 else 1),
        "kind of pixels is not supported",
    )


def test_float_pil_images_are_kept():
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(read(Image.fromarray(values))[..., 0], values)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pil_images_out_of_range_are_refused(mode):
    with pytest.raises(ImageError, match=r"65535|\[0, 1\]"):
        read(Image.new(mode, (2, 2), 70000))


@pytest.mark.parametrize("alpha", [0, 1, 128, 254, 255])
def test_transparency_is_laid_over_white(alpha):
    expected = [round(v * alpha / 255 + 255 - alpha) for v in (100, 150, 200)]
    pixel = np.full((2, 3, 4), (100, 150, 200, alpha), np.uint8)
    assert np.abs(read(pixel).astype(int) - expected).max() <= 1
    assert np.abs(read(encoded(Image.fromarray(pixel), "PNG")).astype(int) - expected).max() <= 1
    unit = (pixel / 255).astype(np.float32)
    assert np.allclose(read(unit) * 255, expected, atol=1)


def test_transparent_palette_entries_become_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    data = encoded(image, "PNG", transparency=0)
    assert read(data).tolist() == [[[255, 255, 255], [0, 0, 255]]]


# --- arrays and tensors ---------------------------------------------------------------------------


@given(
    channels=st.sampled_from([None, 1, 2, 3, 4]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    dtype=st.sampled_from(["?", "u1", "<u2", ">u2", "f2", "<f4", ">f4", "f8"]),
    data=st.data(),
)
def test_arrays_of_every_shape_and_type_become_rgb_in_new_memory(channels, size, dtype, data):
    shape = size if channels is None else (*size, channels)
    elements = st.floats(0, 1, width=16) if "f" in dtype else None
    array = data.draw(hnp.arrays(dtype, shape, elements=elements))
    before = array.copy()
    result = read(array)
    assert result.shape == (*size, 3)
    assert result.dtype == (np.uint8 if dtype in ("?", "u1") else np.float32)
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert not np.shares_memory(result, array)
    assert np.array_equal(array, before)
    scale = {"?": 1, "u1": 255, "<u2": 65535, ">u2": 65535}.get(dtype, 1)
    unit = array.astype(np.float64) / scale
    if channels in (None, 1, 3):
        expected = np.broadcast_to(unit.reshape(*size, -1), (*size, 3))
        assert np.allclose(result / (255 if result.dtype == np.uint8 else 1), expected, atol=1e-6)
    assert result.min() >= 0
    assert result.max() <= (255 if result.dtype == np.uint8 else 1)


def test_views_and_read_only_arrays_are_read(rgb):
    frozen = rgb[::-1, ::2, ::-1]
    frozen.flags.writeable = False
    assert np.array_equal(read(frozen), frozen)


SHAPES = [(4,), (0, 4, 3), (4, 0), (4, 5, 0), (4, 5, 5), (3, 40, 50), (2, 4, 5, 3), ()]


@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(ImageError):
        read(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["i4", "i8", "u4", "i1", "c8", "O", "U1", "M8[s]"])
def test_arrays_of_other_types_are_refused_with_the_types_there_are(dtype):
    with pytest.raises(ImageError, match="uint8"):
        read(np.zeros((2, 2, 3), dtype))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "NaN"),
        (np.inf, "infinite"),
        (-np.inf, "infinite"),
        (200.0, "Divide them by 255"),
        (255.0, "Divide them by 255"),
        (1.5, "Divide them by 255"),
        (4000.0, "Divide them by the largest"),
        (-2.1, "normalisation"),
    ],
)
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_float_values_out_of_range_are_refused_with_the_cure(value, words, make):
    picture = np.full((4, 5, 3), 0.5, np.float32)
    picture[1, 2, 0] = value
    with pytest.raises(ImageError, match=words):
        read(make(picture))


def test_rounding_errors_at_the_ends_of_the_range_are_clipped():
    assert read(np.array([[-1e-4, 1 + 1e-4]], np.float32))[..., 0].tolist() == [[0, 1]]


LAYOUTS = {
    "CHW": lambda t: t,
    "1CHW": lambda t: t[None],
    "HWC": lambda t: t.permute(1, 2, 0),
    "1HWC": lambda t: t.permute(1, 2, 0)[None],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_every_layout_and_type_are_read(rgb, layout, dtype):
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    tensor = tensor if dtype == torch.uint8 else (tensor / 255).to(dtype)
    result = read(LAYOUTS[layout](tensor))
    assert result.shape == rgb.shape
    unit = result / 255 if dtype == torch.uint8 else result
    assert np.allclose(unit, rgb / 255, atol=4e-3 if dtype == torch.bfloat16 else 1e-3)


def test_grey_tensors_and_parameters_are_read():
    grey = torch.rand(1, 6, 7)
    assert np.array_equal(read(grey)[..., 0], grey[0].numpy())
    assert np.array_equal(read(grey[0]), read(grey))
    assert np.array_equal(read(torch.nn.Parameter(grey)), read(grey))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, 3, 4, 5),
        torch.zeros(5, 6, 7),
        torch.zeros(3, 4, 5).to_sparse(),
        torch.zeros(3, 4, device="meta"),
    ],
)
def test_batches_and_tensors_without_plain_values_are_refused(tensor):
    with pytest.raises(ImageError, match="torch tensor"):
        read(tensor)


def test_reading_does_not_import_torch(tmp_path):
    Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
    code = "import sys; from depthmap.images import read; read(sys.argv[1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], check=False).returncode == 0


# --- bounds and damage ----------------------------------------------------------------------------


BOMBS = {
    "PNG": png_header(60000, 60000),
    "PPM": b"P6\n60000 60000\n255\n" + bytes(100),
    "BMP": b"BM"
    + struct.pack("<IHHI", 1000, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    "GIF": b"GIF89a"
    + struct.pack("<HH", 60000, 60000)
    + b"\0\0\0,"
    + struct.pack("<HHHHB", 0, 0, 60000, 60000, 0)
    + b"\x02\x00;",
    "WEBP": b"RIFF"
    + struct.pack("<I", 22)
    + b"WEBPVP8X"
    + struct.pack("<I", 10)
    + bytes(4)
    + b"\xff\xff\x00" * 2,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_header_that_claims_a_huge_picture_is_refused_before_memory_is_taken(kind):
    read(encoded(Image.new("RGB", (2, 2)), kind))  # what decoders load once is not counted
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"too many pixels|could not create decoder"):
            read(BOMBS[kind])  # older Pillows leave the refusal of WebP to libwebp
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_refusing_a_bomb_leaves_the_process_small():
    code = """
import resource, sys
from depthmap.errors import ImageError
from depthmap.images import read
import numpy
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read(data)
except ImageError:
    sys.exit(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > 30_000)
sys.exit(2)
"""
    pytest.importorskip("resource")
    run = subprocess.run([sys.executable, "-c", code], input=BOMBS["PNG"], check=False)
    assert run.returncode == 0


def test_the_bound_of_pixels_applies_to_every_source_and_counts_the_area(rgb):
    area = HEIGHT * WIDTH
    sources = [rgb, Image.fromarray(rgb), encoded(Image.fromarray(rgb), "PNG"), torch.from_numpy(rgb)]
    for source in sources:
        assert read(source, max_pixels=area).shape == rgb.shape
        with pytest.raises(ImageError, match=f"{WIDTH} × {HEIGHT}"):
            read(source, max_pixels=area - 1)


def test_pillows_global_bound_is_neither_used_nor_changed(rgb, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read(encoded(Image.fromarray(rgb), "PNG")), rgb)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 12, reason="only newer Pillows check again at decoding"
)
def test_what_pillow_itself_refuses_is_an_image_error(rgb, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ImageError, match="too many pixels"):
        read(encoded(Image.fromarray(rgb), "TIFF"))


def test_the_bound_of_bytes_applies_to_every_encoded_source(rgb, tmp_path):
    data = encoded(Image.fromarray(rgb), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for source in (path, data, memoryview(data)):
        assert read(source, max_bytes=len(data)).shape == rgb.shape
        with pytest.raises(ImageError, match="larger than"):
            read(source, max_bytes=len(data) - 1)
    stream = io.BytesIO(data)
    with pytest.raises(ImageError, match="larger than"):
        read(stream, max_bytes=len(data) - 10)
    assert stream.tell() == len(data) - 9, "one byte past the bound is enough to know"


def test_a_sparse_file_past_the_default_bound_is_refused(tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="larger than"):
        read(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_device_is_refused():
    with pytest.raises(ImageError, match="larger than"):
        read("/dev/zero", max_bytes=100_000)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", [k for k in FORMATS if k != "AVIF"])
def test_a_file_that_is_cut_short_is_refused_wherever_it_is_cut(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for keep in sorted({1, 8, 20, len(data) // 3, len(data) // 2}):
        with pytest.raises(ImageError) as caught:
            read(data[:keep])
        assert caught.value.remedy


def assert_picture_or_error(data: bytes | bytearray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow says that it meets odd metadata
        try:
            result: object = read(data, max_pixels=10**6)
        except ImageError as error:
            result = error.remedy
    assert result.shape[2] == 3 if isinstance(result, np.ndarray) else result


CUT = encoded(Image.fromarray(np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3)), "PNG")


@given(
    st.integers(0, len(CUT) - 1),
    st.integers(1, 255),
    st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]),
)
def test_flipped_bytes_give_a_picture_or_an_image_error(at, flip, kind):
    data = bytearray(encoded(Image.open(io.BytesIO(CUT)).convert("RGB"), kind))
    data[at % len(data)] ^= flip
    assert_picture_or_error(data)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"P6\n", b"\xff\xd8\xff"]),
)
def test_random_bytes_give_nothing_but_image_errors(noise, magic):
    assert_picture_or_error(magic + noise)


def refused(source: object, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        read(source)
    assert caught.value.remedy
    assert caught.value.where


def test_text_empty_missing_and_directory_are_named_for_what_they_are(tmp_path):
    text = tmp_path / "notes.jpg"
    text.write_text("<html>Not found</html>" * 10)
    empty = tmp_path / "empty.png"
    empty.touch()
    refused(text, "not a picture of a known kind")
    refused(empty, "is empty")
    refused(b"", "is empty")
    refused(io.BytesIO(b""), "is empty")
    refused(tmp_path, "directory")
    refused(tmp_path / "gone.png", "no such picture")
    refused(text / "below.png", "cannot be opened")
    refused("a" * 5000, "cannot be opened")
    refused("nul\0byte.png", "cannot be opened")
    refused(io.StringIO("text"), "stream cannot be read")


def test_a_closed_stream_and_one_for_writing_are_refused(tmp_path):
    closed = io.BytesIO(b"x")
    closed.close()
    refused(closed, "stream cannot be read")
    with (tmp_path / "out").open("wb") as stream:
        refused(stream, "stream cannot be read")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = tmp_path / "secret.png"
    Image.new("L", (2, 2)).save(path)
    path.chmod(0)
    refused(path, "no permission to read")


def test_formats_that_start_programs_are_not_decoded():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    refused(eps, "not a picture of a known kind")


def test_threads_read_at_once(rgb, tmp_path):
    paths = []
    for i in range(24):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(rgb + np.uint8(i)).save(paths[-1])
    with ThreadPoolExecutor(8) as pool:
        for i, picture in enumerate(pool.map(read, paths * 3)):
            assert np.array_equal(picture, rgb + np.uint8(i % 24))


# --- HEIC -----------------------------------------------------------------------------------------


def heic(image: Image.Image, exif: Image.Exif) -> bytes:
    return encoded(image, "HEIF", quality=95, exif=exif.tobytes())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_pictures_are_turned_once(orientation):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    quarters = np.kron(np.array([[40, 90], [160, 230]], np.uint8), np.ones((32, 48), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    reference = Image.fromarray(quarters)
    reference.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(reference)).astype(int)
    result = read(heic(Image.fromarray(np.stack([quarters] * 3, axis=-1)), exif))
    assert result.shape[:2] == expected.shape
    assert np.abs(result[..., 1] - expected).mean() < 3


def test_without_pillow_heif_a_heic_picture_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    with pytest.raises(ImageError) as caught:
        read(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    assert "pip install depthmap[heic]" in caught.value.remedy


# --- directories ----------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path) -> Path:
    names = ["10.png", "2.PNG", "1.jpg", "notes.txt", ".hidden.png", "b/2.webp", "b/a.tif", ".git/x.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def relative(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_a_directory_gives_its_pictures_in_natural_order(tree):
    assert relative(find_images([tree]), tree) == ["1.jpg", "2.PNG", "10.png"]
    assert relative(find_images(tree), tree) == ["1.jpg", "2.PNG", "10.png"]


def test_recursion_goes_below_but_not_into_hidden_directories(tree):
    assert relative(find_images([tree], recursive=True), tree) == [
        "1.jpg",
        "2.PNG",
        "10.png",
        "b/2.webp",
        "b/a.tif",
    ]


def test_a_checkpoint_is_told_from_a_picture_with_what_to_do(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match=r"a checkpoint, not a picture.*models import --input .*photo\.jpg"):
        read(tmp_path / "photo.jpg")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"%PDF-1.7\n", "a PDF, not a picture .*pdftoppm .*depthmap predict"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "a video, not a picture .*depthmap video .* -o depth"),
        (b"8BPS\0\1", "not a picture of a known kind"),
    ],
)
def test_other_files_are_told_from_pictures_by_what_they_are(head, said):
    with pytest.raises(ImageError, match=rf"This is {said}"):
        read(head + bytes(100))


def test_named_files_are_kept_in_order_whatever_their_name_and_once(tree):
    given_paths = [tree / "notes.txt", str(tree / "10.png"), tree, tree / "1.jpg"]
    assert relative(find_images(given_paths), tree) == ["notes.txt", "10.png", "1.jpg", "2.PNG"]


def test_a_missing_path_is_an_error_and_an_empty_directory_is_not(tmp_path):
    assert find_images([tmp_path]) == []
    with pytest.raises(ImageError, match="no such"):
        find_images([tmp_path / "gone"])


def test_a_loop_of_links_ends(tree):
    try:
        (tree / "b" / "up").symlink_to(tree, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert len(find_images([tree], recursive=True)) == 5


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=2, max_size=8))
def test_numbers_in_names_sort_as_numbers(tmp_path_factory, numbers):
    root = tmp_path_factory.mktemp("natural")
    for number in numbers:
        (root / f"frame {number}.png").touch()
    assert [int(path.stem.split()[1]) for path in find_images([root])] == sorted(numbers)


def test_every_suffix_is_lower_case_and_has_its_dot():
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
