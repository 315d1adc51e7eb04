"""Columns of a Spark data frame, by a Spark on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.rays import MARKS, PICTURES, write_photos
from batch.test_streaming import outputs, streamed
from depthmap.batch import udf
from depthmap.batch.workers import environment
from depthmap.errors import UsageError

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'depthmap[spark]'")
pytestmark = [
    *MARKS,
    pytest.mark.skipif(not shutil.which("java"), reason="Spark needs Java: apt install default-jre-headless"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    path = os.pathsep.join(filter(None, sys.path))  # Spark's processes find what this one does
    with environment(PYSPARK_PYTHON=sys.executable, PYTHONPATH=path):
        settings = {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
        session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("spark") / "photos")


def test_a_column_of_pictures_gives_the_bytes_of_a_local_run_and_a_broken_one_its_error(
    spark: Any, photos: Path, tmp_path: Path
) -> None:
    streamed(photos, tmp_path / "local")
    local = outputs(tmp_path / "local")
    frame = spark.read.format("binaryFile").load(str(photos)).repartition(3)
    depth = udf("depthmap_tiny", outputs=["png16", "npz"], engine="onnxruntime")
    rows = frame.select("path", depth("content", "path").alias("depth")).select("path", "depth.*").collect()
    assert len(rows) == PICTURES + 1
    for row in rows:
        name = Path(row.path).name
        if name == "broken.jpg":
            assert "not a picture" in row.error
            assert (row.png16, row.npz) == (None, None)
        else:
            assert row.error == ""
            assert bytes(row.png16) == local[f"{name}_depth.png"]
            assert bytes(row.npz) == local[f"{name}_depth.npz"]


def test_a_column_of_paths_gives_depth_and_a_null_its_error(spark: Any, photos: Path) -> None:
    frame = spark.createDataFrame([(str(photos / "0.jpg"),), (None,)], "path string")
    depth = udf("depthmap_tiny", engine="onnxruntime")
    found, null = frame.select(depth("path").alias("depth")).select("depth.*").collect()
    assert bytes(found.png16).startswith(b"\x89PNG")
    assert null.png16 is None
    assert "cannot be read from" in null.error


def test_outputs_that_are_none_or_unknown_are_refused_at_once() -> None:
    for wrong in ([], ["nosuch"]):
        with pytest.raises(UsageError):
            udf("depthmap_tiny", outputs=wrong)
