"""A model of which the catalogue has no digest: the source states it, and the model is held to it ever after."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthmap import formats, loader
from depthmap.cache import ModelCache
from depthmap.download import hub as hubs
from depthmap.download import stated
from depthmap.errors import (
    AccessDenied,
    DepthmapError,
    DigestMismatch,
    DownloadError,
    UnrecognisedFile,
    Unverified,
    UsageError,
)
from depthmap.formats.arrays import map_arrays
from depthmap.store.names import TENSOR_FORMATS
from faults.servers import MIB, answers, dripping, etag, reset, stalled, truncated
from hub import COMMIT, NOTHING, POINTER, REPOSITORY, Hub
from support import FileServer, arrays_of, flip, rot, sha256

STATED, UNVERIFIED = "stated by the source", "first download, unverified"
Start = Callable[..., Hub]
Variant = Callable[[str], Path]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the hub with a file, and set what makes depthmap ask it."""
    started: list[Hub] = []

    def begin(source: Path, name: str = "model.pt", **more: Any) -> Hub:
        hub = Hub(tmp_path, source, name)
        started.append(hub)
        monkeypatch.setenv("DEPTHMAP_CATALOG", str(hub.write_catalog(tmp_path / "catalog.json", **more)))
        return hub

    for variable in ("HF_TOKEN", "HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
    monkeypatch.setenv("DEPTHMAP_RETRIES", "0")
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "10")
    yield begin
    for hub in started:
        hub.stop()


@pytest.fixture
def hub(start: Start, variant: Variant) -> Hub:
    """A hub that has a checkpoint as the cache has them."""
    return start(variant("small"))


def record() -> dict[str, str]:
    """Return what the ``.pkl`` says of where Small came from."""
    return dict(ModelCache().detail("small")["provenance"])


def fails(kind: type[DepthmapError], words: str | None = None, *wanted: str) -> DepthmapError:
    """Download Small in vain; nothing may look whole."""
    cache = ModelCache()
    before = cache.is_cached("small")
    with pytest.raises(kind, match=words) as caught:
        cache.download("small", wanted or TENSOR_FORMATS)
    assert cache.is_cached("small") == before
    return caught.value


def same(path: Path, expected: Path) -> bool:
    """Tell whether two files hold the same tensors."""
    found, wanted = arrays_of(path), arrays_of(expected)
    return list(found) == list(wanted) and all(np.array_equal(found[name], wanted[name]) for name in wanted)


# -- what the source states ------------------------------------------------------------------------------


def test_the_digest_in_the_hub_s_answer_is_verified_and_recorded_with_how_it_was_learned(
    hub: Hub, variant: Variant
) -> None:
    files = ModelCache().download("small")
    assert sha256(files["pt"]) == sha256(variant("small"))
    assert same(files["h5"], variant("small"))
    said = record()
    assert (said["sha256"], said["digest"], said["commit"]) == (hub.sha256, STATED, COMMIT)
    assert (said["bytes"], said["url"]) == (str(hub.size), f"{hub.base}model.pt")
    assert (hub.heads(), hub.cdn.sent) == (1, hub.size)
    assert "Signature" not in str(said)


def test_where_the_answer_states_none_the_pointer_of_the_large_file_does(hub: Hub) -> None:
    hub.states = POINTER
    ModelCache().download("small", ["pt"])
    said = record()
    assert (said["sha256"], said["digest"], said["bytes"]) == (hub.sha256, STATED, str(hub.size))


def test_where_the_server_does_not_answer_that_question_the_pointer_does(hub: Hub) -> None:
    hub.headless = True
    ModelCache().download("small", ["pt"])
    assert (record()["sha256"], record()["digest"]) == (hub.sha256, STATED)


def test_a_file_that_the_repository_has_not_is_said_to_be_missing(hub: Hub) -> None:
    hub.name = "another.pt"
    assert "404" in fails(DownloadError, "Entry not found").what


