"""Streamed runs: results, the manifest, shards, retries, several processes, archives, stores."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from batch.test_sources import tar
from depthmap.batch import Order, Result, Tally, callers, open_sources, planned, stream
from depthmap.batch import reading as reading_module
from depthmap.batch.reading import read_item
from depthmap.batch.sources import Item
from depthmap.depth import Depth
from depthmap.errors import ImageError, UsageError
from depthmap.estimator import DepthEstimator
from support import PHOTO, FileServer


@pytest.fixture(scope="module")
def estimator() -> DepthEstimator:
    return DepthEstimator("depthmap_tiny", "cpu", engine="onnxruntime", callers=callers())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven pictures of three sizes."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    with Image.open(PHOTO) as photo:
        for number in range(7):
            name = f"sub/{number}.jpg" if number > 4 else f"{number}.jpg"
            photo.resize(((96, 64), (64, 96), (80, 80))[number % 3]).rotate(90 * number).save(folder / name)
    return folder


Run = Callable[..., tuple[Tally, list[Result]]]


@pytest.fixture
def run(estimator: DepthEstimator, tmp_path: Path) -> Run:
    def call(*names: object, **more: Any) -> tuple[Tally, list[Result]]:
        seen: list[Result] = []
        order = Order(**{"out": str(tmp_path / "out"), "outputs": ["npy"], **more})
        sources = open_sources([str(name) for name in names], recursive=True, out=Path(order.out))
        return stream(sources, estimator, order, seen.append), seen

    return call


def outputs(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".depthmap" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(results: list[Result], status: str) -> list[str]:
    return sorted(Path(result.job.name).name for result in results if result.status == status)


def test_each_picture_gives_what_it_gives_alone_to_the_bit(
    run: Run, photos: Path, estimator: DepthEstimator, tmp_path: Path
) -> None:
    tally, seen = run(photos)
    assert (tally.count("done"), tally.ended, len(seen)) == (7, 7, 7)
    for number in range(7):
        below = f"sub/{number}.jpg" if number > 4 else f"{number}.jpg"
        assert np.array_equal(
            np.load(tmp_path / "out" / f"{below}_depth.npy"), estimator.predict(photos / below)
        )
    assert tally.seconds("predict") > 0


def test_a_second_run_skips_what_is_the_same_and_reads_only_what_seems_changed(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    run(photos)
    assert run(photos)[0].count("skipped") == 7
    shutil.copy(photos / "1.jpg", tmp_path / "copy")
    os.replace(tmp_path / "copy", photos / "1.jpg")  # the same bytes, another file
    os.utime(photos / "2.jpg", (1, 1))
    times = os.stat(photos / "3.jpg")
    shutil.copy(photos / "4.jpg", photos / "3.jpg")
    os.utime(photos / "3.jpg", ns=(times.st_atime_ns, times.st_mtime_ns))  # other bytes at the same time
    (tmp_path / "out" / "0.jpg_depth.npy").unlink()
    _, seen = run(photos)
    assert names(seen, "done") == ["0.jpg", "3.jpg"]
    assert {r.job.short_name for r in seen if r.seconds.get("read")} == {"0.jpg", "3.jpg"}
    assert run(photos)[0].count("skipped") == 7


def test_other_settings_or_overwriting_do_all_again(run: Run, photos: Path) -> None:
    from depthmap.outputs import Options

    run(photos, outputs=["npy", "colour"])
    assert run(photos, outputs=["colour", "npy"])[0].count("skipped") == 7
    assert run(photos, outputs=["npy", "colour"], options=Options(colours="grey"))[0].count("done") == 7
    assert run(photos, outputs=["npy", "colour"], settings={"fov": 50})[0].count("done") == 7
    assert run(photos, outputs=["npy", "colour"], overwrite=True)[0].count("done") == 7


def test_failures_are_results_and_are_tried_again_by_the_next_run(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    whole = (photos / "2.jpg").read_bytes()
    (photos / "2.jpg").write_bytes(whole[:300])
    (tmp_path / "out" / "3.jpg_depth.npy").mkdir(parents=True)
    tally, seen = run(photos)
    assert (tally.count("done"), names(seen, "failed")) == (5, ["2.jpg", "3.jpg"])
    assert "2.jpg" in str(next(r.error for r in seen if r.job.short_name == "2.jpg"))
    (photos / "2.jpg").write_bytes(whole)
    (tmp_path / "out" / "3.jpg_depth.npy").rmdir()
    assert names(run(photos)[1], "done") == ["2.jpg", "3.jpg"]


def test_shards_do_every_picture_once_and_a_run_without_shards_skips_all(run: Run, photos: Path) -> None:
    done = [names(run(photos, shard=(number, 3))[1], "done") for number in (1, 2, 3)]
    assert sorted(name for part in done for name in part) == [f"{number}.jpg" for number in range(7)]
    assert run(photos)[0].count("skipped") == 7


def test_nothing_is_left_of_what_a_killed_run_had_begun(run: Run, photos: Path, tmp_path: Path) -> None:
    run(photos)
    (staging,) = [tmp_path / "out" / ".depthmap" / "manifest.partial"]
    assert not [path for path in (tmp_path / "out" / ".depthmap").iterdir() if path.suffix == ".partial"]
    assert not staging.exists()


def test_the_plan_names_the_files_and_makes_none(run: Run, photos: Path, tmp_path: Path) -> None:
    order = Order(str(tmp_path / "out"), ["npy"])
    jobs = list(planned(open_sources([photos], recursive=True), order))
    assert not (tmp_path / "out").exists()
    run(photos)
    assert sorted(t for job in jobs for t in job.targets) == sorted(  # type: ignore[union-attr]  # none failed
        str(tmp_path / "out" / name) for name in outputs(tmp_path / "out") if name.endswith(".npy")
    )


def test_a_shard_that_there_is_not_is_refused(run: Run, photos: Path) -> None:
    with pytest.raises(UsageError, match="shard"):
        run(photos, shard=(4, 3))


def test_gpus_for_actors_without_ray_are_refused(run: Run, photos: Path) -> None:
    with pytest.raises(UsageError, match="Only actors of Ray are given GPUs"):
        run(photos, num_gpus=1)


def test_pictures_of_an_archive_are_those_of_its_folder(run: Run, photos: Path, tmp_path: Path) -> None:
    run(photos)
    of_folder = outputs(tmp_path / "out")
    members = {p.relative_to(photos).as_posix()[:-4].replace("/", "__"): p for p in photos.rglob("*.jpg")}
    archive = tar(tmp_path / "photos.tar", **{name: path.read_bytes() for name, path in members.items()})
    assert run(archive, out=str(tmp_path / "out2"))[0].count("done") == 7
    assert outputs(tmp_path / "out2") == of_folder
    _, again = run(archive, out=str(tmp_path / "out2"))
    assert len(names(again, "skipped")) == 7
    assert not any(result.seconds for result in again)


class Strict(DepthEstimator):
    """Fails for square pictures with what is no error of ours."""

    def depths(self, images: Any, batch_size: int = 8) -> list[Depth]:
        if any(image.pixels.shape[0] == image.pixels.shape[1] for image in images):
            raise ZeroDivisionError("not foreseen")
        return super().depths(images, batch_size)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_that_nobody_foresaw_ends_the_run(photos: Path, tmp_path: Path, workers: int) -> None:
    strict = Strict("depthmap_tiny", "cpu")
    order = Order(str(tmp_path / "out"), ["npy"], workers=workers)
    with pytest.raises(ZeroDivisionError, match="not foreseen"):
        stream(open_sources([photos]), strict, order)


def streamed(photos: Path, out: Path, *more: str) -> str:
    """Run the command, in a process whose NumPy it has under control; return what it says."""
    command = [sys.executable, "-m", "depthmap", "batch", str(photos), "-r", "-o", str(out), "--resume"]
    outputs = ["-f", "png16", "-f", "npz", "-m", "depthmap_tiny", "--engine", "onnxruntime"]
    return subprocess.run([*command, *outputs, *more], check=False, capture_output=True, text=True).stderr


@pytest.mark.slow
def test_several_processes_write_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        streamed(photos, tmp_path / f"out{number}", "--workers", str(number))
    assert len(outputs(tmp_path / "out1")) == 2 * 7
    assert outputs(tmp_path / "out2") == outputs(tmp_path / "out1")
    assert "7 skipped" in streamed(photos, tmp_path / "out2", "--workers", "2")


class Deadly(DepthEstimator):
    """Its process dies of square pictures, as of a lack of memory."""

    def depths(self, images: Any, batch_size: int = 8) -> list[Depth]:
        if any(image.pixels.shape[0] == image.pixels.shape[1] for image in images):
            os._exit(9)
        return super().depths(images, batch_size)


@pytest.mark.slow
def test_a_process_that_dies_costs_only_the_pictures_that_it_had(photos: Path, tmp_path: Path) -> None:
    order = Order(str(tmp_path / "out"), ["npy"], workers=2)
    tally = stream(open_sources([photos], recursive=True), Deadly("depthmap_tiny", "cpu"), order)
    assert tally.ended == 7
    assert tally.count("failed") >= 2
    for _ in range(3):
        tally = stream(open_sources([photos], recursive=True), DepthEstimator("depthmap_tiny", "cpu"), order)
    assert tally.count("skipped") == 7


def test_ctrl_c_keeps_what_is_done(photos: Path, estimator: DepthEstimator, tmp_path: Path) -> None:
    def interrupt(result: Result) -> None:
        raise KeyboardInterrupt

    order = Order(str(tmp_path / "out"), ["npy"])
    tally = stream(open_sources([photos], recursive=True), estimator, order, interrupt)
    assert isinstance(tally.stopped, KeyboardInterrupt)
    tally = stream(open_sources([photos], recursive=True), estimator, order)
    assert tally.count("skipped") >= 1
    assert tally.ended == 7


def test_a_full_disk_stops_the_run(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from depthmap.outputs import OUTPUTS, Npy

    class Full(Npy):
        def encode(self, stream: IO[bytes], depth: Depth, options: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(OUTPUTS, "npy", Full())
    assert "Insufficient disk space" in str(run(photos)[0].stopped)


def test_a_server_that_is_busy_is_asked_again_and_one_without_the_picture_is_not(
    serve: Callable[[Path], FileServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from http.server import SimpleHTTPRequestHandler

    monkeypatch.setattr(reading_module, "PAUSES", (0.01, 0.01))
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    server = serve(tmp_path)
    answers = iter([503, 429])
    send = SimpleHTTPRequestHandler.send_head

    def busy(self: Any) -> Any:
        if status := next(answers, None):
            return self.send_error(status)
        return send(self)

    monkeypatch.setattr(SimpleHTTPRequestHandler, "send_head", busy)
    read = partial(read_item, allow_private=True)
    assert read(Item("photo.jpg", f"{server.url}photo.jpg")) == PHOTO.read_bytes()
    assert len(server.requests) == 3
    with pytest.raises(ImageError, match="404"):
        read(Item("x.jpg", f"{server.url}nosuch.jpg"))
    assert len(server.requests) == 4


@pytest.mark.extra
def test_a_store_takes_the_same_bytes_as_a_folder(run: Run, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    run(photos, outputs=["png16", "npz"])
    url = (tmp_path / "store").as_uri()
    manifest = tmp_path / "manifest.sqlite"
    _, seen = run(photos.as_uri(), outputs=["png16", "npz"], out=url, manifest=manifest)
    assert outputs(tmp_path / "store") == outputs(tmp_path / "out")
    assert all(file.startswith("file://") for result in seen for file in result.as_dict()["files"])
    assert run(photos.as_uri(), outputs=["png16", "npz"], out=url, manifest=manifest)[0].count("skipped") == 7


def test_a_source_that_waits_holds_no_result_back(
    photos: Path, estimator: DepthEstimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    first, second = (str(photos / f"{number}.jpg").encode() + b"\n" for number in (0, 1))
    os.write(write, first)

    def notify(result: Result) -> None:
        if result.job.short_name == "0.jpg":  # only now there is more to do
            os.write(write, second)
            os.close(write)

    tally = stream(open_sources((), ["-"]), estimator, Order(str(tmp_path / "out"), ["npy"]), notify)
    assert tally.count("done") == 2
    sys.stdin.close()
