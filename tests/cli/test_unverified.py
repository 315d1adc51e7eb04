"""The command line where the catalogue has no digest: what it shows, what it refuses, and how that is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Run
from hub import NOTHING, Hub
from support import PHOTO

pytestmark = pytest.mark.usefixtures("no_engines")


@pytest.fixture
def hub(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(tmp_path, tiny_checkpoint, "model.pt")
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(hub.write_catalog(tmp_path / "catalog.json")))
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
    monkeypatch.setenv("DEPTHMAP_RETRIES", "0")
    yield hub
    hub.stop()


def test_info_shows_the_stated_digest_where_it_is_from_and_of_which_commit(run: Run, hub: Hub) -> None:
    assert run("models", "download", "small", "--format", "pt").status == 0
    done = run("models", "info", "--model", "small")
    for words in (hub.sha256, "digest     stated by the source", f"{hub.base}model.pt", hub.commit):
        assert words in done.out
    shown = run("models", "info", "--json").document["models"]["small"]
    assert (shown["source_sha256"], shown["digest"]) == (hub.sha256, "stated by the source")


def test_a_rehearsal_does_not_make_up_a_size(run: Run, hub: Hub) -> None:
    done = run("models", "download", "small", "--dry-run")
    assert done.status == 0
    assert "an unknown amount to download" in done.err


def test_a_source_without_a_digest_needs_the_option_which_holds_for_one_run(run: Run, hub: Hub) -> None:
    hub.states = NOTHING
    refused = run("models", "download", "small", "--format", "pt", "--json")
    assert (refused.status, refused.document["error"]) == (1, "Unverified")
    assert "--allow-unverified" in refused.err
    assert run("models", "download", "small", "--format", "pt", "--allow-unverified").status == 0
    assert "DEPTHMAP_ALLOW_UNVERIFIED" not in os.environ
    assert "digest     first download, unverified" in run("models", "info", "small").out
    assert run("models", "verify", "small").status == 0


def test_predict_and_setup_take_the_option_too(run: Run, hub: Hub, tmp_path: Path) -> None:
    hub.states = NOTHING
    predict = ("predict", PHOTO, "--model", "small", "-o", tmp_path, "--allow-unverified")
    assert "--allow-unverified" in run(*predict[:-1]).err
    assert run(*predict, "--no-cache").status == 0
    setup = ("setup", "--models", "small", "--formats", "pt", "--yes", "--json")
    refused = run(*setup)
    assert [m["error"] for m in refused.document["failed"]] == ["Unverified"]
    assert refused.document["missing"] == []
    done = run(*setup, "--allow-unverified")
    assert "Small" in [model["model"] for model in done.document["ready"]]


def test_a_gated_model_is_a_failure_of_setup_that_says_how_to_get_leave(run: Run, hub: Hub) -> None:
    hub.gated = 403
    done = run("setup", "--models", "small", "--yes", "--json")
    assert [m["error"] for m in done.document["failed"]] == ["AccessDenied"]
    assert "HF_TOKEN" in done.document["failed"][0]["remedy"]