def test_a_repository_that_has_moved_is_followed_on_the_hub(hub: Hub) -> None:
    hub.moved = True
    ModelCache().download("small", ["pt"])
    assert record()["sha256"] == hub.sha256


def test_bytes_that_are_not_the_stated_ones_are_refused(hub: Hub) -> None:
    hub.lie = 64 * "0"
    fails(DigestMismatch)


def test_a_file_of_another_size_than_the_stated_one_is_refused(hub: Hub) -> None:
    hub.size += 1
    fails(DownloadError, "instead of")


def test_a_catalogue_s_digest_goes_before_the_source_s_word(start: Start, variant: Variant) -> None:
    source = variant("small")
    hub = start(source, sha256=sha256(source), bytes=source.stat().st_size)
    hub.lie = 64 * "0"
    ModelCache().download("small", ["pt"])
    assert hub.heads() == 0
    assert record()["digest"] == "published"


def test_what_comes_in_the_clear_from_elsewhere_is_no_statement_and_is_not_asked_for() -> None:
    assert stated("http://models.invalid/owner/name/resolve/main/model.pt", 1, 0) == ("", 0, "")
    with pytest.raises(DownloadError):
        stated("https://models.invalid/owner/name/resolve/main/model.pt", 1, 0)


def test_a_hub_that_drips_its_answer_is_not_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = hub.cdn
    slow.faults = (dripping(-1),)
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "0.5")
    hub.write_catalog(Path(ModelCache().settings.catalog or ""), base=slow.url, path=hub.sha256)
    fails(DownloadError, "no answer")


def test_the_rate_limit_of_the_hub_is_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_RETRIES", "2")
    hub.limited = 2
    ModelCache().download("small", ["pt"])
    assert hub.heads() == 3
    hub.limited = 99
    ModelCache().clear()
    assert "429" in fails(DownloadError).what


def test_a_rehearsal_asks_nobody_and_says_so(hub: Hub) -> None:
    plan = ModelCache().plan_download("small")
    assert (plan["download_bytes"], plan["sha256"], plan["digest"]) == (0, "", "")
    assert hub.requests == []
    ModelCache().download("small", ["pt"])
    plan = ModelCache().plan_download("small")
    assert (plan["sha256"], plan["digest"]) == (hub.sha256, STATED)


