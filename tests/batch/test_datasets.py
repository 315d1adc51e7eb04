"""Columns of a Ray dataset, what they are on the way to, and what an actor takes."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.rays import MARKS, PICTURES, cluster_of, write_photos
from batch.test_streaming import outputs, streamed
from depthmap.batch import Order, callers, on_ray, open_sources, stream
from depthmap.errors import DepthmapError
from depthmap.estimator import DepthEstimator
from depthmap.images import Photo

ray = pytest.importorskip("ray")
pytestmark = MARKS
OUTPUTS = ["png16", "npz"]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Any]:
    """Two nodes, of which one claims to have a GPU."""
    with cluster_of({"num_cpus": 1}, {"num_cpus": 1, "num_gpus": 1}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("datasets") / "photos")


@pytest.fixture(scope="module")
def local(photos: Path) -> dict[str, bytes]:
    """The files that a run without Ray writes."""
    streamed(photos, photos.parent / "local")
    return outputs(photos.parent / "local")


def depths(photos: Path, **more: Any) -> Any:
    """Return the columns of all files. Each is a block of its own: one has nothing but a failure."""
    blocks = PICTURES + 1
    dataset = ray.data.read_binary_files(str(photos), include_paths=True, override_num_blocks=blocks)
    return on_ray(dataset, "depthmap_tiny", engine="onnxruntime", **more)


def files_of(name: str, local: dict[str, bytes]) -> dict[str, bytes]:
    return {output: local[f"{name}_depth.{output.removesuffix('16')}"] for output in OUTPUTS}


def test_a_dataset_gets_columns_and_a_row_that_fails_its_error(photos: Path, local: dict[str, bytes]) -> None:
    rows = depths(photos, outputs=OUTPUTS).take_all()
    assert len(rows) == PICTURES + 1
    for row in rows:
        if row["path"].endswith("broken.jpg"):
            assert "not a picture" in row["error"]
            assert row["png16"] is None
        else:
            assert row["error"] == ""
            assert {output: row[output] for output in OUTPUTS} == files_of(Path(row["path"]).name, local)


def test_arrays_go_to_parquet_and_come_back(photos: Path, local: dict[str, bytes], tmp_path: Path) -> None:
    paths = [{"file": str(photos / f"{number}.jpg")} for number in range(4)]
    rows = on_ray(ray.data.from_items(paths), "depthmap_tiny", column="file", engine="onnxruntime")
    rows.write_parquet(str(tmp_path / "table"))
    back = ray.data.read_parquet(str(tmp_path / "table")).take_all()
    for row in back:
        kept = io.BytesIO(local[f"{Path(row['file']).name}_depth.npz"])
        assert np.array_equal(row["depth"], np.load(kept)["values"])


def test_pyarrow_reads_the_parquet_files_with_each_row_and_the_bytes_of_a_local_run(
    photos: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    depths(photos, outputs=OUTPUTS).drop_columns(["bytes"]).write_parquet(str(tmp_path / "table"))
    rows = parquet.read_table(tmp_path / "table").to_pylist()
    assert len(rows) == PICTURES + 1
    for row in rows:
        assert list(row) == ["path", *OUTPUTS, "error"]
        name = Path(row["path"]).name
        expected = dict.fromkeys(OUTPUTS) if row["error"] else files_of(name, local)
        assert {output: row[output] for output in OUTPUTS} == expected
    assert [Path(row["path"]).name for row in rows if row["error"]] == ["broken.jpg"]


def test_tarfile_reads_the_webdataset_shards_with_each_sample_and_the_bytes_of_a_local_run(
    photos: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    named = depths(photos, outputs=OUTPUTS).map(keyed).drop_columns(["bytes", "path"])
    named.write_webdataset(str(tmp_path / "shards"), encoder=None)
    members = {}
    for shard in (tmp_path / "shards").glob("*.tar"):
        with tarfile.open(shard) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file
                assert member.name not in members
                members[member.name] = file.read()
    assert b"not a picture" in members.pop("broken.error")
    expected = {}
    for number in range(PICTURES):
        expected[f"{number}.error"] = b""
        for output, data in files_of(f"{number}.jpg", local).items():
            expected[f"{number}.{output}"] = data
    assert members == expected


def keyed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "__key__": Path(row["path"]).stem}


class Noting:
    """Writes into a folder what the actor that reads a picture was given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, photo: Photo) -> Photo:
        context = ray.get_runtime_context()
        given = {**context.get_assigned_resources(), "ids": context.get_accelerator_ids()["GPU"]}
        (self.folder / context.get_actor_id()).write_text(json.dumps(given))
        return photo


