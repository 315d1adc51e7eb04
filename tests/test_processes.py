"""Estimators in other processes: sent there pickled, and inherited by a fork."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmap import DepthEstimator, ModelCache
from depthmap.engines import ENGINES
from depthmap.errors import UnknownModel
from support import PHOTO, python

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
        size=250,
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
        "accept_licence": False,
        "callers": 1,
        "size": 256,
        "reason": "asked for by name",
    }


def test_progress_stays_behind() -> None:
    estimator = DepthEstimator(TINY, progress=lambda *_: None)
    assert pickle.loads(pickle.dumps(estimator)).engine == estimator.engine


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_predicts_and_outlives_the_original(
    again: Callable[[DepthEstimator], DepthEstimator], picture: np.ndarray
) -> None:
    estimator = DepthEstimator(TINY)
    expected = estimator.predict(picture)
    other = again(estimator)
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


# -- forked -------------------------------------------------------------------------------------------------------

MADE = """
import os, sys, threading, time
import numpy as np
from PIL import Image
from depthmap import DepthEstimator
from forks import in_child
with Image.open({photo!r}) as photo:
    picture = np.asarray(photo.resize((160, 120)))
    other = np.asarray(photo.resize((300, 100)))
make = lambda: DepthEstimator("Depthmap_Tiny", device="cpu", engine={engine!r}, pictures={pictures})
def is_near(ours, theirs):
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()
"""
MANY = pytest.mark.parametrize("pictures", [1, pytest.param(100, marks=pytest.mark.slow)])


def forked(code: str, engine: str, pictures: int = 1, **environment: str) -> str:
    """Run a script that forks, and return what it prints."""
    before = MADE.format(photo=str(PHOTO), engine=engine, pictures=pictures)
    done = python(before + code, PYTHONPATH=str(Path(__file__).parent), **environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
    return done.stdout


@ENGINE
@MANY
def test_a_forked_child_predicts_what_its_parent_did_and_ends(engine: str, pictures: int) -> None:
    code = """
estimator = make()
before = estimator.predict(picture)
reference = make().predict(other)
def work():
    is_near(estimator.predict(picture), before)
    is_near(estimator.predict(other), reference)  # of a size that the parent's estimator has not seen
in_child(work)
in_child(work)
is_near(estimator.predict(picture), before)
"""
    forked(code, engine, pictures)


@pytest.mark.slow
@ENGINE
def test_a_child_may_make_an_estimator_of_its_own_and_a_grandchild_predict(engine: str) -> None:
    code = """
estimator = make()
before = estimator.predict(picture)
def grandchild():
    is_near(estimator.predict(picture), before)
def work():
    is_near(make().predict(picture), before)
    is_near(estimator.predict(picture), before)
    in_child(grandchild)
in_child(work)
in_child(lambda: in_child(grandchild))
"""
    forked(code, engine)


@pytest.mark.slow
@ENGINE
def test_many_threads_of_a_child_predict(engine: str) -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
estimator = make()
def all_at_once():
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(estimator.predict, [picture, other] * 4))
before = all_at_once()
def work():
    for ours, theirs in zip(all_at_once(), before, strict=True):
        is_near(ours, theirs)
    is_near(estimator.predict(picture), before[0])
in_child(work)
"""
    forked(code, engine)


@pytest.mark.slow
@ENGINE
def test_a_fork_in_the_midst_of_other_threads_predictions_does_no_harm(engine: str) -> None:
    code = """
estimator = make()
before = estimator.predict(picture)
ended = threading.Event()
def busy():
    while not ended.is_set():
        estimator.predict(picture)
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
def work():
    is_near(estimator.predict(picture), before)
try:
    for number in range(3):
        time.sleep(0.02 * number)
        in_child(work)
finally:
    ended.set()
"""
    forked(code, engine)


@pytest.mark.slow
@ENGINE
def test_a_child_of_multiprocessing_predicts(engine: str) -> None:
    code = """
import multiprocessing
estimator = make()
before = estimator.predict(picture)
with multiprocessing.get_context("fork").Pool(2) as pool:
    maps = pool.map_async(estimator.predict, [picture] * 4).get(60)  # pickled
for ours in maps:
    is_near(ours, before)
"""
    forked(code, engine)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])  # OpenVINO has one core there
def test_a_child_computes_on_as_many_cores_as_its_parent(engine: str) -> None:
    code = """
estimator = make()
def nanoseconds():
    used = {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/schedstat") as file:
            used[task] = int(file.read().split()[0])
    return used
def threads_that_worked():
    before = nanoseconds()  # NumPy's threads spin when they are made
    for _ in range(5):
        estimator.predict(picture)
    return sum(now - before.get(task, 0) > 20e6 for task, now in nanoseconds().items())
estimator.predict(picture)
expected = threads_that_worked()
assert expected >= 2, expected
def work():
    estimator.predict(picture)
    assert threads_that_worked() >= expected
in_child(work)
"""
    forked(code, engine, OMP_NUM_THREADS="2")


@pytest.mark.slow
def test_a_child_whose_model_was_replaced_since_says_so(tiny_checkpoint: Path) -> None:
    code = f"""
from depthmap import ModelCache
from depthmap.errors import EngineUnavailable
cache = ModelCache()
cache.import_file({str(tiny_checkpoint)!r}, "mine", ("pt",))
cache.compile("mine")
estimator = DepthEstimator("mine", engine="onnxruntime")
before = estimator.predict(picture)
def kept():
    assert np.array_equal(estimator.predict(picture), before)
in_child(kept)
cache.delete("mine")
def work():
    try:
        estimator.predict(picture)
    except EngineUnavailable as error:
        print(error)
in_child(work)
assert np.array_equal(estimator.predict(picture), before)
"""
    said = forked(code, "onnxruntime")
    assert "replaced or removed since its process was forked" in said
    assert "make the estimator in the child" in said


def test_a_worker_forked_while_the_server_loads_its_model_loads_it_itself() -> None:
    code = """
from depthmap import ModelCache
from depthmap.web.loaded import LoadedModels
held = LoadedModels(ModelCache())
holds, ended = threading.Event(), threading.Event()
def load():
    with held._lock:
        holds.set()
        ended.wait()
thread = threading.Thread(target=load)
thread.start()
holds.wait()
try:
    in_child(lambda: held.get().predict(picture))
finally:
    ended.set()
"""
    forked(code, "auto")