def test_room_is_looked_for_by_the_stated_size(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_CACHE_MAX_SIZE", str(hub.size))
    with pytest.raises(DepthmapError, match="budget"):
        ModelCache().download("small")
    assert hub.cdn.requests == []


def test_progress_knows_the_stated_size(hub: Hub) -> None:
    seen: list[tuple[str, int, int]] = []
    ModelCache().download("small", ["pt"], lambda *step: seen.append(step))
    assert {total for what, _, total in seen if what.startswith("Downloading")} == {hub.size}


# -- gates and tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository_says_where_its_terms_are(hub: Hub, status: int) -> None:
    hub.gated = status
    error = fails(AccessDenied, f"{status}.*is restricted")
    assert f"{hub.url}{REPOSITORY}," in error.remedy
    assert "HF_TOKEN" in error.remedy


def test_a_gated_repository_says_so_too_where_the_digest_is_published_and_a_mirror_has_not_the_file(
    start: Start, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = variant("small")
    hub = start(source, sha256=sha256(source), bytes=source.stat().st_size)
    hub.gated = 403
    monkeypatch.setenv("DEPTHMAP_MIRRORS", tmp_path.as_uri())
    error = fails(AccessDenied, "is restricted")
    assert f"{hub.url}{REPOSITORY}," in error.remedy
    assert "DEPTHMAP_MIRRORS" in error.remedy


def test_a_refusal_of_the_server_that_has_the_bytes_is_about_no_terms(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    hub.cdn.faults = (answers(403),)
    error = fails(DownloadError, "403")
    assert not isinstance(error, AccessDenied)
    assert "HF_TOKEN" not in error.remedy


def test_the_token_opens_a_gated_repository_and_no_other_server_sees_it(
    hub: Hub, serve: Callable[[Path], FileServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated = 401
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    fails(AccessDenied)  # this hub is not yet known to be one
    assert {asked.authorization for asked in hub.requests} == {""}
    monkeypatch.setenv("HF_ENDPOINT", hub.url.rstrip("/"))
    mirror = Hub(tmp_path / "cache", tmp_path / "catalog.json", "none")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", mirror.url)
    hub.requests.clear()
    try:
        ModelCache().download("small", ["pt"])
        assert {asked.authorization for asked in hub.requests} == {"Bearer hf_right"}
        assert {asked.authorization for asked in mirror.requests} == {""}
        assert {asked.authorization for asked in hub.cdn.requests} == {""}
    finally:
        mirror.stop()
    assert b"hf_right" not in (tmp_path / "cache" / "midas_small.pkl").read_bytes()


def test_a_token_that_was_not_given_the_right_is_told_so_without_being_shown(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated = 403
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    error = fails(AccessDenied)
    assert "check that HF_TOKEN" in error.remedy
    assert "hf_wrong" not in str(error)
    monkeypatch.setenv("HF_TOKEN", "hf\nbroken")
    assert "broken" not in str(fails(UsageError, "HF_TOKEN"))


def test_the_token_goes_to_the_hub_alone_and_never_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hubs.authorization("https://huggingface.co/a/b/resolve/main/c") != {}
    for url in (
        "http://huggingface.co/a/b", "https://huggingface.co:8443/a", "https://huggingface.co.evil.example/a",
        "https://cdn-lfs.huggingface.co/a", "https://example.org/huggingface.co/", "http://127.0.0.1:5000/a",
        "https://huggingface.co@example.org/a", "https://example.org:99999999/a",
    ):  # fmt: skip
        assert hubs.authorization(url) == {}
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.org")
    assert hubs.authorization("http://hub.example.org/a/b") == {}


# -- held to ever after ----------------------------------------------------------------------------------


def test_what_is_cached_is_used_and_verified_without_asking(hub: Hub) -> None:
    ModelCache().download("small")
    hub.requests.clear()
    hub.cdn.heal()
    hub.lie = 64 * "0"
    ModelCache().download("small")
    assert all(row["ok"] for row in ModelCache().verify("small"))
    assert (hub.requests, hub.cdn.requests) == ([], [])


def test_a_file_that_changed_at_the_source_is_an_error_that_says_so_until_it_is_accepted(
    hub: Hub, variant: Variant
) -> None:
    ModelCache().download("small", ["pt"])
    since = record()["since"]
    (ModelCache().cache_dir / "midas_small.pt").unlink()
    hub.put(variant("other"), 40 * "d")
    hub.cdn.heal()
    error = fails(DigestMismatch, "has changed")
    assert all(
        word in error.what for word in (sha256(variant("small")), hub.sha256, since, hub.base, 12 * "d")
    )
    assert "models clear --model Small" in error.remedy
    assert hub.cdn.requests == []
    ModelCache().delete("small")
    ModelCache().download("small", ["pt"])
    assert (record()["sha256"], record()["commit"]) == (hub.sha256, 40 * "d")


def test_a_mirror_that_has_the_file_the_model_is_held_to_gives_it_when_the_source_has_another(
    hub: Hub, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ModelCache().download("small", ["pt"])["pt"]
    path.unlink()
    hub.put(variant("other"))
    mirror = tmp_path / "mirror" / REPOSITORY / "model.pt"
    monkeypatch.setenv("DEPTHMAP_MIRRORS", (tmp_path / "mirror").as_uri())
    fails(DigestMismatch, "has changed")
    mirror.parent.mkdir(parents=True)
    shutil.copy(variant("small"), mirror)
    ModelCache().download("small", ["pt"])
    assert sha256(path) == sha256(variant("small")) == record()["sha256"]


def test_a_model_that_was_evicted_or_tidied_away_is_still_held_to_its_digest(
    hub: Hub, variant: Variant
) -> None:
    ModelCache().download("small")
    record_of = ModelCache().cache_dir / "midas_small.pkl"
    assert ModelCache().evict(0, dry_run=True) == ["small"]
    assert ModelCache().evict(0) == ["small"]
    assert ModelCache().evict(0) == []
    assert not ModelCache().is_cached("small")
    assert next(row["status"] for row in ModelCache().models() if row["slug"] == "small") == "available"
    assert ModelCache().optimize()["removed"] == []
    assert list(ModelCache().shelf.cached("small").values()) == [record_of]
    hub.put(variant("other"))
    fails(DigestMismatch, "has changed")
    hub.put(variant("small"))
    ModelCache().download("small")
    assert all(row["ok"] for row in ModelCache().verify())
    ModelCache().clear()
    assert not record_of.exists()


def test_the_day_of_the_first_download_stays_recorded(hub: Hub) -> None:
    path = ModelCache().download("small", ["pt"])["pt"]
    first = record()
    path.unlink()
    ModelCache().download("small", ["pt"])
    assert {key: record()[key] for key in ("since", "digest", "sha256")} == {
        key: first[key] for key in ("since", "digest", "sha256")
    }


def test_a_damaged_file_is_repaired_by_ranges_under_the_recorded_digests(hub: Hub, variant: Variant) -> None:
    path = ModelCache().download("small", ["pt"])["pt"]
    with rot(path):
        flip(path, MIB + 5)
    hub.cdn.heal()
    (done,) = ModelCache().repair("small")
    assert (done["action"], done["leaves"]) == ("fetched", 1)
    assert hub.cdn.sent <= MIB
    assert sha256(path) == sha256(variant("small"))


def test_a_damaged_file_is_not_repaired_from_one_that_has_changed(hub: Hub, variant: Variant) -> None:
    path = ModelCache().download("small", ["pt"])["pt"]
    with rot(path):
        flip(path, MIB + 5)
    hub.put(variant("other"))
    with pytest.raises(DigestMismatch, match="has changed"):
        ModelCache().repair("small")
    assert not ModelCache().is_cached("small")


def test_a_pt_of_other_bytes_put_in_its_place_is_no_part_of_the_model(hub: Hub, variant: Variant) -> None:
    path = ModelCache().download("small", ["h5"])["h5"].with_suffix(".pt")
    shutil.copy(variant("other"), path)
    assert [row["ok"] for row in ModelCache().verify("small") if row["format"] == "pt"] == [False]
    shutil.copy(variant("small"), path)
    assert all(row["ok"] for row in ModelCache().verify("small"))


def test_offline_a_mirror_of_files_gives_what_the_model_is_held_to_and_nothing_else(
    hub: Hub, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror" / REPOSITORY / "resolve" / "main" / "model.pt"
    mirror.parent.mkdir(parents=True)
    shutil.copy(variant("small"), mirror)
    monkeypatch.setenv("DEPTHMAP_MIRRORS", (tmp_path / "mirror").as_uri())
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
    assert "DEPTHMAP_OFFLINE" in fails(Unverified).what
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
    path = ModelCache().download("small", ["pt"])["pt"]
    assert hub.cdn.requests == []
    path.unlink()
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
    ModelCache().download("small", ["pt"])
    assert sha256(path) == hub.sha256


# -- interrupted -----------------------------------------------------------------------------------------


def test_an_interrupted_download_goes_on_where_it_was(hub: Hub) -> None:
    hub.cdn.faults = (truncated(3 * MIB),)
    fails(DownloadError)
    hub.cdn.heal()
    ModelCache().download("small", ["pt"])
    assert hub.cdn.sent == hub.size - 3 * MIB


def test_a_file_that_changes_under_an_interrupted_download_is_fetched_anew(
    hub: Hub, variant: Variant
) -> None:
    hub.cdn.faults = (truncated(3 * MIB),)
    fails(DownloadError)
    hub.put(variant("other"))
    hub.cdn.heal()
    path = ModelCache().download("small", ["pt"])["pt"]
    assert sha256(path) == sha256(variant("other")) == record()["sha256"]
    assert hub.cdn.sent == hub.size


# -- nobody states it ------------------------------------------------------------------------------------


def test_a_source_that_states_no_digest_is_refused_with_the_way_to_allow_it(hub: Hub) -> None:
    hub.states = NOTHING
    error = fails(Unverified, "no SHA-256")
    assert "--allow-unverified" in error.remedy
    assert "DEPTHMAP_ALLOW_UNVERIFIED=1" in error.remedy
    assert not any(asked.method == "GET" and "/resolve/" in asked.path for asked in hub.requests)


def test_where_it_is_allowed_the_first_download_is_recorded_as_unverified_and_held_to(
    hub: Hub, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.states = NOTHING
    path = ModelCache().download("small", allow_unverified=True)["pt"]
    assert (record()["sha256"], record()["digest"]) == (sha256(variant("small")), UNVERIFIED)
    path.unlink()
    ModelCache().download("small")  # which is known by now
    path.unlink()
    hub.put(variant("other"))
    error = fails(DownloadError, "is held to")
    assert "models clear --model Small" in error.remedy
    monkeypatch.setenv("DEPTHMAP_ALLOW_UNVERIFIED", "1")
    fails(DownloadError, "is held to")
    ModelCache().delete("small")
    ModelCache().download("small")
    assert record()["sha256"] == sha256(variant("other"))


def test_a_source_that_states_the_recorded_digest_later_vouches_for_it(hub: Hub) -> None:
    hub.states = NOTHING
    path = ModelCache().download("small", ["pt"], allow_unverified=True)["pt"]
    path.unlink()
    hub.states = POINTER
    ModelCache().download("small", ["pt"])
    assert record()["digest"] == STATED


@pytest.mark.parametrize("fault", [truncated(3 * MIB), reset(3 * MIB), stalled(3 * MIB)])
def test_bytes_of_two_answers_are_never_put_together_where_no_digest_would_tell(
    hub: Hub, variant: Variant, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    slow = hub.cdn
    slow.faults = (fault.only(1), etag(""))
    hub.write_catalog(Path(ModelCache().settings.catalog or ""), base=slow.url, path=hub.sha256)
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "1")
    monkeypatch.setenv("DEPTHMAP_RETRIES", "1")
    path = ModelCache().download("small", ["pt"], allow_unverified=True)["pt"]
    assert sha256(path) == sha256(variant("small"))
    assert [(request.range, request.status) for request in slow.gets()] == [("", 200), ("", 200)]


def test_what_is_no_checkpoint_of_the_network_is_refused_though_the_source_vouches_for_it(
    start: Start, tmp_path: Path, variant: Variant
) -> None:
    page = tmp_path / "page"
    page.write_bytes(bytes(MIB))
    hub = start(page)
    assert hub.url in fails(UnrecognisedFile, "no checkpoint of Small").what
    hub.put(variant("small"))
    hub.write_catalog(tmp_path / "catalog.json", network="midas_small")
    fails(UnrecognisedFile, "depthmap_tiny")


# -- other forms of checkpoints --------------------------------------------------------------------------


def prefixed(source: Path, folder: Path) -> Path:
    """Write a checkpoint as others do who call the network ``model`` in a module of theirs."""
    path = folder / "model.safetensors"
    tensors = {f"model.{name}": array for name, array in map_arrays(source).items()}
    formats.get("safetensors").save(tensors, path)
    return path


def wrapped(source: Path, folder: Path) -> Path:
    """Write a checkpoint as others do who keep what a network is made with beside its weights."""
    import torch

    path = folder / "wrapped.pth"
    state = {name: torch.from_numpy(values.copy()) for name, values in arrays_of(source).items()}
    torch.save({"model_config": {"encoder": "tiny", "intermediate": [1, 2]}, "model": state}, path)
    return path


@pytest.fixture(params=[prefixed, wrapped])
def foreign(request: pytest.FixtureRequest, start: Start, variant: Variant, tmp_path: Path) -> Hub:
    """A hub that has a checkpoint of another form."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    source = request.param(variant("small"), folder)
    return start(source, source.name)


def test_a_checkpoint_of_another_form_becomes_a_pt_and_an_h5_like_all_others(
    foreign: Hub, variant: Variant
) -> None:
    files = ModelCache().download("small")
    assert all(same(files[format], variant("small")) for format in TENSOR_FORMATS)
    assert all(formats.scan(files[format]).mapped for format in TENSOR_FORMATS)
    said = record()
    assert (said["sha256"], said["digest"], said["how"]) == (
        foreign.sha256,
        STATED,
        "downloaded and converted",
    )
    own = ModelCache().detail("small")["sha256"]
    assert {format: own[format] for format in TENSOR_FORMATS} == {f: sha256(files[f]) for f in TENSOR_FORMATS}
    assert all(row["ok"] for row in ModelCache().verify())
    assert list((ModelCache().cache_dir / ".partial").iterdir()) == []
    loaded = loader.load("small", ModelCache())
    assert (loaded.source, loaded.sha256) == ("pt", foreign.sha256)


def test_its_one_file_is_made_of_the_other_without_a_download(foreign: Hub, variant: Variant) -> None:
    path = ModelCache().download("small", ["h5"])["h5"]
    assert list(ModelCache().shelf.cached("small")) == ["h5", "pkl"]
    foreign.requests.clear()
    assert same(ModelCache().download("small", ["pt"])["pt"], variant("small"))
    with rot(path):
        flip(path, MIB + 5)
    assert {row["action"] for row in ModelCache().repair("small")} == {"whole", "mended"}
    assert foreign.requests == []


def test_where_both_its_files_are_damaged_its_source_is_fetched_and_converted_again(
    foreign: Hub, variant: Variant
) -> None:
    for path in ModelCache().download("small").values():
        with rot(path):
            flip(path, MIB + 5)
            flip(path, path.stat().st_size - MIB)
            path.write_bytes(path.read_bytes()[:-9] + b"damaged!!")
    foreign.cdn.heal()
    ModelCache().repair("small")
    files = ModelCache().download("small")
    assert all(same(files[format], variant("small")) for format in TENSOR_FORMATS)
    assert foreign.cdn.gets()[0].range == ""
    assert all(row["ok"] for row in ModelCache().verify())


def test_its_change_at_the_source_is_an_error_too(foreign: Hub, variant: Variant) -> None:
    for path in ModelCache().download("small").values():
        path.unlink()
    foreign.put(variant("other"))
    fails(DigestMismatch, "has changed")


def test_an_interrupted_conversion_needs_no_second_download(
    foreign: Hub, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    def stop(what: str, done: int, size: int) -> None:
        if what.startswith("Writing"):
            raise Stop

    with pytest.raises(Stop):
        ModelCache().download("small", progress=stop)
    assert not ModelCache().is_cached("small")
    foreign.cdn.heal()
    files = ModelCache().download("small")
    assert same(files["pt"], variant("small"))
    assert foreign.cdn.requests == []


def test_without_a_cache_it_is_used_and_nothing_is_left(foreign: Hub, variant: Variant) -> None:
    cache = ModelCache()
    loaded = loader.load("small", cache, use_cache=False)
    assert loaded.source == "download"
    state = {name: tensor.numpy() for name, tensor in loaded.network.state_dict().items()}
    wanted = arrays_of(variant("small"))
    assert all(np.array_equal(state[name], wanted[name].astype(state[name].dtype)) for name in wanted)
    assert not cache.cache_dir.exists()


def test_with_a_published_digest_it_is_converted_all_the_same(
    start: Start, variant: Variant, tmp_path: Path
) -> None:
    source = prefixed(variant("small"), tmp_path)
    start(source, source.name, sha256=sha256(source), bytes=source.stat().st_size)
    files = ModelCache().download("small")
    assert same(files["pt"], variant("small"))
    assert (record()["sha256"], record()["digest"]) == (sha256(source), "published")


def test_it_is_still_known_when_its_record_is_lost(start: Start, variant: Variant, tmp_path: Path) -> None:
    source = prefixed(variant("small"), tmp_path)
    hub = start(source, source.name)
    files = ModelCache().download("small")
    (ModelCache().cache_dir / "midas_small.pkl").unlink()
    hub.requests.clear()
    assert ModelCache().download("small") == files
    assert hub.requests == []


# -- what the hub's own tools have ------------------------------------------------------------------------------------


def kept_by_tools(hub: Hub, folder: Path, named: str = "") -> Path:
    """Let the hub's file lie in its tools' cache, in a folder; return the path that they give for it."""
    repository = folder / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
    blob, path = repository / "blobs" / (named or hub.sha256), repository / "snapshots" / COMMIT / hub.name
    for directory in (blob.parent, path.parent):
        directory.mkdir(parents=True)
    shutil.copy(hub.folder / hub.sha256, blob)
    path.symlink_to(blob)
    return path


@pytest.mark.parametrize("form", ["plain", "foreign"])
def test_the_file_of_the_source_is_taken_from_the_cache_of_the_hub_s_tools(
    form: str, start: Start, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = variant("small") if form == "plain" else prefixed(variant("small"), tmp_path)
    hub = start(source, "folder/" + source.name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert ModelCache().adopt("small") is None
    path = kept_by_tools(hub, tmp_path / "hf")
    assert ModelCache().adopt("small") is None  # of a server that is not known to be a hub
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert ModelCache().adopt("small", dry_run=True) == path
    assert ModelCache().adopt("small") == path
    said = record()
    assert (said["sha256"], said["digest"], said["commit"]) == (hub.sha256, STATED, COMMIT)
    files = ModelCache().download("small")
    assert all(same(files[format], variant("small")) for format in TENSOR_FORMATS)
    assert hub.requests == []


def test_what_the_hub_s_tools_have_must_be_what_the_model_is_held_to(
    hub: Hub, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    for path in ModelCache().download("small").values():
        path.unlink()
    hub.put(variant("other"))
    kept_by_tools(hub, tmp_path / "hf")
    assert ModelCache().adopt("small") is None


@pytest.mark.parametrize("named", ["etag-of-git", 64 * "0"])
def test_a_file_of_those_tools_that_its_name_does_not_vouch_for_is_not_taken(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    kept_by_tools(hub, tmp_path / "hf", named)
    assert ModelCache().adopt("small") is None


# -- shown -----------------------------------------------------------------------------------------------


def test_info_shows_the_digest_and_how_it_is_known(hub: Hub) -> None:
    ModelCache().download("small", ["pt"])
    shown = ModelCache().info()["models"]["small"]
    assert (shown["source_sha256"], shown["digest"]) == (hub.sha256, STATED)


def test_an_import_under_the_name_must_be_the_file_that_the_model_is_held_to(
    hub: Hub, variant: Variant
) -> None:
    with pytest.raises(UsageError, match="another file"):
        ModelCache().import_file(variant("small"), "small")
    for path in ModelCache().download("small").values():
        path.unlink()
    with pytest.raises(UsageError, match="another file"):
        ModelCache().import_file(variant("other"), "small")
    ModelCache().import_file(variant("small"), "small")
    assert (record()["how"], record()["sha256"], record()["digest"]) == ("imported", hub.sha256, STATED)


def test_the_catalogue_file_needs_no_digest(hub: Hub) -> None:
    catalog = Path(ModelCache().settings.catalog or "")
    assert json.loads(catalog.read_text())["models"][0]["sha256"] == ""
    assert ModelCache().models()[-1]["status"] == "available"
