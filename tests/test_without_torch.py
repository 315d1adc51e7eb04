"""An environment without torch: full-size models, from the download to the map; what needs torch says so."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import depthmap
from cli.conftest import Run, run  # noqa: F401  # a fixture
from depthmap import DepthEstimator, ModelCache
from depthmap.engines import PLAIN, parity
from depthmap.engines.artefact import properties_of
from depthmap.errors import EngineUnavailable, MissingExtra
from support import GOLDENS, PHOTO, FileServer, arrays_of, write_catalog

pytestmark = pytest.mark.skipif(bool(find_spec("torch")), reason="torch is installed in this environment")
HINT = r"pip install 'depthmap\[torch\]'"


@pytest.mark.parametrize(
    "model",
    ["MiDaS_small", *(pytest.param(m, marks=pytest.mark.slow) for m in ("MiDaS", "DPT_Hybrid", "DPT_Large"))],
)
def test_a_full_size_model_is_downloaded_converted_exported_compiled_and_gives_the_official_map(
    model: str,
    synthetic: ModuleType,
    checkpoint: Callable[[str], Path],
    serve: Callable[[Path], FileServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published, golden = checkpoint(model), np.load(GOLDENS / f"{model}.npz")
    catalog = write_catalog(tmp_path / "catalog.json", **{model: published})
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(catalog))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", serve(published.parents[1]).url)
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    cache = ModelCache()
    cache.download(model)
    picture, expected = synthetic.image(480, 640, 0), golden["depth_480x640_seed0"]
    for format in ("pt", "h5"):
        estimator = DepthEstimator(model, engine=PLAIN.name)
        assert (estimator.engine, estimator.source) == (PLAIN.name, format)
        assert relative(estimator.predict(picture)[::8, ::8], expected) < 1e-4
        (cache.cache_dir / f"midas_{model.lower()}.{format}").rename(tmp_path / f"kept.{format}")
        del estimator
    (tmp_path / "kept.h5").rename(cache.cache_dir / f"midas_{model.lower()}.h5")
    exported = cache.export(model, tmp_path / "exported.pt", "pt")
    theirs, ours = arrays_of(published), arrays_of(exported)
    assert list(theirs) == list(ours)
    assert all(np.array_equal(theirs[name], ours[name]) for name in theirs)
    compiled = cache.compile(model)
    assert compiled["reference"] == PLAIN.name
    assert {"onnxruntime"} <= set(compiled["errors"]) <= {"onnxruntime", "openvino", "openvino bfloat16"}
    assert relative(DepthEstimator(model, pictures=100).predict(picture)[::8, ::8], expected) < 1e-4


def relative(ours: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(ours - reference.squeeze()).max() / np.abs(reference).max())


@pytest.fixture
def mine(tiny_checkpoint: Path) -> str:
    ModelCache().import_file(tiny_checkpoint, "mine")
    return "mine"


@pytest.mark.parametrize("asked", [{"engine": "torch"}, {"device": "cuda"}, {"device": "mps"}])
@pytest.mark.parametrize("model", ["mine", "Depthmap_Tiny"])
def test_what_torch_alone_can_do_names_the_extra(mine: str, asked: dict[str, str], model: str) -> None:
    with pytest.raises(MissingExtra, match=HINT):
        DepthEstimator(model, **asked)  # type: ignore[arg-type]  # the values are checked at run time


def test_a_network_as_a_torch_module_names_the_extra() -> None:
    with pytest.raises(MissingExtra, match=HINT):
        depthmap.load("Depthmap_Tiny", ModelCache())


def test_the_command_line_names_the_extra_before_it_reads_a_picture(run: Run) -> None:  # noqa: F811  # it is the fixture
    done = run("predict", PHOTO, "--engine", "torch")
    assert done.status == 1
    assert "depthmap[torch]" in done.err


def test_a_model_is_run_compiled_or_not_and_the_maps_are_the_same(mine: str) -> None:
    plain = DepthEstimator(mine)
    assert plain.engine == PLAIN.name
    before = plain.predict(PHOTO)
    ModelCache().compile(mine)
    assert np.array_equal(DepthEstimator(mine).predict(PHOTO), before)


def test_an_engine_that_is_not_sound_on_the_embedded_model_compiles_nothing(
    mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch gave is written in the package; a wrong engine is one that gives something else."""
    wrong = tmp_path / "depthmap_tiny.engine.onnx"
    head = parity.EMBEDDED.read_bytes()
    first = properties_of(parity.EMBEDDED)["torch"].split()[0]
    wrong.write_bytes(head.replace(first.encode(), b"9" * len(first), 1))
    shutil.copy(parity.EMBEDDED.with_name("depthmap_tiny.pt"), tmp_path)
    monkeypatch.setattr(parity, "EMBEDDED", wrong)
    parity.require_sound.cache_clear()
    with pytest.raises(EngineUnavailable, match="differs from torch by"):
        ModelCache().compile(mine)
    assert not list(ModelCache().cache_dir.glob("*.onnx"))
    parity.require_sound.cache_clear()


def test_every_command_is_there_without_torch(run: Run, mine: str, tmp_path: Path) -> None:  # noqa: F811  # it is the fixture
    for command in (
        ("models", "verify"),
        ("models", "repair", "--model", mine),
        ("models", "optimize"),
        ("models", "export", "-m", mine, "-o", tmp_path / "x.safetensors"),
        ("models", "import", "-i", tmp_path / "x.safetensors", "-n", "other"),
        ("predict", PHOTO, "-m", mine, "-o", tmp_path),
        ("batch", PHOTO.parent, "-m", mine, "-o", tmp_path / "many"),
        ("doctor",),
        ("setup", "--models", "none", "--yes"),
    ):
        done = run(*command)
        assert done.status == 0, f"{command}: {done.err}"
    assert "torch" not in sys.modules
