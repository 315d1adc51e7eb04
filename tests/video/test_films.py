"""Films in and films out, frame by frame, by readers of others."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from depthmap.errors import ExportError, UsageError, VideoError
from depthmap.estimator import DepthEstimator
from depthmap.images import Photo
from depthmap.outputs import Options
from depthmap.ranges import quantised
from depthmap.video import open_film, plan
from support import PHOTO
from video.conftest import Make
from video.films import (
    MATRICES,
    cut_short,
    ffprobe,
    grey,
    numbered,
    packets,
    scene,
    seen_by_opencv,
    times,
    turn,
    write,
)

RANDOM = np.random.default_rng(5)


def decoded(path: Path) -> list[np.ndarray]:
    """The frames as PyAV gives them, RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def estimated(small: DepthEstimator, path: Path) -> list[np.ndarray]:
    """The inverse depth of each frame of a film, in batches as it is filmed."""
    with open_film(path) as film:
        frames = [Photo(frame.pixels) for frame in film.read()]
    return [depth.inverse_depth for depth in small.depths(frames, 4)]


def facts(path: Path) -> dict[str, object]:
    with av.open(str(path)) as container:
        found: dict[str, object] = json.loads(
            container.metadata.get("comment") or container.metadata["COMMENT"]
        )
        return found


def test_a_film_becomes_a_film_of_as_many_frames_at_the_same_times(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(70))
    summary = making(source, tmp_path / "out.mp4")
    assert summary.work.frames == 70
    assert times(tmp_path / "out.mp4") == times(source)
    assert [d for _, d, _ in packets(tmp_path / "out.mp4")] == [Fraction(1, 25)] * 70
    seen = seen_by_opencv(tmp_path / "out.mp4")
    assert len(seen) == 70
    assert {frame.shape for frame in seen} == {(64, 96, 3)}
    assert not list(tmp_path.glob(".*"))
    if (said := ffprobe(tmp_path / "out.mp4")) is not None:
        assert (said["codec_name"], said["pix_fmt"], said["nb_read_frames"]) == ("h264", "yuv420p", "70")
        assert (said["width"], said["height"], said["avg_frame_rate"]) == (96, 64, "25/1")


def test_every_frame_is_that_of_its_number(tmp_path: Path, making: Make) -> None:
    """The picture beside the depth says which frame it is."""
    source = write(tmp_path / "in.mp4", numbered(75), options={"crf": "1"})
    making(source, tmp_path / "out.mp4", "side-by-side")
    for number, frame in enumerate(seen_by_opencv(tmp_path / "out.mp4")):
        assert frame.shape == (64, 192, 3)
        bits = [frame[4:28, 12 * bit + 3 : 12 * bit + 9].mean() > 60 for bit in range(8)]
        assert sum(1 << bit for bit, one in enumerate(bits) if one) == number


def test_the_sound_is_copied_and_stays_in_time(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(50), sound=2.0)
    for out in ("out.mp4", "out.mkv"):
        summary = making(source, tmp_path / out, "colour")
        assert summary.silent == []
        before, after = packets(source, "audio"), packets(tmp_path / out, "audio")
        assert [data for *_, data in after] == [data for *_, data in before]
        assert (
            all(abs(a[0] - b[0]) < Fraction(1, 500) for a, b in zip(after, before, strict=True))
            or out == "out.mkv"
        )
        lag = [a[0] - b[0] - (after[0][0] - before[0][0]) for a, b in zip(after, before, strict=True)]
        assert max(map(abs, lag)) <= Fraction(1, 1000)


