"""What other tools have downloaded is found, verified, and taken instead of a download."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from depthmap import DepthEstimator, formats
from depthmap.cache import ModelCache
from depthmap.cache.adopt import adopt, hub_directory, hugging_face_directory
from depthmap.catalog import EMBEDDED
from depthmap.checkpoints import recognise
from depthmap.store import digest_file
from support import arrays_of, flip, sha256

LIST = Path(__file__).parents[1] / "data" / "huggingface" / "dpt_hybrid.txt"


@pytest.fixture(autouse=True)
def no_tools_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what the user's own tools have downloaded."""
    for variable in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)


# -- torch.hub --------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path that torch.hub's file of Small would have: a catalogue's model that no server has."""
    small = {
        **EMBEDDED.to_dict(),
        "name": "Small",
        "embedded": "",
        "bytes": tiny_checkpoint.stat().st_size,
        "sha256": sha256(tiny_checkpoint),
        "hub_names": ["small-1.pt", "small-0.pt"],
    }
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [small]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(tmp_path / "catalog.json"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = tmp_path / "torch" / "hub" / "checkpoints" / "small-0.pt"
    path.parent.mkdir(parents=True)
    return path


def test_adopt_takes_what_torch_hub_has_and_only_the_published_bytes(
    hub: Path, tiny_checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ModelCache().adopt("small") is None
    hub.write_bytes(bytes(tiny_checkpoint.stat().st_size))
    with caplog.at_level(logging.WARNING):
        assert ModelCache().adopt("small") is None
    assert "its SHA-256 is not the published one" in caplog.text
    shutil.copy(tiny_checkpoint, hub)
    cache = ModelCache()
    assert cache.adopt("small", dry_run=True) == hub
    assert not cache.is_cached("small")
    assert cache.adopt("small") == hub
    assert sha256(cache.shelf.cached("small")["pt"]) == sha256(tiny_checkpoint)
    assert cache.detail("small")["provenance"]["how"] == "adopted"


def test_an_adopted_file_takes_no_room_and_outlives_the_other_name(hub: Path, tiny_checkpoint: Path) -> None:
    shutil.copy(tiny_checkpoint, hub)
    cache = ModelCache()
    assert adopt(cache.shelf, cache.spec("small")).how == "linked"
    path = cache.shelf.cached("small")["pt"]
    assert path.stat().st_ino == hub.stat().st_ino
    hub.unlink()
    assert DepthEstimator("small", engine="onnxruntime").source == "pt"


def test_the_first_name_whose_file_is_the_published_one_is_taken(hub: Path, tiny_checkpoint: Path) -> None:
    shutil.copy(tiny_checkpoint, hub)
    shutil.copy(tiny_checkpoint, hub.with_name("small-1.pt"))
    flip(hub.with_name("small-1.pt"), 1000)
    assert ModelCache().adopt("small") == hub


def test_a_model_that_has_a_whole_file_is_left_alone_and_a_damaged_one_is_replaced(
    hub: Path, tiny_checkpoint: Path
) -> None:
    shutil.copy(tiny_checkpoint, hub)
    cache = ModelCache()
    spec = cache.spec("small")
    assert cache.adopt("small")
    assert adopt(cache.shelf, spec).status == "cached"
    path = cache.shelf.cached("small")["pt"]
    path.unlink()
    shutil.copy(tiny_checkpoint, path)
    flip(path, 100_000)
    rehearsal = adopt(cache.shelf, spec, dry_run=True)
    assert (rehearsal.status, sha256(path) == sha256(tiny_checkpoint)) == ("adopted", False)
    assert adopt(cache.shelf, spec).status == "adopted"
    assert sha256(path) == sha256(tiny_checkpoint)


def test_adopting_the_pt_keeps_the_h5_and_the_pin(hub: Path, tiny_checkpoint: Path) -> None:
    shutil.copy(tiny_checkpoint, hub)
    cache = ModelCache()
    cache.adopt("small")
    cache.download("small")
    cache.pin("small")
    cache.shelf.cached("small")["pt"].unlink()
    assert cache.adopt("small") == hub
    assert all(entry["ok"] for entry in cache.verify("small"))
    assert {"pt", "h5"} <= set(cache.shelf.cached("small"))
    assert cache.detail("small")["pinned"]


def test_a_model_that_nobody_publishes_is_missing(tiny_checkpoint: Path) -> None:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine", ["h5"])
    assert adopt(cache.shelf, cache.spec("mine")).status == "cached"
    assert adopt(cache.shelf, cache.spec("dpt_large")) == ("missing", None, "")


# -- Hugging Face's cache ---------------------------------------------------------------------------------


def write_hybrid(path: Path, *, extra: str = "", listed: Path = LIST) -> Path:
    """Write a file as transformers writes DPT_Hybrid, of full size, all zeros, nearly all of it a hole."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for line in [*listed.read_text().splitlines(), *([f"{extra} (2,) float32"] if extra else [])]:
        name, rest = line.split(" ", 1)
        shape = [int(n) for n in rest.rsplit(" ", 1)[0].strip("()").split(",") if n.strip()]
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(file.tell() + position)
    return path


@pytest.mark.parametrize("kind", ["models", "spaces"])
def test_a_published_file_of_hugging_face_is_linked_even_where_its_size_is_not_known(
    kind: str, hub: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    below = "" if kind == "models" else f"{kind}/"
    (small,) = json.loads((tmp_path / "catalog.json").read_text())["models"]
    published = {"base": "https://huggingface.co/", "path": f"{below}we/Small/resolve/main/files/small.pth"}
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [small | published | {"bytes": 0}]}))
    repository = tmp_path / "home" / ".cache" / "huggingface" / "hub" / f"{kind}--we--Small"
    blob = repository / "blobs" / sha256(tiny_checkpoint)
    link = repository / "snapshots" / "0123abcd" / "files" / "small.pth"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    link.symlink_to(Path("../../../blobs") / blob.name)
    cache = ModelCache()
    assert cache.adopt("small") is None
    shutil.copy(tiny_checkpoint, blob)
    assert cache.adopt("small") == link
    assert cache.shelf.cached("small")["pt"].stat().st_ino == blob.stat().st_ino
    assert cache.adopt("depthanythingv1_small") is None


def test_a_published_file_in_a_repository_that_is_not_its_source_is_linked_if_its_bytes_are_the_published_ones(
    hub: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    (small,) = json.loads((tmp_path / "catalog.json").read_text())["models"]
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [small | {"hf_repo": "we/Small"}]}))
    copy = (
        tmp_path / "home" / ".cache" / "huggingface" / "hub" / "models--we--Small" / "snapshots" / "0123abcd"
    )
    copy.mkdir(parents=True)
    (copy / "small-1.pt").write_bytes(bytes(tiny_checkpoint.stat().st_size))
    cache = ModelCache()
    assert cache.adopt("small") is None
    shutil.copy(tiny_checkpoint, copy / "small-1.pt")
    assert cache.adopt("small") == copy / "small-1.pt"
    assert cache.shelf.cached("small")["pt"].stat().st_ino == (copy / "small-1.pt").stat().st_ino


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Intel/dpt-hybrid-midas in Hugging Face's cache, empty."""
    path = tmp_path / "home" / ".cache" / "huggingface" / "hub" / "models--Intel--dpt-hybrid-midas"
    (path / "snapshots" / "0123abcd").mkdir(parents=True)
    return path


def put(repository: Path, blob: str, name: str = "model.safetensors") -> Path:
    """Link a blob into the snapshot, as Hugging Face's tools do."""
    link = repository / "snapshots" / "0123abcd" / name
    link.symlink_to(Path("../../blobs") / blob)
    return link


@pytest.mark.slow
def test_a_file_of_hugging_face_becomes_the_h5(repository: Path) -> None:
    blob = write_hybrid(repository / "blobs" / "new")
    with blob.open("r+b") as file:  # one tensor that is not zero, the last
        file.seek(-4, os.SEEK_END)
        file.write(np.float32(0.5).tobytes())
    digest = digest_file(blob).sha256
    blob.rename(blob.with_name(digest))
    link = put(repository, digest)
    cache = ModelCache()
    spec = cache.spec("DPT_Hybrid")
    assert adopt(cache.shelf, spec, dry_run=True) == ("adopted", link, "")
    assert not cache.is_cached("dpt_hybrid")
    assert adopt(cache.shelf, spec) == ("adopted", link, "converted")
    assert set(cache.shelf.cached("dpt_hybrid")) == {"h5", "pkl"}
    origin = cache.detail("dpt_hybrid")["provenance"]
    assert origin["url"] == "https://huggingface.co/Intel/dpt-hybrid-midas"
    assert (origin["sha256"], origin["how"]) == (digest, "converted from the Hugging Face cache")
    layout = formats.scan(cache.shelf.cached("dpt_hybrid")["h5"])
    assert layout.mapped
    assert recognise(layout.shapes) == "dpt_hybrid"
    assert arrays_of(layout.path)["scratch.output_conv.4.bias"].tolist() == [0.5]
    assert adopt(cache.shelf, spec).status == "cached"


@pytest.mark.parametrize(
    ("model", "owner"),
    [
        ("DepthAnythingV2_Small", "depth-anything--Depth-Anything-V2-Small-hf"),
        ("DepthAnythingV2_Metric_Indoor_Small", "depth-anything--Depth-Anything-V2-Metric-Indoor-Small-hf"),
        ("DepthAnythingV1_Small", "LiheYoung--depth-anything-small-hf"),
    ],
)
def test_each_repository_of_depth_anything_becomes_the_model_that_it_is(
    model: str, owner: str, repository: Path
) -> None:
    path = repository.with_name(f"models--{owner}") / "snapshots" / "0123abcd" / "model.safetensors"
    write_hybrid(path, listed=LIST.with_name("depth_anything_small.txt"))
    cache = ModelCache()
    assert adopt(cache.shelf, cache.spec(model)) == ("adopted", path, "converted")
    written = cache.shelf.cached(model.lower())
    assert recognise(formats.scan(written["h5"]).shapes) == "depth_anything_v2_small"
    written["pkl"].unlink()
    assert ModelCache().spec(model).kind == cache.spec(model).kind
    assert cache.adopt("DepthAnythingV2_Metric_Outdoor_Small") is None


def test_a_file_whose_bytes_are_not_those_of_its_name_is_not_taken(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_hybrid(repository / "blobs" / ("0" * 64))
    put(repository, "0" * 64)
    with caplog.at_level(logging.WARNING):
        assert ModelCache().adopt("DPT_Hybrid") is None
    assert "its SHA-256 is not the one in its name" in caplog.text
    assert not ModelCache().is_cached("dpt_hybrid")


def test_where_no_name_tells_the_bytes_the_tensors_speak_for_the_file(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_hybrid(repository / "snapshots" / "0123abcd" / "model.safetensors")
    with caplog.at_level(logging.WARNING):
        assert ModelCache().adopt("DPT_Hybrid", dry_run=True) == path
    assert "nothing records its SHA-256" in caplog.text


def test_a_name_that_a_catalogue_gives_to_another_checkpoint_is_not_taken_from_hugging_face(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hybrid(repository / "snapshots" / "0123abcd" / "model.safetensors")
    (tmp_path / "catalog.json").write_text('{"models": [{"name": "DPT_Hybrid", "sha256": "00"}]}')
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(tmp_path / "catalog.json"))
    assert ModelCache().adopt("DPT_Hybrid", dry_run=True) is None


def test_what_is_not_the_model_is_passed_over_and_none_of_it_is_run(
    repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "was run"),)

    write_hybrid(repository / "blobs" / "other", extra="neck.convs.0.bias")
    put(repository, "other")
    with zipfile.ZipFile(repository / "blobs" / "hostile", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"head.head.0.weight": Hostile()}, 2))
        file.writestr("archive/version", "3\n")
    put(repository, "hostile", "pytorch_model.bin")
    with caplog.at_level(logging.WARNING):
        assert ModelCache().adopt("DPT_Hybrid") is None
    assert "1 of no known use" in caplog.text
    assert "Unsafe file refused" in caplog.text
    assert not (tmp_path / "was run").exists()


def test_a_link_whose_blob_is_gone_is_no_file(repository: Path) -> None:
    put(repository, "0" * 64)
    assert ModelCache().adopt("DPT_Hybrid") is None


# -- where they are ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "hub_is", "hugging_face_is"),
    [
        ({}, "home/.cache/torch", "home/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/torch", "xdg/huggingface/hub"),
        ({"XDG_CACHE_HOME": ""}, "home/.cache/torch", "home/.cache/huggingface/hub"),
        ({"TORCH_HOME": "{}/t", "HF_HOME": "~/h"}, "t", "home/h/hub"),
        ({"HF_HOME": "{}/h", "HF_HUB_CACHE": "{}/models"}, "home/.cache/torch", "models"),
    ],
)
def test_the_tools_own_settings_say_where_their_files_are(
    environment: dict[str, str],
    hub_is: str,
    hugging_face_is: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert hub_directory() == tmp_path / hub_is / "hub" / "checkpoints"
    assert hugging_face_directory() == tmp_path / hugging_face_is
