"""What users do with the cache, on small real checkpoints."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from depthmap import formats
from depthmap.cache import ModelCache
from depthmap.catalog import CATALOG, EMBEDDED
from depthmap.errors import (
    ExportError,
    ModelUnavailable,
    UnknownModel,
    UnrecognisedFile,
    UnsafeFile,
    UsageError,
)
from depthmap.store import Manifest, Store
from depthmap.store.names import TENSOR_FORMATS
from support import FileServer, flip, python, rot, sha256, write_catalog


@pytest.fixture
def cache(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    """A cache whose catalogue has one small model that a file:// mirror serves."""
    (tmp_path / "mirror" / "v1").mkdir(parents=True)
    shutil.copy(tiny_checkpoint, tmp_path / "mirror" / "v1" / "small.pt")
    catalog = tmp_path / "catalog.json"
    write_catalog(catalog, Small=tiny_checkpoint)
    text = catalog.read_text().replace(
        '"name": "Small"',
        '"name": "Small", "network": "depthmap_tiny", "input_size": 256, "resize": "upper_bound", '
        '"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "path": "v1/small.pt"',
    )
    catalog.write_text(text)
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(catalog))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", (tmp_path / "mirror").as_uri())
    return ModelCache()


def test_a_download_leaves_the_published_bytes_and_an_h5_of_the_same_tensors(
    cache: ModelCache, tiny_checkpoint: Path
) -> None:
    paths = cache.download("small")
    assert {path.name for path in paths.values()} == {"midas_small.pt", "midas_small.h5"}
    assert sha256(paths["pt"]) == sha256(tiny_checkpoint)
    pt, h5 = formats.load(paths["pt"]), formats.load(paths["h5"])
    assert all(torch.equal(pt[name], h5[name]) for name in pt)
    assert sorted(p.name for p in cache.cache_dir.iterdir() if not p.name.startswith(".")) == [
        "midas_small.h5",
        "midas_small.pkl",
        "midas_small.pt",
    ]
    assert cache.shelf.store.partial() == []
    assert cache.detail("small")["provenance"]["sha256"] == sha256(tiny_checkpoint)


@pytest.mark.parametrize("format", ["pt", "h5"])
def test_a_download_may_be_narrowed_to_one_format(cache: ModelCache, format: str) -> None:
    cache.download("Small", [format])
    assert set(cache.shelf.cached("small")) == {format, "pkl"}


