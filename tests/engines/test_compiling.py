"""The artefact in the cache: made on demand, verified like any file, gone with its model, never trusted blindly."""

from __future__ import annotations

import logging
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from depthmap import DepthEstimator
from depthmap.cache import ModelCache
from depthmap.engines import ENGINES, parity
from depthmap.engines.artefact import properties_of
from depthmap.errors import EngineUnavailable, UnknownModel
from support import PHOTO, flip, python, rot


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A cache directory with a model that is compiled. Read only."""
    cache = ModelCache(tmp_path_factory.mktemp("compiled"))
    cache.import_file(tiny_checkpoint, "mine")
    cache.compile("mine")
    return cache.cache_dir


@pytest.fixture
def cache(compiled: Path) -> ModelCache:
    """A cache that has a model of its own, compiled."""
    cache = ModelCache()
    shutil.copytree(compiled, cache.cache_dir)
    assert all(result["ok"] for result in cache.verify("mine"))  # and knows the copies by their stamps
    return cache


@pytest.fixture
def artefact(cache: ModelCache) -> Path:
    return cache.cache_dir / "midas_mine.engine.onnx"


def engine_of(model: str = "mine") -> str:
    """Return what runs the model, having seen that it gives what torch gives."""
    estimator = DepthEstimator(model)
    reference = DepthEstimator(model, engine="torch").predict(PHOTO)
    assert np.allclose(estimator.predict(PHOTO), reference, atol=1e-3 * np.abs(reference).max())
    return estimator.engine


def test_a_compiled_model_is_run_by_an_engine_and_another_by_torch(
    cache: ModelCache, artefact: Path, tiny_checkpoint: Path
) -> None:
    assert engine_of() == "onnxruntime"
    assert artefact.stat().st_size < 200_000, "it has weights"
    cache.import_file(tiny_checkpoint, "other")
    assert engine_of("other") == "torch"


def test_loading_never_compiles(tiny_checkpoint: Path) -> None:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    engine_of()
    assert not list(cache.cache_dir.glob("*.onnx"))


def test_an_engine_that_was_not_compiled_for_is_an_error_that_says_how(tiny_checkpoint: Path) -> None:
    ModelCache().import_file(tiny_checkpoint, "mine")
    with pytest.raises(EngineUnavailable, match="depthmap models compile --model mine"):
        DepthEstimator("mine", engine="openvino")


def test_it_is_listed_verified_and_cleared_with_its_model(cache: ModelCache, artefact: Path) -> None:
    info = cache.info()
    assert set(info["models"]["mine"]["formats"]) == {"pt", "h5", "engine.onnx", "pkl"}
    assert cache.models("engine.onnx")[0]["slug"] == "mine"
    assert {r["format"]: r["ok"] for r in cache.verify("mine")}["engine.onnx"]
    assert artefact in cache.delete("mine")
    assert not artefact.exists()


@pytest.mark.slow
def test_a_model_bound_to_its_h5_needs_no_pt(tiny_checkpoint: Path) -> None:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine", ("h5",))
    assert cache.compile("mine")["weights"] == "h5"
    assert engine_of() == "onnxruntime"


def test_a_damaged_artefact_is_found_set_aside_and_torch_runs(
    cache: ModelCache, artefact: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip(artefact, artefact.stat().st_size // 2)
    with caplog.at_level(logging.WARNING, "depthmap"):
        assert engine_of() == "torch"
    assert "set aside" in caplog.text
    assert not artefact.exists()
    cache.compile("mine")
    assert engine_of() == "onnxruntime"


def test_damage_that_no_stamp_shows_is_found_by_verify_and_removed_by_optimize(
    cache: ModelCache, artefact: Path
) -> None:
    with rot(artefact):
        flip(artefact, artefact.stat().st_size // 2)
    assert [r["format"] for r in cache.verify("mine") if not r["ok"]] == ["engine.onnx"]
    assert cache.optimize()["removed"] == [str(artefact)]
    assert engine_of() == "torch"


def test_optimize_leaves_a_whole_artefact_alone(cache: ModelCache, artefact: Path) -> None:
    assert cache.optimize()["files_removed"] == 0
    assert engine_of() == "onnxruntime"


def test_an_artefact_without_its_weights_is_no_model(cache: ModelCache, artefact: Path) -> None:
    for format in ("pt", "h5"):
        artefact.with_name(f"midas_mine.{format}").unlink()
    assert not cache.is_cached("mine")
    cache.optimize()
    assert not artefact.exists()


def test_damaged_weights_are_found_before_an_engine_has_them(cache: ModelCache, artefact: Path) -> None:
    pt = artefact.with_name("midas_mine.pt")
    flip(pt, pt.stat().st_size // 2)
    assert engine_of() == "torch"  # from the .h5
    assert not pt.exists()


def test_weights_that_were_replaced_are_not_run_by_the_old_artefact(
    cache: ModelCache, artefact: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    tensors = torch.load(tiny_checkpoint, weights_only=True)
    tensors["scratch.output_conv.4.bias"] += 1
    torch.save(tensors, tmp_path / "next.pt")
    before = artefact.read_bytes()
    cache.import_file(tmp_path / "next.pt", "mine", replace=True)
    assert engine_of() == "torch"
    artefact.write_bytes(before)  # somebody puts the old one back
    assert engine_of() == "torch"


def test_an_artefact_that_nothing_is_recorded_of_is_not_opened(
    cache: ModelCache, artefact: Path, tiny_checkpoint: Path
) -> None:
    other = ModelCache()
    other.import_file(tiny_checkpoint, "other")
    shutil.copy(artefact, artefact.with_name("midas_other.engine.onnx"))
    assert engine_of("other") == "torch"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["artefact", "compare"])
def test_killed_while_it_compiles_it_leaves_a_model_that_torch_runs(
    cache: ModelCache, artefact: Path, moment: str
) -> None:
    artefact.unlink()
    code = f"""
import os, signal
from depthmap.cache import ModelCache, compiling
original = compiling.{moment}
def then_die(*args):
    if "{moment}" == "artefact":
        original(*args)
    os.kill(os.getpid(), signal.SIGKILL)
compiling.{moment} = then_die
ModelCache().compile("mine")
"""
    assert python(code).returncode == -signal.SIGKILL
    assert "parity" not in str(properties_of(artefact))
    assert engine_of() == "torch"
    cache.compile("mine")
    assert engine_of() == "onnxruntime"


def test_an_engine_whose_maps_differ_is_an_error_and_leaves_nothing(
    cache: ModelCache, artefact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "_by_torch", lambda *_: np.ones((1, 160, 224), np.float32))
    with pytest.raises(EngineUnavailable, match="differs from torch by"):
        cache.compile("mine")
    assert not artefact.exists()
    assert all(r["ok"] for r in cache.verify("mine"))


def test_what_is_not_cached_cannot_be_compiled() -> None:
    with pytest.raises(UnknownModel, match="not in the cache"):
        ModelCache().compile("DPT_Large")


def test_the_short_type_is_used_only_where_it_was_exact_enough(cache: ModelCache, artefact: Path) -> None:
    errors = {name.removeprefix("parity:"): text for name, text in properties_of(artefact).items()}
    assert set(ENGINES) <= set(errors)
    exact = DepthEstimator("mine", engine="openvino", optimize=False).predict(PHOTO)
    optimised = DepthEstimator("mine", engine="openvino").predict(PHOTO)
    limit = 1e-2 if float(errors["openvino bfloat16"]) <= parity.HALF_TOLERANCE else 1e-5
    assert np.abs(optimised - exact).max() <= limit * np.abs(exact).max()
