"""A model that was never compiled: the plain engine opens its weights where they lie."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from depthmap import DepthEstimator, plain
from depthmap.cache import ModelCache
from depthmap.catalog import EMBEDDED
from depthmap.errors import DepthmapError, EngineUnavailable
from support import PHOTO, flip, python, sha256

ENGINE = "onnxruntime"
FORKS = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


@pytest.fixture
def cache(tiny_checkpoint: Path) -> ModelCache:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    return cache


@pytest.fixture
def expected(cache: ModelCache) -> np.ndarray:
    return DepthEstimator("mine", engine="torch").predict(PHOTO)


def require_right(estimator: DepthEstimator, expected: np.ndarray) -> None:
    assert estimator.engine == ENGINE
    assert np.allclose(estimator.predict(PHOTO), expected, atol=1e-4 * abs(expected).max())


def is_mapped(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


def publish(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file be what the catalogue has as Toy, and its folder the mirror."""
    toy = {"name": "Toy", "path": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
    (folder / "catalog.json").write_text(
        json.dumps({"models": [{**EMBEDDED.to_dict(), "embedded": "", "hub_names": [], **toy}]})
    )
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(folder / "catalog.json"))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", path.parent.as_uri())


@pytest.mark.parametrize("pictures", [1, 100])
@pytest.mark.parametrize("format", ["pt", "h5"])
def test_it_gives_what_torch_gives_from_the_first_file_there_is(
    cache: ModelCache, expected: np.ndarray, format: str, pictures: int
) -> None:
    if format == "h5":
        (cache.cache_dir / "midas_mine.pt").unlink()
    estimator = DepthEstimator("mine", engine=ENGINE, pictures=pictures)
    assert estimator.source == format
    require_right(estimator, expected)
    assert cache.usage()["in_use"] == ["mine"]
    assert not list(cache.cache_dir.glob("*.onnx"))


def test_damaged_weights_are_set_aside_and_the_next_file_is_opened(
    cache: ModelCache, expected: np.ndarray
) -> None:
    path = cache.cache_dir / "midas_mine.pt"
    flip(path, path.stat().st_size // 2)
    estimator = DepthEstimator("mine", engine=ENGINE)
    assert estimator.source == "h5"
    assert not path.exists()
    require_right(estimator, expected)


def test_what_is_to_be_read_is_not_mapped_where_it_lies(
    cache: ModelCache, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHMAP_LOAD", "read")
    estimator = DepthEstimator("mine", engine=ENGINE)
    require_right(estimator, expected)
    assert not is_mapped(cache.cache_dir / "midas_mine.pt")


@pytest.mark.parametrize("kind", ["new", "legacy", "wrapped"])
def test_without_the_cache_a_download_of_any_kind_of_pt_is_opened_and_nothing_is_left(
    kind: str, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = DepthEstimator("Depthmap_Tiny", engine=ENGINE).predict(PHOTO)
    state = torch.load(Path(plain.__file__).parent / "embedded" / "depthmap_tiny.pt", weights_only=True)
    published = tmp_path / "mirror" / "toy.pt"
    published.parent.mkdir()
    content = {"state_dict": state} if kind == "wrapped" else state
    torch.save(content, published, _use_new_zipfile_serialization=kind != "legacy")
    publish(published, tmp_path, monkeypatch)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    estimator = DepthEstimator("Toy", engine=ENGINE, use_cache=False)
    assert (estimator.engine, estimator.source) == (ENGINE, "download")
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not ModelCache().is_cached("toy")
    require_right(estimator, expected)


def test_weights_that_are_a_link_to_another_disk_are_opened(
    cache: ModelCache, expected: np.ndarray, tmp_path: Path
) -> None:
    path = cache.cache_dir / "midas_mine.pt"
    path.rename(tmp_path / "elsewhere.pt")
    path.symlink_to(tmp_path / "elsewhere.pt")
    estimator = DepthEstimator("mine", engine=ENGINE)
    assert estimator.source == "pt"
    require_right(estimator, expected)


def test_tensors_that_do_not_fit_are_an_error_that_names_them(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(tiny_checkpoint, weights_only=True)
    del state["scratch.output_conv.4.bias"]
    torch.save(state, tmp_path / "toy.pt")
    publish(tmp_path / "toy.pt", tmp_path, monkeypatch)
    with pytest.raises(DepthmapError, match=r"missing.*output_conv\.4\.bias"):
        DepthEstimator("Toy", engine=ENGINE, use_cache=False)


def test_tensors_that_are_views_of_others_are_opened_too(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """A training may save a convolution's weights with the channels last."""
    state = torch.load(tiny_checkpoint, weights_only=True)
    last = {n: t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for n, t in state.items()}
    torch.save(last, tmp_path / "last.pt")
    cache = ModelCache()
    cache.import_file(tmp_path / "last.pt", "last")
    for format in ("pt", "h5"):
        estimator = DepthEstimator("last", engine=ENGINE)
        assert estimator.source == format
        require_right(estimator, DepthEstimator("last", engine="torch").predict(PHOTO))
        (cache.cache_dir / f"midas_last.{format}").unlink()


def test_a_type_that_the_engine_lacks_is_an_error_and_the_file_stays(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    state = torch.load(tiny_checkpoint, weights_only=True)
    name = "scratch.output_conv.4.bias"
    torch.save(state | {name: state[name].to(torch.float8_e4m3fn)}, tmp_path / "short.pt")
    cache = ModelCache()
    cache.import_file(tmp_path / "short.pt", "short")
    with pytest.raises(EngineUnavailable, match=r"float8_e4m3fn.*pip install 'depthmap\[torch\]'"):
        DepthEstimator("short", engine=ENGINE)
    assert (cache.cache_dir / "midas_short.pt").exists()


@FORKS
def test_a_forked_child_opens_it_again(cache: ModelCache) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from forks import in_child
from depthmap import DepthEstimator
estimator = DepthEstimator("mine", engine="{ENGINE}")
before = estimator.predict("{PHOTO}")
in_child(lambda: (estimator.predict("{PHOTO}") == before).all() or sys.exit(1))
print("right")
"""
    done = python(code)
    assert done.stdout.strip() == "right", done.stderr


def test_it_is_pickled_and_opened_again(cache: ModelCache, expected: np.ndarray) -> None:
    import pickle

    estimator = DepthEstimator("mine", engine=ENGINE)
    require_right(pickle.loads(pickle.dumps(estimator)), expected)


def test_a_file_that_is_replaced_while_it_is_opened_is_opened_again(
    cache: ModelCache, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(tiny_checkpoint, weights_only=True)
    state["scratch.output_conv.4.bias"] += 1
    torch.save(state, tmp_path / "next.pt")
    original, done = plain.artefact, []

    def replaced(*args: object) -> bytes:
        if not done:
            done.append(1)
            cache.import_file(tmp_path / "next.pt", "mine", replace=True)
        return original(*args)  # type: ignore[arg-type]  # passed on

    with monkeypatch.context() as patch:
        patch.setattr(plain, "artefact", replaced)
        estimator = DepthEstimator("mine", engine=ENGINE)
    require_right(estimator, DepthEstimator("mine", engine="torch").predict(PHOTO))


def test_by_itself_it_serves_many_pictures_and_torch_a_few(cache: ModelCache, expected: np.ndarray) -> None:
    require_right(DepthEstimator("mine", "cpu", pictures=100), expected)
    assert DepthEstimator("mine", "cpu", pictures=1).engine == "torch"