@pytest.mark.parametrize(("gpus", "ids"), [(0, []), (1, ["0"]), (0.5, ["0"])])
def test_an_actor_has_the_cores_and_the_gpus_that_were_asked_for(
    photos: Path, tmp_path: Path, gpus: float, ids: list[str]
) -> None:
    dataset = ray.data.read_binary_files([str(photos / "0.jpg"), str(photos / "1.jpg")])
    asked = {"num_cpus": 0.5, "num_gpus": gpus, "concurrency": 1, "begin": Noting(tmp_path)}
    rows = on_ray(dataset, "depthmap_tiny", device="cpu", engine="onnxruntime", **asked).take_all()
    assert [row["error"] for row in rows] == ["", ""]
    (given,) = [json.loads(note.read_text()) for note in tmp_path.iterdir()]
    assert (given["CPU"], given.get("GPU", 0), given["ids"]) == (0.5, gpus, ids)


def ordered(out: Path, **more: Any) -> Order:
    return Order(str(out), ["npy"], ray="", **more)


@pytest.fixture(scope="module")
def estimator() -> DepthEstimator:
    return DepthEstimator("depthmap_tiny", "cpu", engine="onnxruntime", pictures=1000, callers=callers())


def test_the_actors_of_a_run_are_where_the_gpus_are_and_take_what_was_asked_for(
    photos: Path, tmp_path: Path, estimator: DepthEstimator
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    order = ordered(tmp_path / "out", num_gpus=0.5, begin=Noting(notes))
    tally = stream(open_sources([photos]), estimator, order)
    assert (tally.count("done"), tally.count("failed")) == (PICTURES, 1)
    given = [json.loads(note.read_text()) for note in notes.iterdir()]
    # The node with the GPU has one core, so two actors would not fit.
    assert [(one["CPU"], one["GPU"], one["ids"]) for one in given] == [(1, 0.5, ["0"])]


def test_gpus_that_no_node_has_are_an_error_and_nobody_waits_for_them(
    photos: Path, tmp_path: Path, estimator: DepthEstimator
) -> None:
    with pytest.raises(DepthmapError, match="No node of the cluster has a core and 2 GPUs"):
        stream(open_sources([photos]), estimator, ordered(tmp_path / "out", num_gpus=2))


class Dawdling:
    """Takes longer over the first picture than the others take together."""

    def __call__(self, photo: Photo) -> Photo:
        if photo.name == "0.jpg":
            time.sleep(4)
        return photo


def test_rows_keep_their_order_where_ray_is_told_to_keep_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray.data.DataContext.get_current().execution_options, "preserve_order", True)
    paths = [str(photos / f"{number}.jpg") for number in range(8)]
    dataset = ray.data.from_items([{"file": path} for path in paths], override_num_blocks=8)
    asked = {
        "column": "file",
        "engine": "onnxruntime",
        "num_cpus": 0.5,
        "concurrency": 2,
        "begin": Dawdling(),
    }
    rows = on_ray(dataset, "depthmap_tiny", outputs=["npy"], **asked).take_all()
    assert [row["file"] for row in rows] == paths


class Waiting:
    """Holds each picture until two actors have one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, photo: Photo) -> Photo:
        (self.folder / ray.get_runtime_context().get_actor_id()).touch()
        end = time.monotonic() + 60
        while len(list(self.folder.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        return photo


def test_a_pool_that_may_scale_grows_while_pictures_wait(photos: Path, tmp_path: Path) -> None:
    rows = depths(
        photos, outputs=["npy"], begin=Waiting(tmp_path), num_cpus=0.5, concurrency=(1, 2)
    ).take_all()
    assert len(rows) == PICTURES + 1
    assert len(list(tmp_path.iterdir())) == 2
