"""Engines run what torch runs, without torch, on any size, in as little memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from depthmap import DepthEstimator
from depthmap.cache import ModelCache
from depthmap.engines import ENGINES, cores, devices, order
from depthmap.engines.parity import TOLERANCE
from depthmap.errors import UsageError
from support import PHOTO, python

ENGINE = pytest.mark.parametrize("engine", ENGINES)
SMALL = 'from depthmap import DepthEstimator; DepthEstimator("Depthmap_Tiny", engine="{engine}").predict("{photo}")'


def difference(ours: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


@ENGINE
@pytest.mark.parametrize("size", [(640, 427), (427, 640), (96, 96), (1000, 90)])
def test_an_engine_gives_the_map_that_torch_gives(engine: str, size: tuple[int, int]) -> None:
    with Image.open(PHOTO) as photo:
        picture = photo.resize(size)
    reference = DepthEstimator("Depthmap_Tiny", engine="torch").predict(picture)
    assert difference(DepthEstimator("Depthmap_Tiny", engine=engine).predict(picture), reference) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", *ENGINES])
def test_for_many_pictures_the_map_is_the_same(engine: str) -> None:
    with Image.open(PHOTO) as photo:
        picture = photo.resize((640, 427))
    reference = DepthEstimator("Depthmap_Tiny", engine="torch", optimize=False).predict(picture)
    for optimize in (False, True):
        estimator = DepthEstimator("Depthmap_Tiny", engine=engine, optimize=optimize, pictures=100)
        assert difference(estimator.predict(picture), reference) < TOLERANCE


@ENGINE
def test_pictures_of_many_sizes_in_one_call_give_what_each_alone_gives(engine: str) -> None:
    with Image.open(PHOTO) as photo:
        pictures = [photo.resize(size) for size in ((64, 96), (96, 64), (64, 96), (200, 96))]
    estimator = DepthEstimator("Depthmap_Tiny", engine=engine)
    together = estimator.predict_batch(pictures)
    for picture, inverse_depth in zip(pictures, together, strict=True):
        assert difference(inverse_depth, estimator.predict(picture)) < TOLERANCE


@pytest.mark.slow
@ENGINE
def test_threads_share_an_engine_and_none_sees_another_s_map(engine: str) -> None:
    with Image.open(PHOTO) as photo:
        pictures = [photo.resize((96, 64)).rotate(12 * n) for n in range(12)]
    estimator = DepthEstimator("Depthmap_Tiny", engine=engine)
    expected = [estimator.predict(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for inverse_depth, alone in zip(pool.map(estimator.predict, pictures), expected, strict=True):
            assert difference(inverse_depth, alone) < TOLERANCE


@ENGINE
def test_neither_torch_nor_a_network_is_needed(engine: str) -> None:
    code = f"""
import sys
def watch(event, args):
    if event.startswith("socket.") and event != "socket.__new__":
        raise SystemExit(f"{{event}} {{args}}")
sys.addaudithook(watch)
{SMALL.format(engine=engine, photo=PHOTO)}
print(sorted({{"torch", "h5py", "httpx", "openvino", "onnxruntime"}} & set(sys.modules)))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"['{engine}']"


@ENGINE
def test_an_engine_leaves_nothing_in_the_user_s_home_and_reports_to_nobody(
    engine: str, tmp_path: Path
) -> None:
    """Both have telemetry: what would be sent is first written there."""
    code = SMALL.format(engine=engine, photo=PHOTO)
    done = python(code, HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists()


def test_predict_from_the_command_line_does_not_import_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from depthmap.cli import main
assert main(["predict", "{PHOTO}", "-o", "{tmp_path}"]) == 0
print("torch" in sys.modules)
"""
    done = python(code)
    assert done.stdout.split()[-1] == "False", done.stderr
    assert len(list(tmp_path.glob("*.png"))) == 2


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.slow  # benchmarks.sizes measures it too
def test_memory_does_not_grow_with_the_number_of_sizes(engine: str) -> None:
    code = f"""
import numpy as np
from depthmap.loader import choose
from depthmap.cache import ModelCache
from depthmap.opener import open_model
run = open_model("Depthmap_Tiny", ModelCache(), ["{engine}"]).runner
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
sizes = [(32 * h, 32 * w) for h in range(2, 13, 2) for w in range(2, 13, 2)]
def rounds(number):
    for _ in range(number):
        for h, w in sizes:
            run(np.zeros((1, 3, h, w), np.float32))
    return resident()
run(np.zeros((1, 3, 384, 384), np.float32))
largest = resident()
once = rounds(1)
print((once - largest) / 1e6, (rounds(2) - once) / 1e6)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    for_all_sizes, for_all_again = map(float, done.stdout.split())
    assert for_all_sizes < 150, "MB more than the largest of 36 sizes takes"
    assert for_all_again < 50, "MB more after 72 runs at sizes met before"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["MiDaS_small", "DPT_Hybrid", "MiDaS", "DPT_Large"])