def test_sound_that_the_file_cannot_hold_is_left_out_and_said(tmp_path: Path, making: Make) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as out:
        stream, sound = out.add_stream("libx264", rate=25), out.add_stream("wavpack", rate=44100)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for pixels in scene(6):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 2048), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        out.mux(sound.encode(frame))
        out.mux(stream.encode(None))
        out.mux(sound.encode(None))
    assert making(source, tmp_path / "out.mp4").silent == ["wavpack"]
    assert len(seen_by_opencv(tmp_path / "out.mp4")) == 6
    assert making(source, tmp_path / "out.mkv", "colour").silent == []


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_frame_times_of_variable_rate_are_kept(tmp_path: Path, making: Make, ending: str) -> None:
    gaps = RANDOM.integers(100, 3000, 70)
    source = write(tmp_path / "in.mp4", scene(70), times=[0, *np.cumsum(gaps)[:-1].tolist()])
    making(source, tmp_path / f"out.{ending}", "colour")
    exact = Fraction(0) if ending == "mp4" else Fraction(1, 1000)  # MKV files have milliseconds
    pairs = zip(times(tmp_path / f"out.{ending}"), times(source), strict=True)
    assert max(abs(after - before) for after, before in pairs) <= exact


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), 60])
def test_odd_rates_are_kept_exactly(tmp_path: Path, making: Make, rate: Fraction) -> None:
    base = Fraction(1, 1) / (rate * 1000) if rate == 60 else Fraction(1, rate.numerator)
    source = write(tmp_path / "in.mp4", scene(9), rate=rate, time_base=base)
    making(source, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == times(source) == [number / Fraction(rate) for number in range(9)]


def test_a_film_that_begins_later_by_its_clock_begins_at_0(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.ts", scene(20), sound=0.8, container={"output_ts_offset": "5"})
    begins = times(source)[0]
    assert begins >= 5
    making(source, tmp_path / "out.mp4")
    found = times(tmp_path / "out.mp4")
    assert np.diff([float(time) for time in found]) == pytest.approx(0.04)
    assert found[0] < Fraction(1, 10)
    apart = packets(source, "audio")[0][0] - begins
    assert float(packets(tmp_path / "out.mp4", "audio")[0][0] - found[0] - apart) == pytest.approx(
        0, abs=0.001
    )


@pytest.mark.parametrize("degrees", [turned for turned in MATRICES if turned])
def test_a_film_turned_by_its_header_is_upright(tmp_path: Path, making: Make, degrees: int) -> None:
    source = write(tmp_path / "in.mp4", scene(6), options={"crf": "1"})
    upright = decoded(source)
    turn(source, degrees)
    by = {90: lambda f: np.rot90(f, -1), 180: lambda f: np.rot90(f, 2), 270: np.rot90, -1: np.fliplr}[degrees]
    making(source, tmp_path / "out.mp4", "side-by-side")
    shown = decoded(tmp_path / "out.mp4")
    assert len(shown) == 6
    for frame, stored in zip(shown, upright, strict=True):
        expected = by(stored)
        assert frame.shape[0] == expected.shape[0]
        seen = frame[:, : expected.shape[1]]
        assert np.abs(seen.astype(int) - expected).mean() < 6
    if degrees > 0:
        np.testing.assert_allclose(
            seen_by_opencv(source)[0].shape, by(upright[0]).shape
        )  # as OpenCV turns it
    said = ffprobe(tmp_path / "out.mp4")
    assert said is None or "side_data_list" not in said


@pytest.mark.parametrize("size", [(97, 64), (96, 65), (97, 65), (33, 47)])
@pytest.mark.parametrize("name", ["colour", "grey", "side-by-side"])
def test_odd_sizes_are_kept(tmp_path: Path, making: Make, size: tuple[int, int], name: str) -> None:
    source = write(tmp_path / "in.mkv", scene(5, *size), codec="ffv1", format="bgr0", options={"level": "3"})
    making(source, tmp_path / "out.mp4", name)
    width = size[0] * 2 if name == "side-by-side" else size[0]
    assert [frame.shape for frame in seen_by_opencv(tmp_path / "out.mp4")] == [(size[1], width, 3)] * 5


@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (6, 6, 6, 1), (9, 14, 9, 1), (1, 13, 1, 2)])
def test_colour_tags_are_kept_and_colours_right(
    tmp_path: Path, making: Make, tags: tuple[int, int, int, int]
) -> None:
    patches = np.zeros((64, 96, 3), np.uint8)
    patches[:, :32], patches[:, 32:64], patches[:, 64:] = (220, 30, 30), (30, 200, 40), (40, 60, 230)
    source = write(tmp_path / "in.mp4", [patches] * 4, tags=tags, options={"crf": "1"})
    with open_film(source) as film:
        assert tuple(film.tags) == tags
        read = next(iter(film.read())).pixels
    for out in ("side-by-side", "colour"):
        making(source, tmp_path / f"{out}.mp4", out)
        with av.open(str(tmp_path / f"{out}.mp4")) as container:
            codec = container.streams.video[0].codec_context
            assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == tags
    with open_film(tmp_path / "side-by-side.mp4") as film:
        again = next(iter(film.read())).pixels[:, :96]
    for part in (slice(8, 24), slice(40, 56), slice(72, 88)):
        np.testing.assert_allclose(again[20:40, part].mean((0, 1)), read[20:40, part].mean((0, 1)), atol=6)


