"""The import names, functions and return shapes that users have."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from depthmap.errors import (
    CacheNotWritable,
    InsufficientDiskSpace,
    ModelFileCorrupted,
    ModelUnavailable,
    UsageError,
)
from depthmap.errors import NetworkTimeout as NetworkTimeoutError
from depthmap.generative.midas import MiDaSDepthEstimator
from depthmap.utils.model_manager import ModelManager, get_model_manager
from support import flip, python


@pytest.fixture
def manager(tiny_checkpoint: Path) -> ModelManager:
    manager = get_model_manager()
    assert manager.import_model(tiny_checkpoint, "My_Custom_Model") == "my_custom_model"
    return manager


def test_the_manager_is_one_and_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_model_manager() is get_model_manager()
    assert get_model_manager().cache_dir == tmp_path / "cache"
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", str(tmp_path / "other"))
    assert get_model_manager().cache_dir == tmp_path / "other"
    assert get_model_manager(tmp_path / "third").cache_dir == tmp_path / "third"


def test_the_manager_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from depthmap.utils.model_manager import get_model_manager;"
        "get_model_manager().get_cache_stats(); print({'torch', 'numpy', 'h5py', 'httpx'} & set(sys.modules))"
    )
    assert python(code).stdout.strip() == "set()"


def test_cache_info_has_its_keys(manager: ModelManager) -> None:
    info = manager.get_cache_info()
    assert set(info) == {"cache_dir", "models", "total_size_mb", "total_files", "formats"}
    assert info["formats"] == {"pt": 1, "h5": 1, "pkl": 1}
    assert info["total_files"] == 3
    model = info["models"]["my_custom_model"]
    assert set(model) == {"formats", "total_size_mb", "last_modified", "source_sha256", "digest"}
    assert set(model["formats"]["pt"]) == {"size_mb", "path", "last_modified"}
    path = Path(model["formats"]["pt"]["path"])
    assert path == manager.cache_dir / "midas_my_custom_model.pt"
    assert model["formats"]["pt"]["size_mb"] == pytest.approx(path.stat().st_size / 1e6, abs=0.001)


def test_cache_stats_have_their_keys(manager: ModelManager) -> None:
    stats = manager.get_cache_stats()
    assert set(stats) == {
        "total_models",
        "total_size_mb",
        "total_files",
        "formats",
        "average_model_size_mb",
        "largest_model",
        "smallest_model",
        "cache_health",
    }
    assert (stats["total_models"], stats["cache_health"]) == (1, "good")
    assert stats["largest_model"] == stats["smallest_model"]
    assert set(stats["largest_model"]) == {"name", "size_mb"}


def test_models_are_found_exported_and_deleted(manager: ModelManager, tmp_path: Path) -> None:
    assert manager.is_model_cached("my_custom_model", format="pt")
    assert manager.is_model_cached("MY_CUSTOM_MODEL")
    assert not manager.is_model_cached("dpt_large", format="pt")
    assert manager.export_model("my_custom_model", str(tmp_path / "x.h5"), format="h5")
    assert (tmp_path / "x.h5").stat().st_size > 10**7
    with pytest.raises(ModelUnavailable):
        manager.export_model("dpt_large", tmp_path / "y.h5", format="h5")
    assert manager.delete_model("my_custom_model") is True
    assert manager.get_cache_info()["total_files"] == 0


def test_clearing_needs_a_word(manager: ModelManager) -> None:
    with pytest.raises(UsageError, match="confirm=True"):
        manager.clear_cache()
    assert manager.is_model_cached("my_custom_model")
    assert manager.clear_cache(confirm=True) is True
    assert manager.clear_cache(confirm=True) is False


def test_optimising_says_what_it_did(manager: ModelManager) -> None:
    damaged = manager.cache_dir / "midas_my_custom_model.h5"
    flip(damaged, 1_000_000)
    done = manager.optimize_cache()  # the .pt holds the same tensors: it is mended
    assert set(done) == {"files_checked", "files_removed", "space_freed_mb", "errors"}
    assert (done["files_removed"], done["errors"]) == (0, [])
    damaged.with_suffix(".pt").unlink()
    flip(damaged, 1_000_000)
    done = manager.optimize_cache()
    assert done["files_removed"] == 2, "with it, the metadata that spoke of nothing else"
    assert done["errors"] == []
    assert done["space_freed_mb"] > 10


def test_the_estimator_takes_its_arguments_and_an_imported_model(manager: ModelManager) -> None:
    parameters = inspect.signature(MiDaSDepthEstimator).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert defaults == {
        "model_name": "DPT_Large",
        "device": None,
        "optimize": True,
        "cache_dir": None,
        "use_cache": True,
    }
    estimator = MiDaSDepthEstimator(model_name="my_custom_model", cache_dir=manager.cache_dir)
    depth = estimator.predict(np.zeros((48, 64, 3), np.uint8))
    assert (depth.shape, depth.dtype) == ((48, 64), np.float32)


def test_without_a_name_the_estimator_is_dpt_large_and_nothing_else() -> None:
    with pytest.raises(ModelUnavailable, match="DPT_Large"):
        MiDaSDepthEstimator()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CacheNotWritable, "Cache directory not writable"),
        (ModelFileCorrupted, "Model file corrupted"),
        (InsufficientDiskSpace, "Insufficient disk space"),
        (NetworkTimeoutError, "Network timeout"),
    ],
)
def test_errors_have_the_words_that_users_know(error: type[CacheNotWritable], words: str) -> None:
    assert str(error("why", "where", "Do this.")) == f"{words}: why (where). Do this."
