"""The loop over many pictures: batches, errors, resuming, stopping."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from depthmap.batch import Result, run
from depthmap.depth import Depth
from depthmap.estimator import DepthEstimator
from depthmap.images import read_photo
from depthmap.outputs import OUTPUTS, Npy
from support import PHOTO


class Watched(DepthEstimator):
    """The real estimator; notes the sizes of its batches."""

    def __init__(self, size: int | None = None) -> None:
        super().__init__("depthmap_tiny", "cpu", size=size)
        self.batches: list[list[tuple[int, ...]]] = []

    def depths(self, images: Sequence[Any], batch_size: int = 8) -> list[Depth]:
        self.batches.append([read_photo(image).pixels.shape for image in images])
        return super().depths(images, batch_size)


@pytest.fixture(scope="module")
def estimator() -> Watched:
    return Watched()


@pytest.fixture
def photos(tmp_path: Path, estimator: Watched) -> Path:
    """Six pictures of two network sizes, in turn."""
    estimator.batches.clear()
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        for number in range(6):
            photo.resize((96, 64) if number % 2 else (64, 96)).save(folder / f"{number}.jpg")
    return folder


def test_pictures_of_one_size_share_a_forward_pass(photos: Path, estimator: Watched, tmp_path: Path) -> None:
    summary = run([photos], ["npy"], tmp_path / "out", estimator=lambda: estimator, batch_size=2)
    assert summary.count("done") == 6
    assert sorted(len(batch) for batch in estimator.batches) == [1, 1, 2, 2]
    assert all(len(set(batch)) == 1 for batch in estimator.batches)


def test_pictures_of_one_size_asked_for_share_a_forward_pass(tmp_path: Path) -> None:
    small = Watched(size=96)
    with Image.open(PHOTO) as photo:
        for size in ((96, 64), (100, 70)):  # of two sizes where none is asked for
            photo.resize(size).save(tmp_path / f"{size[0]}.jpg")
    assert (
        run([tmp_path], ["npy"], tmp_path / "out", estimator=lambda: small, batch_size=2).count("done") == 2
    )
    assert [len(batch) for batch in small.batches] == [2]


def test_a_batch_gives_what_single_pictures_give(photos: Path, estimator: Watched, tmp_path: Path) -> None:
    run([photos], ["npy"], tmp_path / "out", estimator=lambda: estimator, batch_size=4)
    for number in range(6):
        alone = estimator.predict(photos / f"{number}.jpg")
        together = np.load(tmp_path / "out" / f"{number}_depth.npy")
        assert np.abs(together - alone).max() <= 1e-4 * np.abs(alone).max()


def test_what_is_there_is_skipped_unless_it_is_older(
    photos: Path, estimator: Watched, tmp_path: Path
) -> None:
    def again(**options: bool) -> tuple[int, int]:
        summary = run([photos], ["npy"], tmp_path / "out", estimator=lambda: estimator, **options)
        return summary.count("done"), summary.count("skipped")

    assert again() == (6, 0)
    assert again() == (0, 6)
    assert again(overwrite=True) == (6, 0)
    (tmp_path / "out" / "3_depth.npy").unlink()
    os.utime(photos / "4.jpg", (2**32, 2**32))
    assert again() == (2, 4)


def test_no_model_is_made_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    def never() -> DepthEstimator:
        raise AssertionError

    missing = run([tmp_path / "nosuch"], ["npy"], tmp_path / "out", estimator=never)
    assert missing.count("failed") == 1


def test_damaged_pictures_and_targets_are_passed_over(
    photos: Path, estimator: Watched, tmp_path: Path
) -> None:
    (photos / "2.jpg").write_bytes((photos / "1.jpg").read_bytes()[:300])
    (tmp_path / "out" / "3_depth.npy").mkdir(parents=True)
    seen: list[Result] = []
    summary = run([photos], ["npy"], tmp_path / "out", estimator=lambda: estimator, notify=seen.append)
    assert seen == summary.results
    failed = {Path(r.job.name).name: r.error for r in summary.results if r.error}
    assert set(failed) == {"2.jpg", "3.jpg"}
    assert summary.count("done") == 4


class Gluttonous(Watched):
    """As if memory sufficed for one picture only."""

    def depths(self, images: Sequence[Any], batch_size: int = 8) -> list[Depth]:
        if len(images) > 1:
            raise RuntimeError("out of memory")
        return super().depths(images, batch_size)


def test_a_batch_that_is_too_much_is_done_one_by_one(photos: Path, tmp_path: Path) -> None:
    assert run([photos], ["npy"], tmp_path / "out", estimator=Gluttonous).count("done") == 6


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(
    photos: Path, estimator: Watched, tmp_path: Path
) -> None:
    def interrupt(result: Result) -> None:
        if not interrupted:
            interrupted.append(result)
            signal.raise_signal(signal.SIGINT)  # in this thread, at once; a process-wide one may come late

    interrupted: list[Result] = []
    out = tmp_path / "out"
    first = run([photos], ["npy"], out, estimator=lambda: estimator, batch_size=1, notify=interrupt)
    assert isinstance(first.stopped, KeyboardInterrupt)
    assert 1 <= first.count("done") < 6
    assert len(list(out.glob("*.npy"))) == first.count("done")
    second = run([photos], ["npy"], out, estimator=lambda: estimator)
    assert second.count("skipped") == first.count("done")
    assert second.count("done") + second.count("skipped") == 6
    assert all(np.load(path).ndim == 2 for path in out.glob("*.npy"))


class Full(Npy):
    """A disk that is full: no file system of a test's own can be had everywhere."""

    def encode(self, stream: Any, depth: Any, options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_stops_the_run(
    photos: Path, estimator: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OUTPUTS, "npy", Full())
    summary = run([photos], ["npy"], tmp_path / "out", estimator=lambda: estimator, batch_size=1)
    assert "Insufficient disk space" in str(summary.stopped)
    assert len(summary.results) < 6
    assert not list((tmp_path / "out").iterdir())