def test_a_film_in_hdr_gives_colours_of_depth_in_bt709(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(4), tags=(9, 16, 9, 1))
    making(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.color_primaries, codec.color_trc, codec.colorspace) == (1, 1, 1)


def test_pixels_that_are_not_square_are_kept_so(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(4), aspect=Fraction(4, 3))
    for degrees, aspect in ((0, Fraction(4, 3)), (90, Fraction(3, 4))):
        if degrees:
            turn(source, degrees)
        making(source, tmp_path / "out.mp4")
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert container.streams.video[0].sample_aspect_ratio == aspect


def test_a_film_cut_short_gives_the_frames_that_it_has(tmp_path: Path, making: Make) -> None:
    for name, options in (("in.mkv", {}), ("in.mp4", {"movflags": "faststart"}), ("in.ts", {})):
        source = write(tmp_path / name, scene(60), container=options, options={"g": "12"})
        whole = source.stat().st_size
        cut_short(source, 0.6)
        assert source.stat().st_size < whole
        there = len(seen_by_opencv(source))
        summary = making(source, tmp_path / "out.mp4")
        assert 20 < summary.work.frames < 55
        assert abs(summary.work.frames - there) <= 1
        assert summary.damage or name == "in.ts"  # which does not say how long it should be
        assert len(seen_by_opencv(tmp_path / "out.mp4")) == summary.work.frames


