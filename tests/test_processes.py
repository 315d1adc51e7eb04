"""Estimators in other processes: sent there pickled, and inherited by a fork."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmap import DepthEstimator, ModelCache
from depthmap.engines import ENGINES
from depthmap.errors import UnknownModel
from support import PHOTO

TINY = "Depthmap_Tiny"
ENGINE = pytest.mark.parametrize("engine", ["torch", *ENGINES])


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    with Image.open(PHOTO) as photo:
        return np.asarray(photo.resize((160, 120)))


# -- pickled ------------------------------------------------------------------------------------------------------


@ENGINE
def test_a_spawned_process_gets_an_estimator_and_makes_the_same_map(engine: str, picture: np.ndarray) -> None:
    estimator = DepthEstimator(TINY, engine=engine)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(estimator.predict, (picture,))
    assert np.array_equal(there, estimator.predict(picture))


def test_a_pickle_carries_what_the_estimator_was_made_of_and_no_weights(tmp_path: Path) -> None:
    estimator = DepthEstimator(
        TINY,
        device="cpu",
        optimize=False,
        cache_dir=tmp_path / "elsewhere",
        use_cache=False,
        engine="openvino",
        pictures=9,
    )
    pickled = pickle.dumps(estimator)
    assert len(pickled) < 1000
    state = estimator.__getstate__()
    assert pickle.loads(pickled).__getstate__() == state
    assert state == {
        "model_name": TINY,
        "device": "cpu",
        "optimize": False,
        "cache_dir": str(tmp_path / "elsewhere"),
        "use_cache": False,
        "engine": "openvino",
        "pictures": 9,
        "reason": "asked for by name",
    }


def test_progress_stays_behind() -> None:
    estimator = DepthEstimator(TINY, progress=lambda *_: None)
    assert pickle.loads(pickle.dumps(estimator)).engine == estimator.engine


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_predicts_and_outlives_the_original(again: object, picture: np.ndarray) -> None:
    estimator = DepthEstimator(TINY)
    expected = estimator.predict(picture)
    other = again(estimator)  # type: ignore[operator]
    del estimator
    assert np.array_equal(other.predict(picture), expected)


def test_a_chosen_model_stays_chosen_where_another_would_be(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, picture: np.ndarray
) -> None:
    ModelCache().import_file(tiny_checkpoint, "mine")
    monkeypatch.setenv("DEPTHMAP_MODEL", "mine")
    estimator = DepthEstimator()
    assert estimator.spec.name == "mine"
    pickled = pickle.dumps(estimator)
    monkeypatch.setenv("DEPTHMAP_MODEL", TINY)
    landed = pickle.loads(pickled)
    assert (landed.spec.name, landed.reason) == ("mine", estimator.reason)
    assert np.array_equal(landed.predict(picture), estimator.predict(picture))


def test_a_relative_cache_directory_is_found_from_another_working_directory(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ModelCache("relative").import_file(tiny_checkpoint, "mine")
    pickled = pickle.dumps(DepthEstimator("mine", cache_dir="relative"))
    monkeypatch.chdir(Path(os.sep))
    assert pickle.loads(pickled).spec.name == "mine"


def test_where_the_model_is_not_the_landing_says_so(tiny_checkpoint: Path) -> None:
    ModelCache().import_file(tiny_checkpoint, "mine")
    pickled = pickle.dumps(DepthEstimator("mine"))
    ModelCache().delete("mine")
    with pytest.raises(UnknownModel, match="mine"):
        pickle.loads(pickled)


def test_the_estimator_under_its_old_name_stays_what_it_is() -> None:
    from depthmap.generative.midas import MiDaSDepthEstimator

    landed = pickle.loads(pickle.dumps(MiDaSDepthEstimator(TINY)))
    assert type(landed) is MiDaSDepthEstimator
    assert landed.spec.name == TINY
