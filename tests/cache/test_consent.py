"""A licence that not everybody can live with is accepted before a download, once, and the cache says when."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cache.conftest import small
from depthmap import DepthEstimator, DepthmapError
from depthmap.cache import ModelCache
from depthmap.catalog import CATALOG
from depthmap.errors import LicenceNotAccepted, ModelUnavailable
from depthmap.loader import choose, use_weights
from support import sha256

TERMS = "CC-BY-NC-4.0"


@pytest.fixture
def closed(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file:// mirror that has Small, under a licence to be accepted; the checkpoint's path."""
    path = tmp_path / "mirror" / "small.pt"
    path.parent.mkdir()
    path.symlink_to(tiny_checkpoint)
    entry = small(tiny_checkpoint, licence=TERMS, terms=TERMS)
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [entry]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(tmp_path / "catalog.json"))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", path.parent.as_uri())
    return path


def accepted() -> tuple[str | None, str | None]:
    provenance = ModelCache().detail("small")["provenance"]
    return provenance.get("licence accepted"), provenance.get("accepted on")


@pytest.mark.usefixtures("closed")
def test_without_a_word_nothing_is_downloaded_and_the_error_says_what_where_and_how() -> None:
    with pytest.raises(LicenceNotAccepted) as error:
        ModelCache().download("small")
    assert error.value.where == "Small"
    assert f"{TERMS} (not for commercial use)" in error.value.what
    for word in (
        "https://creativecommons.org/licenses/by-nc/4.0/",
        "--accept-licence",
        "DEPTHMAP_ACCEPT=Small",
    ):
        assert word in error.value.remedy
    assert not ModelCache().is_cached("small")


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("words", ["Small", "other, small", TERMS, TERMS.lower(), "*"])
def test_the_environment_accepts_a_model_or_a_licence_by_name(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHMAP_ACCEPT", words)
    assert ModelCache().download("small", ["pt"])["pt"].is_file()


@pytest.mark.usefixtures("closed")
def test_the_name_of_something_else_accepts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_ACCEPT", "smaller, CC-BY-4.0, MIT")
    with pytest.raises(LicenceNotAccepted):
        ModelCache().download("small")


@pytest.mark.usefixtures("closed")
def test_the_cache_notes_what_was_accepted_and_when_and_does_not_ask_again() -> None:
    ModelCache().download("small", ["pt"], accept_licence=True)
    what, when = accepted()
    assert what == TERMS
    assert when
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", when)
    cache = ModelCache()
    cache.shelf.cached("small")["pt"].unlink()
    cache.download("small")
    assert accepted() == (what, when)
    cache.delete("small")
    with pytest.raises(LicenceNotAccepted):
        cache.download("small")


def test_it_is_noted_before_the_download_so_an_interrupted_one_goes_on_without_a_question(
    closed: Path, tiny_checkpoint: Path
) -> None:
    closed.unlink()
    with pytest.raises(DepthmapError, match="small") as error:
        ModelCache().download("small", accept_licence=True)
    assert not isinstance(error.value, LicenceNotAccepted)
    assert accepted()[0] == TERMS
    closed.symlink_to(tiny_checkpoint)
    assert ModelCache().download("small", ["pt"])["pt"].is_file()


@pytest.mark.usefixtures("closed")
def test_another_licence_than_the_one_accepted_is_asked_for(tmp_path: Path) -> None:
    ModelCache().download("small", ["h5"], accept_licence=True)
    path = tmp_path / "catalog.json"
    path.write_text(path.read_text().replace(TERMS, "Stricter-1.0"))
    with pytest.raises(LicenceNotAccepted, match=r"Stricter-1\.0 \(see its text\)"):
        ModelCache().download("small", ["pt"])


def test_an_estimator_asks_too_with_the_cache_and_without(closed: Path) -> None:
    for use_cache in (True, False):
        with pytest.raises(LicenceNotAccepted):
            DepthEstimator("small", engine="onnxruntime", use_cache=use_cache)
    assert (
        DepthEstimator("small", engine="onnxruntime", use_cache=False, accept_licence=True).source
        == "download"
    )
    assert not ModelCache().cache_dir.exists() or not ModelCache().shelf.files()
    assert DepthEstimator("small", engine="onnxruntime", accept_licence=True).source == "download"
    closed.unlink()
    assert DepthEstimator("small", engine="onnxruntime").source == "pt"


def test_what_one_has_already_asks_nothing(
    closed: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed.unlink()
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "Small", ["pt"])  # the published file, imported under its own name
    assert cache.download("small")["h5"].is_file()
    assert DepthEstimator("small", engine="onnxruntime").source == "pt"
    cache.delete("small")
    hub = closed.parent / "hub" / "hub" / "checkpoints" / "small.pt"
    hub.parent.mkdir(parents=True)
    hub.symlink_to(tiny_checkpoint)
    monkeypatch.setenv("TORCH_HOME", str(closed.parent / "hub"))
    catalog = closed.parents[1] / "catalog.json"
    catalog.write_text(catalog.read_text().replace('"hub_names": []', '"hub_names": ["small.pt"]'))
    assert ModelCache().adopt("small") == hub
    assert sha256(ModelCache().shelf.cached("small")["pt"]) == sha256(tiny_checkpoint)
    assert accepted() == (None, None)


@pytest.mark.usefixtures("closed")
def test_a_model_with_a_licence_to_accept_is_never_the_default() -> None:
    cache = ModelCache()
    cache.download("small", ["pt"], accept_licence=True)
    assert choose(cache)[0].name == "Depthmap_Tiny"


def test_of_fine_tuned_weights_it_is_said_why_the_stricter_licence_is_asked_for() -> None:
    spec = CATALOG["depthanythingv2_metric_indoor_base"]
    with pytest.raises(
        LicenceNotAccepted, match="by its card, though it was fine-tuned from weights under CC-BY-NC"
    ):
        use_weights(spec, ModelCache(), lambda *_: None, use_cache=False)


def test_the_recommended_model_asks_for_nothing() -> None:
    with pytest.raises(ModelUnavailable):
        ModelCache().download("DepthAnythingV2_Small")