def test_every_network_is_within_a_thousandth_of_torch_in_every_engine(
    model: str, checkpoint: Callable[[str], Path]
) -> None:
    cache = ModelCache()
    spec = cache.import_file(checkpoint(model), "mine", ("pt",))
    errors = cache.compile(spec.name)["errors"]
    assert {engine for engine in errors if " " not in engine} == set(ENGINES)
    with Image.open(PHOTO) as photo:
        picture = photo.resize((160, 224))
    reference = DepthEstimator("mine", engine="torch").predict(picture)
    for engine in ENGINES:
        estimator = DepthEstimator("mine", engine=engine, optimize=False)
        assert estimator.engine == engine
        assert difference(estimator.predict(picture), reference) < TOLERANCE


def test_auto_takes_the_soonest_for_one_and_the_fastest_for_many() -> None:
    assert DepthEstimator("Depthmap_Tiny").engine == order(1)[0] == "onnxruntime"
    assert DepthEstimator("Depthmap_Tiny", pictures=100).engine == order(100)[0] == "openvino"


def test_an_unknown_engine_and_an_engine_on_a_gpu_are_wrong_use() -> None:
    with pytest.raises(UsageError, match="no such engine"):
        DepthEstimator("Depthmap_Tiny", engine="tensorflow")
    with pytest.raises(UsageError, match="CPU only"):
        DepthEstimator("Depthmap_Tiny", device="cuda", engine="openvino")


def test_a_device_that_is_named_is_torch_s() -> None:
    assert DepthEstimator("Depthmap_Tiny", device="cpu").engine != "torch"
    with pytest.raises(UsageError, match="no such device"):
        DepthEstimator("Depthmap_Tiny", device="cuda:9")


def test_a_build_of_torch_for_the_cpu_is_known_without_importing_it() -> None:
    done = python(
        "import sys; from depthmap.engines.devices import may_have_gpu; print(may_have_gpu(), 'torch' in sys.modules)"
    )
    expected = devices.may_have_gpu()
    assert done.stdout.split() == [str(expected), "False"]


@given(st.integers(1, 10**7), st.integers(1000, 10**6))
def test_the_quota_of_a_container_is_read_in_both_versions(allowed: int, period: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "cpu").mkdir()
        (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{allowed}\n")
        (root / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
        assert cores.quota(root) == allowed / period
        (root / "cpu.max").write_text(f"{2 * allowed} {period}\n")
        assert cores.quota(root) == 2 * allowed / period


@pytest.mark.parametrize("content", ["max 100000", "", "x y", "1 0", "1"])
def test_no_quota_or_nonsense_is_no_limit(tmp_path: Path, content: str) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert cores.quota(tmp_path) == math.inf


def test_no_more_threads_are_used_than_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    granted = len(os.sched_getaffinity(0))
    assert 1 <= cores.usable_cores() <= granted
    code = "import os; os.sched_setaffinity(0, {next(iter(os.sched_getaffinity(0)))})\n"
    code += "from depthmap.engines.cores import usable_cores; print(usable_cores())"
    assert python(code).stdout.strip() == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert cores.usable_cores() == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked into on Linux only")
@pytest.mark.parametrize("engine", ["torch", *ENGINES])
def test_memory_stays_within_the_stated_bound_over_pictures_of_many_sizes(engine: str) -> None:
    """As benchmarks/sizes.py, which goes over 2,000 sizes."""
    script = Path(__file__).parents[2] / "benchmarks" / "scripts" / "many_sizes.py"
    command = [sys.executable, str(script), engine, "60", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["inputs"] > 15
    assert found["most"] < 200e6