def test_what_is_cached_is_not_fetched_again(
    cache: ModelCache, tmp_path: Path, serve: Callable[[Path], FileServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(tmp_path / "mirror")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", server.url)
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    for _ in range(2):
        ModelCache().download("small")
    assert server.requests == ["/v1/small.pt"]


def test_the_report_has_the_fields_that_users_know(cache: ModelCache) -> None:
    empty = cache.stats()
    assert empty["total_models"] == 0
    assert empty["largest_model"] is None
    cache.download("small")
    info, stats = cache.info(), cache.stats()
    assert set(info) == {"cache_dir", "models", "total_size_mb", "total_files", "formats"}
    assert set(info["models"]["small"]) == {
        "formats", "total_size_mb", "last_modified", "source_sha256", "digest",
    }  # fmt: skip
    assert info["models"]["small"]["digest"] == "published"
    assert set(info["models"]["small"]["formats"]["pt"]) == {"size_mb", "path", "last_modified"}
    assert info["formats"] == {"pt": 1, "h5": 1, "pkl": 1}
    assert info["total_files"] == 3
    assert set(stats) == {
        "total_models", "total_size_mb", "total_files", "formats", "average_model_size_mb",
        "largest_model", "smallest_model", "cache_health",
    }  # fmt: skip
    assert stats["largest_model"] == {"name": "small", "size_mb": info["total_size_mb"]}
    assert stats["cache_health"] == "good"


def test_health_is_large_above_5_gb_and_cluttered_above_50_files(cache: ModelCache) -> None:
    cache.cache_dir.mkdir(parents=True)
    for number in range(51):
        (cache.cache_dir / f"midas_m{number}.pt").touch()
    assert cache.stats()["cache_health"] == "cluttered"
    with (cache.cache_dir / "midas_big.pt").open("wb") as file:
        file.truncate(5_001_000_000)  # sparse: takes no room
    assert cache.stats()["cache_health"] == "large"


def test_models_lists_the_catalogue_and_what_users_imported(cache: ModelCache, tiny_checkpoint: Path) -> None:
    cache.import_file(tiny_checkpoint, "Mine")
    rows = {row["slug"]: row for row in cache.models()}
    assert list(rows) == [*CATALOG, "small", "mine"]
    assert rows["mine"]["status"] == "cached"
    assert rows["depthmap_tiny"]["status"] == "embedded"
    assert rows["dpt_large"]["status"] == "available"
    assert [row["slug"] for row in cache.models("h5")] == ["mine"]


@pytest.mark.parametrize("format", ["pt", "h5", "safetensors"])
def test_export_then_import_gives_the_same_model(
    cache: ModelCache, tmp_path: Path, tiny_checkpoint: Path, format: str
) -> None:
    cache.download("small")
    target = cache.export("small", tmp_path / f"out.{format}", format)
    spec = cache.import_file(target, "again")
    assert spec.network == "depthmap_tiny"
    again, original = formats.load(cache.shelf.cached("again")["pt"]), formats.load(tiny_checkpoint)
    assert all(torch.equal(again[name], original[name]) for name in original)
    if format == "pt":
        assert sha256(target) == sha256(tiny_checkpoint)
    else:
        assert spec.mean == (0.5, 0.5, 0.5)  # our own export carries the pre-processing
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_export_of_the_metadata(cache: ModelCache, tmp_path: Path) -> None:
    from depthmap.formats import metadata

    cache.download("small")
    assert metadata.load(cache.export("small", tmp_path / "x.pkl"))["name"] == "Small"


def test_export_says_what_is_wrong(cache: ModelCache, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="not cached"):
        cache.export("small", tmp_path / "x.pt")
    cache.download("small")
    with pytest.raises(ExportError, match="does not exist"):
        cache.export("small", tmp_path / "no" / "x.pt")
    with pytest.raises(ExportError, match="is a directory"):
        cache.export("small", tmp_path, "pt")
    with pytest.raises(UsageError, match="not a format"):
        cache.export("small", tmp_path / "x.onnx")
    (tmp_path / "x.pt").write_text("mine")
    with pytest.raises(ExportError, match="exists"):
        cache.export("small", tmp_path / "x.pt", replace=False)
    assert (tmp_path / "x.pt").read_text() == "mine"


def test_a_legacy_and_a_wrapped_checkpoint_are_rewritten_once(
    cache: ModelCache, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    state = dict(formats.load(tiny_checkpoint))
    torch.save({"model": state, "epoch": 3}, tmp_path / "wrapped.pt")
    torch.save(state, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    for name in ("wrapped", "legacy"):
        cache.import_file(tmp_path / f"{name}.pt", name)
        assert formats.scan(cache.shelf.cached(name)["pt"]).mapped


def test_import_refuses_what_is_no_network_and_says_what_it_found(cache: ModelCache, tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3, 3)}, tmp_path / "x.pt")
    with pytest.raises(UnrecognisedFile, match=r"conv\.weight"):
        cache.import_file(tmp_path / "x.pt", "mine")
    assert cache.info()["models"] == {}


def test_import_refuses_code_and_runs_none(cache: ModelCache, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    for name in ("x.pt", "x.h5", "x.safetensors"):
        torch.save({"a": Hostile()}, tmp_path / name)
        with pytest.raises(UnsafeFile):
            cache.import_file(tmp_path / name, "mine")
    torch.save({"a": Hostile()}, tmp_path / "x.pkl")
    with pytest.raises(UnrecognisedFile, match="description"):
        cache.import_file(tmp_path / "x.pkl", "mine")
    assert not (tmp_path / "ran").exists()


def test_import_never_replaces_silently(cache: ModelCache, tmp_path: Path, tiny_checkpoint: Path) -> None:
    cache.import_file(tiny_checkpoint, "mine")
    with pytest.raises(UsageError, match="--force"):
        cache.import_file(tiny_checkpoint, "MINE")
    cache.import_file(tiny_checkpoint, "mine", replace=True)
    state = {name: tensor + 1 for name, tensor in formats.load(tiny_checkpoint).items()}
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(UsageError, match="published"):
        cache.import_file(tmp_path / "other.pt", "small")
    cache.import_file(tiny_checkpoint, "small")  # the published bytes under their own name
    assert cache.is_cached("small", "pt")


def test_optimize_removes_what_is_damaged_double_or_stale_and_nothing_else(cache: ModelCache) -> None:
    cache.download("small")
    root = cache.cache_dir
    flip(root / "midas_small.h5", 700_000)
    shutil.copy(root / "midas_small.pt", root / "MIDAS_SMALL.PT")
    (root / "notes.txt").write_text("mine")
    (root / ".partial" / "midas_small.pt.99-ab").write_text("half")
    (root / ".partial" / "mine").write_text("mine")
    (root / "midas_orphan.pkl").write_bytes((root / "midas_small.pkl").read_bytes())
    rehearsal = cache.optimize(dry_run=True)
    assert (root / "midas_small.h5").exists()
    result = cache.optimize()
    assert result["removed"] == rehearsal["removed"]
    assert {Path(path).name for path in result["removed"]} == {
        "MIDAS_SMALL.PT", "midas_small.pt.99-ab", "midas_orphan.pkl",
    }  # fmt: skip
    assert result["files_removed"] == 3
    assert (
        [Path(path).name for path in result["repaired"]]
        == ["midas_small.h5"]
        == [Path(path).name for path in rehearsal["repaired"]]
    )
    assert result["files_checked"] >= 4
    assert result["space_freed_mb"] > 0
    assert result["errors"] == []
    assert (root / "notes.txt").read_text() == "mine"
    assert (root / ".partial" / "mine").exists()
    assert [entry["ok"] for entry in cache.verify()] == [True, True, True]


def test_a_file_of_the_same_name_in_capitals_and_other_bytes_is_kept(cache: ModelCache) -> None:
    cache.download("small", ["pt"])
    other = cache.cache_dir / "MIDAS_SMALL.PT"
    other.write_bytes(b"something of mine")
    cache.optimize()
    assert other.exists()


def test_verify_places_damage_and_changes_nothing(cache: ModelCache) -> None:
    cache.download("small")
    path = cache.cache_dir / "midas_small.pt"
    with rot(path):
        flip(path, 3 << 20)
    results = {entry["format"]: entry for entry in cache.verify("small")}
    assert not results["pt"]["ok"]
    assert "the first is number 3" in results["pt"]["error"]
    assert results["h5"]["ok"]
    assert results["pkl"]["ok"]
    assert path.exists()


@pytest.mark.parametrize("format", ["pt", "h5"])
def test_repair_mends_a_file_from_its_sibling_without_a_byte_from_elsewhere(
    cache: ModelCache, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.download("small")
    path = cache.cache_dir / f"midas_small.{format}"
    before = sha256(path)
    flip(path, 700_000)
    monkeypatch.delenv("DEPTHMAP_MIRRORS")
    results = {entry.pop("format"): entry for entry in ModelCache().repair("small")}
    assert results[format] == {"action": "mended", "leaves": 0, "bytes_fetched": 0}
    assert sha256(path) == before
    assert all(entry["ok"] for entry in cache.verify("small"))


def test_delete_and_clear_leave_what_is_not_ours(cache: ModelCache, tiny_checkpoint: Path) -> None:
    cache.download("small")
    cache.import_file(tiny_checkpoint, "mine")
    (cache.cache_dir / "notes.txt").write_text("mine")
    assert len(cache.delete("mine")) == 3
    assert not cache.is_cached("mine")
    assert cache.is_cached("small")
    assert len(cache.clear()) == 3
    assert cache.info()["total_files"] == 0
    assert (cache.cache_dir / "notes.txt").exists()
    with pytest.raises(UnknownModel):
        cache.delete("mine")


def test_evict_takes_the_least_recently_used_and_spares_the_pinned(
    cache: ModelCache, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(("first", "second", "third")):
        state = {key: tensor + number for key, tensor in formats.load(tiny_checkpoint).items()}
        torch.save(state, tmp_path / "x.pt")
        cache.import_file(tmp_path / "x.pt", name)
    for age, name in enumerate(("third", "first", "second")):
        cache.shelf.store.touch(name)
        os.utime(cache.cache_dir / ".used" / name, (1000 + age, 1000 + age))
    cache.pin("third")
    one = int(cache.info()["models"]["first"]["total_size_mb"] * 1e6)
    assert cache.evict(2 * one + 1000, dry_run=True) == ["first"]
    assert cache.evict(2 * one + 1000) == ["first"]
    assert cache.evict(0) == ["second"]
    cache.pin("third", pinned=False)
    assert cache.evict(0) == ["third"]


def test_a_file_put_into_the_cache_by_hand_is_verified_against_the_published_digest(
    cache: ModelCache, tiny_checkpoint: Path
) -> None:
    cache.cache_dir.mkdir(parents=True)
    shutil.copy(tiny_checkpoint, cache.cache_dir / "midas_small.pt")
    assert [entry["ok"] for entry in cache.verify("small")] == [True]
    assert cache.shelf.store.is_stamped("small", "pt")


@pytest.mark.parametrize("kind", ["legacy", "chunked"])
def test_a_file_put_into_the_cache_by_hand_that_cannot_be_mapped_is_rewritten_once(
    cache: ModelCache, tiny_checkpoint: Path, kind: str
) -> None:
    import h5py

    cache.import_file(tiny_checkpoint, "mine")
    state = dict(formats.load(tiny_checkpoint))
    format = {"legacy": "pt", "chunked": "h5"}[kind]
    path = cache.cache_dir / f"midas_mine.{format}"
    path.unlink()
    (cache.cache_dir / "midas_mine.pkl").unlink()
    if kind == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        with h5py.File(path, "w") as file:
            for name, tensor in state.items():
                file.create_dataset(name, data=tensor.numpy(), chunks=True if tensor.ndim else None)
    assert all(entry["ok"] for entry in cache.verify("mine"))
    assert formats.scan(path).mapped
    again = formats.load(path)
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_an_unknown_name_is_answered_with_the_names_there_are(cache: ModelCache) -> None:
    with pytest.raises(
        UnknownModel, match=r"DPT_Large, DPT_Hybrid, MiDaS, MiDaS_small, Depthmap_Tiny, .*, Small"
    ):
        cache.spec("nope")


def test_a_listing_opens_each_description_once_and_no_tensors(tmp_path: Path) -> None:
    """What a list of many models takes grows with their number, and with nothing else."""
    names = [f"model_{number:02d}" for number in range(12)]
    store = Store(tmp_path)
    for name in names:
        store.write_manifest(name, Manifest(EMBEDDED.renamed(name), pinned=True))
        for format in TENSOR_FORMATS:
            store.path(name, format).write_bytes(b"tensors")
    code = f"""
import os, sys
opened = []
sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" else None)
from depthmap.cache import ModelCache
rows = ModelCache({str(tmp_path)!r}).models()
mine = [os.path.basename(path) for path in opened if path.startswith({str(tmp_path)!r} + os.sep + "midas_")]
print(sum(row["pinned"] for row in rows), *sorted(mine))
"""
    assert python(code).stdout.split() == [str(len(names)), *(f"midas_{name}.pkl" for name in names)]
