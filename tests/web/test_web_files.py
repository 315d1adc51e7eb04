"""A server gives its files to other depthmaps: whole ones only, by ranges too, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from depthmap import formats
from depthmap.cache import ModelCache
from depthmap.formats.arrays import map_arrays
from depthmap.settings import Settings
from hub import REPOSITORY, Hub
from support import flip, rot, sha256

from .conftest import MODEL, WebServer, is_failure

MIB = 1 << 20
NAME = f"midas_{MODEL}.pt"


@pytest.mark.parametrize("format", ["pt", "h5"])
def test_a_file_comes_whole_or_by_a_range_and_its_etag_is_its_digest(format: str, shared: WebServer) -> None:
    path = shared.cache_dir / f"midas_{MODEL}.{format}"
    url = f"/api/models/files/{path.name}"
    whole = shared.client.get(url)
    assert whole.content == path.read_bytes()
    assert whole.headers["etag"] == f'"{sha256(path)}"'
    part = shared.client.get(url, headers={"Range": "bytes=5-1000", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[5:1001])
    other = shared.client.get(url, headers={"Range": "bytes=5-1000", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)


@pytest.mark.parametrize(
    "path", [f"midas_{MODEL}.pkl", "notes.txt", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", ".locks/x", "", "%00"]
)  # fmt: skip
def test_nothing_but_tensors_of_models_can_be_fetched(path: str, shared: WebServer) -> None:
    assert is_failure(shared.client.get(f"/api/models/files/{path}"), 404, "UnknownModel")


def test_a_model_that_is_not_cached_is_not_there_and_nothing_is_downloaded(shared: WebServer) -> None:
    assert is_failure(shared.client.get("/api/models/files/midas_dpt_large.pt"), 409, "ModelUnavailable")
    assert is_failure(shared.client.get("/api/models/files/v3/dpt_large_384.pt"), 409, "ModelUnavailable")


def test_a_damaged_file_is_not_given(server: WebServer) -> None:
    flip(server.cache_dir / NAME, 1000)
    assert is_failure(server.client.get(f"/api/models/files/{NAME}"), 409, "ModelUnavailable")


def test_an_import_is_repaired_from_another_depthmap_by_its_damaged_leaf_alone(
    server: WebServer, stocked: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for format in ("pt", "pkl"):
        name = f"midas_{MODEL}.{format}"
        (mine / name).write_bytes((stocked / name).read_bytes())
    cache = ModelCache(settings=Settings(cache_dir=mine, mirrors=(f"{server.url}/api/models/files/",)))
    with rot(mine / NAME):
        flip(mine / NAME, MIB + 5)
    (done,) = [row for row in cache.repair(MODEL) if row["format"] == "pt"]
    assert (done["action"], done["leaves"]) == ("fetched", 1)
    assert done["bytes_fetched"] <= MIB
    assert sha256(mine / NAME) == sha256(stocked / NAME)


def test_a_published_model_is_downloaded_from_another_depthmap(
    start: Callable[..., WebServer], settings: Settings, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    entry = {
        "name": "Small", "network": "depthmap_tiny", "path": "v1/small.pt", "bytes": tiny_checkpoint.stat().st_size,
        "sha256": sha256(tiny_checkpoint), "input_size": 256, "resize": "upper_bound",
        "mean": [0.5] * 3, "std": [0.5] * 3,
    }  # fmt: skip
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"models": [entry]}))
    source = tmp_path / "source" / "v1" / "small.pt"
    source.parent.mkdir(parents=True)
    source.write_bytes(tiny_checkpoint.read_bytes())
    settings = replace(settings, catalog=catalog, mirrors=((tmp_path / "source").as_uri() + "/",))
    ModelCache(settings=settings).download("Small")
    server = start(settings)
    mine = replace(
        settings, cache_dir=tmp_path / "mine", mirrors=(f"{server.url}/api/models/files/",), offline=False
    )
    files = ModelCache(settings=mine).download("Small")
    assert sha256(files["pt"]) == sha256(tiny_checkpoint)


def test_a_server_gives_a_source_s_file_under_its_path_only_as_long_as_it_has_those_bytes(
    start: Callable[..., WebServer], settings: Settings, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    other = tmp_path / "model.safetensors"
    tensors = {f"model.{name}": array for name, array in map_arrays(tiny_checkpoint).items()}
    formats.get("safetensors").save(tensors, other)
    for source in (tiny_checkpoint, other):
        folder = tmp_path / source.suffix
        folder.mkdir()
        hub = Hub(folder, source, f"model{source.suffix}")
        catalog = hub.write_catalog(folder / "catalog.json")
        own = replace(settings, cache_dir=folder / "cache", catalog=catalog, offline=False)
        ModelCache(settings=own).download("Small", ["pt"])
        hub.stop()
        server = start(own)
        reply = server.client.get(f"/api/models/files/{REPOSITORY}/resolve/main/{hub.name}")
        assert reply.status_code == (200 if source == tiny_checkpoint else 404)
        shown = server.client.get("/api/models/cache/info").json()["models"]["small"]
        assert (shown["source_sha256"], shown["digest"]) == (hub.sha256, "stated by the source")
