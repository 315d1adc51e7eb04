"""spec → ready network: the order of the sources, and what happens when one is damaged."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from depthmap import loader, networks
from depthmap.cache import ModelCache
from depthmap.catalog import CATALOG
from depthmap.errors import ModelFileCorrupted, ModelUnavailable, UnknownModel
from support import FileServer, flip, python, rot, write_catalog


@pytest.fixture
def mirror(tmp_path: Path, checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file:// mirror of MiDaS_small's stand-in, whose digest the catalogue gives."""
    published = checkpoint("MiDaS_small")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / published.name).symlink_to(published)
    monkeypatch.setenv(
        "DEPTHMAP_CATALOG", str(write_catalog(tmp_path / "catalog.json", MiDaS_small=published))
    )
    monkeypatch.setenv("DEPTHMAP_MIRRORS", (tmp_path / "mirror").as_uri())
    return tmp_path / "mirror"


@pytest.fixture
def cached(mirror: Path) -> ModelCache:
    """A cache that holds MiDaS_small as .pt and .h5."""
    cache = ModelCache()
    cache.download("MiDaS_small")
    return cache


def load(cache: ModelCache, **options: bool) -> loader.LoadedModel:
    return loader.load("MiDaS_small", cache, **options)


def test_pt_comes_before_h5_and_h5_before_a_download(cached: ModelCache) -> None:
    assert load(cached).source == "pt"
    (cached.cache_dir / "midas_midas_small.pt").unlink()
    assert load(cached).source == "h5"
    (cached.cache_dir / "midas_midas_small.h5").unlink()
    assert load(cached).source == "download"
    assert load(cached).source == "pt"


def test_the_network_s_tensors_lie_in_the_file(cached: ModelCache) -> None:
    for source in ("pt", "h5"):
        loaded = load(cached)
        assert loaded.source == source
        lines = Path("/proc/self/maps").read_text().splitlines()
        ranges = [
            tuple(int(x, 16) for x in line.split()[0].split("-"))
            for line in lines
            if line.endswith(str(loaded.path))
        ]
        for tensor in loaded.network.state_dict().values():
            assert any(low <= tensor.data_ptr() < high for low, high in ranges)
        assert not loaded.network.training
        if source == "pt":
            loaded.path.unlink()


def test_one_flipped_byte_in_pt_takes_the_h5_and_says_so(
    cached: ModelCache, caplog: pytest.LogCaptureFixture
) -> None:
    path = cached.cache_dir / "midas_midas_small.pt"
    expected = load(cached).network.state_dict()
    expected = {name: tensor.clone() for name, tensor in expected.items()}
    flip(path, 40_000_000)
    loaded = load(cached)
    assert loaded.source == "h5"
    assert f"Model file corrupted: damaged blocks of 1 MiB: 1, the first is number 38 ({path})" in caplog.text
    assert "It was set aside as" in caplog.text
    assert not path.exists()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.network.state_dict().items())


def test_one_flipped_byte_in_both_is_downloaded_again(cached: ModelCache) -> None:
    for format in ("pt", "h5"):
        flip(cached.cache_dir / f"midas_midas_small.{format}", 40_000_000)
    assert load(cached).source == "download"
    assert all(entry["ok"] for entry in cached.verify("MiDaS_small"))


def test_one_flipped_byte_in_both_offline_is_an_error_with_the_remedy(
    cached: ModelCache, mirror: Path
) -> None:
    for format in ("pt", "h5"):
        flip(cached.cache_dir / f"midas_midas_small.{format}", 40_000_000)
    shutil.rmtree(mirror)
    for _ in range(2):  # the second time the files are aside
        with pytest.raises(ModelFileCorrupted, match="Model file corrupted") as caught:
            load(cached)
        assert "depthmap models download --model MiDaS_small" in caught.value.remedy
        assert "Depthmap_Tiny" in caught.value.remedy


def test_a_header_damaged_under_an_unchanged_stamp_takes_the_next_format(cached: ModelCache) -> None:
    path = cached.cache_dir / "midas_midas_small.pt"
    with rot(path), path.open("r+b") as file:
        file.seek(-100, 2)
        file.write(bytes(100))
    assert load(cached).source == "h5"