def test_a_film_cut_short_before_its_index_is_told(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", scene(20))
    cut_short(source, 0.5)
    with pytest.raises(VideoError, match=r"damaged, or cut short before its index.*in\.mp4.*Copy it again"):
        open_film(source)


def test_what_is_no_film_is_told(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such video"):
        open_film(tmp_path / "gone.mp4")
    with pytest.raises(VideoError, match=r"a picture, not a video.*depthmap predict"):
        open_film(PHOTO)
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(VideoError, match="cannot read as a video"):
        open_film(tmp_path / "text.mp4")
    with av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no picture in this file"):
        open_film(tmp_path / "sound.m4a")


@pytest.mark.parametrize(("name", "levels"), [("grey16", 65536), ("grey10", 1024)])
def test_lossless_films_hold_every_step(
    tmp_path: Path, making: Make, small: DepthEstimator, name: str, levels: int
) -> None:
    source = write(tmp_path / "in.mp4", scene(9))
    making(source, tmp_path / "out.mkv", name, steady=False)
    expected = [quantised(inverse, levels) for inverse in estimated(small, source)]
    np.testing.assert_array_equal(grey(tmp_path / "out.mkv"), expected)
    with av.open(str(tmp_path / "out.mkv")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("ffv1", "gray16le" if levels == 65536 else "gray10le")


def test_the_numbers_of_each_frame_bring_a_lossless_film_back_to_what_the_network_said(
    tmp_path: Path, making: Make, small: DepthEstimator
) -> None:
    source = write(tmp_path / "in.mp4", scene(80))
    making(source, tmp_path / "out", "grey16", "calibration", "npy")
    with np.load(tmp_path / "out" / "in_frames.npz") as numbers:
        columns = dict(numbers)
    assert json.loads(str(columns["facts"]))["model"] == "Depthmap_Tiny"
    assert columns["time"] == pytest.approx([number / 25 for number in range(80)])
    assert columns["duration"] == pytest.approx(1 / 25)
    assert set(columns["shot"]) == {0}
    low, high = (columns[name][:, None, None] for name in ("low", "high"))
    films = low + grey(tmp_path / "out" / "in_depth.mkv") / 65535 * (high - low)
    steady = np.stack([np.load(tmp_path / "out" / "in_npy" / f"{n + 1:06d}.npy") for n in range(80)])
    inside = (steady >= low) & (steady <= high)
    assert inside.mean() > 0.97
    np.testing.assert_allclose(films[inside], steady[inside], atol=float((high - low).max()) / 65535)
    network = np.stack(estimated(small, source))
    scale, shift = (columns[name][:, None, None] for name in ("scale", "shift"))
    away = np.abs(scale * network + shift - steady)
    assert np.median(away) < 0.04 * (high - low).mean()
    assert away.mean() < 0.06 * (high - low).mean()  # what moves is averaged with what was there before


def test_a_sequence_of_png_has_one_range_through_the_shot(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(8))
    making(source, tmp_path / "frames", "png16")
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files] == [f"{number:06d}.png" for number in range(1, 9)]
    pictures = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
    assert {(picture.dtype.name, picture.shape) for picture in pictures} == {("uint16", (64, 96))}
    assert np.median([picture.max() for picture in pictures]) == 65535


def test_a_sequence_of_exr_holds_the_steady_values(tmp_path: Path, making: Make) -> None:
    openexr = pytest.importorskip("OpenEXR")
    source = write(tmp_path / "in.mp4", scene(6))
    making(source, tmp_path / "out", "exr", "npy")
    for number in range(1, 7):
        with openexr.File(str(tmp_path / "out" / "in_exr" / f"{number:06d}.exr")) as file:
            pixels = file.channels()["Y"].pixels
        np.testing.assert_array_equal(pixels, np.load(tmp_path / "out" / "in_npy" / f"{number:06d}.npy"))


def test_without_steady_each_frame_is_that_of_predict(
    tmp_path: Path, making: Make, small: DepthEstimator
) -> None:
    source = write(tmp_path / "in.mp4", scene(8))
    making(source, tmp_path / "out", "npy", "colour", steady=False, options=Options("viridis"))
    for number, inverse in enumerate(estimated(small, source), 1):
        np.testing.assert_array_equal(np.load(tmp_path / "out" / "in_npy" / f"{number:06d}.npy"), inverse)


def test_a_film_says_what_it_is(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(4))
    for out, name in (("out.mp4", "colour"), ("out.mkv", "grey16")):
        making(source, tmp_path / out, name)
        said = facts(tmp_path / out)
        assert said["kind"] == "relative inverse depth"
        assert (said["model"], said["steady"], said["picture"]) == ("Depthmap_Tiny", True, "in.mp4")


def test_only_the_first_frames_are_made_if_so_asked(tmp_path: Path, making: Make) -> None:
    source = write(tmp_path / "in.mp4", scene(40), sound=1.6)
    summary = making(source, tmp_path / "out.mp4", limit=10)
    assert (summary.work.frames, summary.damage) == (10, "")
    assert len(seen_by_opencv(tmp_path / "out.mp4")) == 10
    assert packets(tmp_path / "out.mp4", "audio")[-1][0] < Fraction(2, 5)


def test_shots_are_counted(tmp_path: Path, making: Make) -> None:
    other = [frame[::-1, :, ::-1] for frame in numbered(1)] * 0 + scene(12)
    source = write(tmp_path / "in.mp4", [*other, *[255 - frame[::-1] for frame in scene(12)]])
    assert making(source, tmp_path / "out.mp4").work.shots == 2


@pytest.mark.parametrize(
    ("out", "names", "error"),
    [
        ("out.avi", (), "The ending of the file says no kind of film"),
        ("out.webm", ("colour",), "A film of colour cannot be in such a file"),
        ("out.mp4", ("grey16",), r"A film of grey16 cannot be in such a file .*\.mkv"),
        ("out.mp4", ("colour", "grey"), "one file, and 2 outputs"),
        ("out.mp4", ("anaglyph",), "No output of a film has this name"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_done(
    tmp_path: Path, out: str, names: tuple[str, ...], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        plan("in", tmp_path / out, names)


def test_a_folder_with_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "mine.png").touch()
    with pytest.raises(ExportError, match="has files"):
        plan("in", tmp_path / "frames", ("png16",))


@pytest.mark.parametrize(
    ("out", "name"),
    [("x.mp4", "colour"), ("x.MOV", "colour"), ("x.mkv", "grey16"), ("x.npz", "calibration")],
)
def test_the_ending_says_what_is_written(tmp_path: Path, out: str, name: str) -> None:
    assert plan("in", tmp_path / out, ()) == [(name, tmp_path / out)]


def test_a_folder_gets_names_from_the_film(tmp_path: Path) -> None:
    planned = plan("in", tmp_path, ("colour", "grey10", "exr", "calibration"))
    assert [path.name for _, path in planned] == [
        "in_colour.mp4",
        "in_depth10.mkv",
        "in_exr",
        "in_frames.npz",
    ]
