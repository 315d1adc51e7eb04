"""colour and side-by-side are RGB pictures for the eye, whose colours run smoothly from far to near."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from depthmap.colours import COLOUR_MAPS, colour_table
from depthmap.depth import Depth
from depthmap.errors import UsageError
from depthmap.images import read
from depthmap.outputs import OUTPUTS, Options, Output
from depthmap.ranges import shown_range

LUMA = np.array([0.2126, 0.7152, 0.0722])
RAMP = np.linspace(-3, 5, 256, dtype=np.float32)[None]


def image(output: Output, depth: np.ndarray, colours: str = "inferno", **facts: object) -> Image.Image:
    stream = io.BytesIO()
    output.write(stream, Depth(depth, **facts), Options(colours=colours))
    return Image.open(stream)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_tables_are_smooth(name):
    table = colour_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert np.abs(np.diff(table.astype(int), axis=0)).max() <= 8


@pytest.mark.parametrize("name", [name for name in COLOUR_MAPS if name != "turbo"])
def test_nearer_is_brighter(name):
    luma = colour_table(name) @ LUMA
    assert np.diff(luma).min() > -1  # less than one level: rounding
    assert luma[-1] - luma[0] > 150
    assert np.all(np.diff(luma[::16]) > 0)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_tables_pass_through_their_points(name):
    points = [list(bytes.fromhex(colour)) for colour in COLOUR_MAPS[name].split()]
    assert colour_table(name)[0].tolist() == points[0]
    assert colour_table(name)[255].tolist() == points[-1]


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_a_ramp_takes_every_colour_in_order(name):
    picture = image(OUTPUTS["colour"], RAMP, name)
    assert (picture.mode, picture.size) == ("RGB", (256, 1))
    assert np.array_equal(np.asarray(picture)[0], colour_table(name))


def test_an_unknown_colour_map_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="inferno, viridis"):
        image(OUTPUTS["colour"], RAMP, "jet")


def test_shared_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        colour_table("inferno")[0] = 1


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(width=32))
)
def test_every_map_of_numbers_can_be_coloured(depth):
    assert image(OUTPUTS["colour"], depth).size == depth.shape[::-1]


@pytest.mark.parametrize("size", [1, 7, 1000, 1001, 2001, 5000])
def test_the_shown_range_leaves_out_a_thousandth_at_either_end(size: int):
    values = np.random.default_rng(0).permutation(size).astype(np.float32)
    out = (size - 1) // 1000
    assert shown_range(np.append(values, np.nan)) == (out, size - 1 - out)


def test_a_stray_pixel_leaves_the_colours_to_the_rest():
    ramp = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    stray = ramp.copy()
    stray[50, 50] = 1000
    whole, spoilt = (np.asarray(image(OUTPUTS["colour"], depth)).astype(int) for depth in (ramp, stray))
    others = np.arange(10_000).reshape(100, 100) != 5050
    assert np.abs(whole - spoilt)[others].max() <= 8
    assert spoilt[50, 50].tolist() == whole[-1, -1].tolist()


def test_a_map_that_is_almost_constant_is_shown_whole():
    depth = np.zeros((100, 100), np.float32)
    depth[3, 4] = 1
    pixels = np.asarray(image(OUTPUTS["colour"], depth))
    assert pixels[3, 4].sum() > pixels[0, 0].sum()


def test_with_limits_the_same_depth_looks_the_same_in_every_picture():
    one, other = (np.linspace(low, high, 64, dtype=np.float32)[None] for low, high in ((0, 1), (0.5, 3)))
    for name in ("png16", "colour"):
        pixels = []
        for values in (one, other):
            buffer = io.BytesIO()
            OUTPUTS[name].write(buffer, Depth(values), Options(limits=(0.0, 2.0)))
            with Image.open(buffer) as image:
                pixels.append(np.asarray(image).astype(int))
                assert (image.text["Minimum"], image.text["Maximum"]) == ("0.0", "2.0") or name == "colour"
        at = [int(np.abs(values - 0.75).argmin()) for values in (one, other)]
        assert np.abs(pixels[0][0, at[0]] - pixels[1][0, at[1]]).max() <= (700 if name == "png16" else 5)
        assert (pixels[1][0, -1] == pixels[1][0, int(np.argmax(other >= 2))]).all()  # what is beyond is white


def test_colour_files_say_what_they_show():
    text = image(OUTPUTS["colour"], RAMP, "viridis", model="MiDaS").text
    assert text["Software"] == "depthmap"
    assert text["Model"] == "MiDaS"
    assert "viridis" in text["Description"]
    assert (float(text["Minimum"]), float(text["Maximum"])) == (-3, 5)


PICTURE = np.arange(36, dtype=np.uint8).reshape(3, 4, 3) * 7
DEPTH = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "picture",
    [PICTURE, (PICTURE / 255).astype(np.float32), Image.fromarray(PICTURE)],
    ids=["uint8", "float", "PIL"],
)
def test_side_by_side_shows_the_picture_and_its_depth(picture):
    pixels = np.asarray(image(OUTPUTS["side-by-side"], DEPTH, pixels=read(picture)))
    assert pixels.shape == (3, 8, 3)
    assert np.array_equal(pixels[:, :4], PICTURE)
    assert np.array_equal(pixels[:, 4:], np.asarray(image(OUTPUTS["colour"], DEPTH)))


def test_side_by_side_needs_a_picture_of_the_same_size():
    with pytest.raises(UsageError, match="needs the picture"):
        image(OUTPUTS["side-by-side"], DEPTH)
    with pytest.raises(UsageError, match=r"\(3, 4\).*\(4, 3\)"):
        image(OUTPUTS["side-by-side"], DEPTH.T, pixels=PICTURE)