def test_verify_always_finds_bit_rot_at_the_load(cached: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cached.cache_dir / "midas_midas_small.pt"
    with rot(path):
        flip(path, 40_000_000)
    assert load(cached).source == "pt"  # the stamp is equal: this is what `optimize` and `verify` are for
    monkeypatch.setenv("DEPTHMAP_VERIFY", "always")
    assert load(ModelCache()).source == "h5"


def test_a_damaged_pkl_is_found_again_from_the_published_digest(cached: ModelCache) -> None:
    (cached.cache_dir / "midas_midas_small.pkl").write_bytes(b"rubbish")
    assert load(cached).source == "pt"
    assert cached.shelf.store.is_stamped("midas_small", "pt")


def test_an_imported_model_survives_the_loss_of_its_pkl(tiny_checkpoint: Path) -> None:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    (cache.cache_dir / "midas_mine.pkl").unlink()
    loaded = loader.load("Mine", ModelCache())
    assert (loaded.source, loaded.spec.network) == ("pt", "depthmap_tiny")


def test_without_the_cache_nothing_is_read_from_it_or_left_in_it(
    cached: ModelCache, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    before = {path: path.stat().st_mtime_ns for path in cached.cache_dir.rglob("*")}
    loaded = load(cached, use_cache=False)
    assert loaded.source == "download"
    assert torch.isfinite(loaded.network(torch.zeros(1, 3, 64, 64))).all()
    monkeypatch.setenv("DEPTHMAP_DISABLE_CACHE", "1")
    assert load(ModelCache()).source == "download"
    empty = ModelCache(tmp_path / "never")
    load(empty)
    assert not (tmp_path / "never").exists()
    assert {path: path.stat().st_mtime_ns for path in cached.cache_dir.rglob("*")} == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_model_that_cannot_be_had_is_an_error_that_names_every_way_out() -> None:
    with pytest.raises(ModelUnavailable) as caught:
        loader.load("DPT_Large", ModelCache())
    for way in ("models download", "models import", "DEPTHMAP_MIRRORS", "Depthmap_Tiny"):
        assert way in caught.value.remedy
    with pytest.raises(UnknownModel):
        loader.load("DPT_Huge", ModelCache())


def test_the_embedded_model_needs_no_cache_and_leaves_none() -> None:
    cache = ModelCache()
    loaded = loader.load("Depthmap_Tiny", cache)
    assert loaded.source == "embedded"
    assert {tensor.dtype for tensor in loaded.network.state_dict().values()} <= {torch.float32, torch.int64}
    assert not cache.cache_dir.exists()


def test_the_embedded_model_is_exported_and_imported_like_any_other(tmp_path: Path) -> None:
    cache = ModelCache()
    cache.export("depthmap_tiny", tmp_path / "x.h5")
    cache.import_file(tmp_path / "x.h5", "copy")
    copy, original = loader.load("copy", cache), loader.load("Depthmap_Tiny", cache)
    picture = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(copy.network(picture), original.network(picture))


def test_the_default_is_what_the_environment_names_else_the_most_accurate_cached_else_the_embedded(
    mirror: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loader.choose(ModelCache())[0].name == "Depthmap_Tiny"
    ModelCache().download("MiDaS_small", ["pt"])
    spec, reason = loader.choose(ModelCache())
    assert (spec.name, reason) == ("MiDaS_small", "the most accurate model in the cache")
    monkeypatch.setenv("DEPTHMAP_MODEL", "depthmap_tiny")
    assert loader.choose(ModelCache())[0].name == "Depthmap_Tiny"
    monkeypatch.setenv("DEPTHMAP_MODEL", "nope")
    with pytest.raises(UnknownModel):
        loader.choose(ModelCache())


def test_with_everything_cached_no_socket_is_opened(cached: ModelCache) -> None:
    code = """
import sys, socket
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
sys.addaudithook(lambda event, args: refuse() if event.startswith("socket.") else None)
import depthmap
print(depthmap.DepthEstimator("MiDaS_small").source, "httpx" in sys.modules)
"""
    done = python(code, DEPTHMAP_OFFLINE="0")
    assert done.stdout.split() == ["pt", "False"], done.stderr


def test_a_download_goes_over_http(
    mirror: Path, serve: Callable[[Path], FileServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(tmp_path / "mirror")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", server.url)
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    assert load(ModelCache()).source == "download"
    assert server.requests[-1] == "/midas_v21_small_256.pt"


def test_every_network_of_the_catalogue_can_be_built() -> None:
    for spec in CATALOG.values():
        parameters = sum(p.numel() for p in networks.build(spec.network).parameters())
        assert 0 < parameters <= spec.parameters


@pytest.mark.parametrize("format", ["pt", "h5"])
@pytest.mark.parametrize(
    ("model", "limit"),
    [("MiDaS_small", 5), pytest.param("DPT_Large", 50, marks=pytest.mark.slow)],  # 82 MB and 1.4 GB
)
def test_a_full_size_model_is_loaded_without_a_copy(
    model: str,
    limit: int,
    format: str,
    tmp_path: Path,
    checkpoint: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Private memory grows by less than so many MB, and no tensor lies outside the mapping."""
    published = checkpoint(model)
    catalog = write_catalog(tmp_path / "catalog.json", **{model: published})
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(catalog))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", published.parents[1].as_uri())
    ModelCache().download(model, [format])
    code = f"""
import torch, h5py
from pathlib import Path
from depthmap import loader
from depthmap.cache import ModelCache

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Dirty:", "Private_Clean:"))) / 1024

loader.load("Depthmap_Tiny", ModelCache())  # what the first load of a process allocates is not the model's
before = private()
loaded = loader.load("{model}", ModelCache())
grown = private() - before
lines = [l for l in Path("/proc/self/maps").read_text().splitlines() if l.endswith(str(loaded.path))]
ranges = [tuple(int(x, 16) for x in l.split()[0].split("-")) for l in lines]
inside = all(any(a <= t.data_ptr() < b for a, b in ranges) for t in loaded.network.state_dict().values())
print(loaded.source, inside, grown)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    source, inside, grown = done.stdout.split()
    assert (source, inside) == (format, "True")
    assert float(grown) < limit


def test_loading_says_nothing_when_all_is_well(cached: ModelCache, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    load(cached)
    assert caplog.text == ""


def test_garbage_is_not_collected_during_a_load_and_as_before_after_it(
    cached: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    fill = networks.fill
    monkeypatch.setattr(networks, "fill", lambda *args: (seen.append(gc.isenabled()), fill(*args)))
    load(cached)
    assert (seen, gc.isenabled()) == ([False], True)
    with pytest.raises(UnknownModel):
        loader.load("nope", cached)
    monkeypatch.setattr(networks, "fill", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load(cached)
    assert gc.isenabled()
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError):
            load(cached)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("how", ["map", "read"])
def test_what_is_mapped_is_read_ahead_once_it_is_loaded_and_what_is_read_is_not(
    how: str, cached: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(loader, "read_ahead", asked.append)
    monkeypatch.setenv("DEPTHMAP_LOAD", how)
    loaded = load(ModelCache())
    assert asked == ([loaded.path] if how == "map" else [])
