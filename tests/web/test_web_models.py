"""Models over HTTP: what there is of them, upkeep of one, files in and out."""

from __future__ import annotations

import io
import json
import pickle
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from depthmap import formats
from depthmap.cache import ModelCache
from depthmap.formats import metadata
from depthmap.settings import Settings
from support import flip, rot, sha256

from .conftest import MODEL, WebServer, is_failure

MIB = 1 << 20
API = "/api/models"


def staged(cache_dir: Path) -> list[str]:
    """Return what lies where the cache stages files."""
    return sorted(path.name for path in (cache_dir / ".partial").glob("*"))


def test_the_models_are_those_of_status_with_what_each_needs_and_their_disk(
    start: Callable[..., WebServer], online: Settings
) -> None:
    client = start(replace(online, max_size=10**9)).client
    reply, status = client.get(API).json(), client.get(f"{API}/status").json()
    more = ("memory_mb", "compiled", "can_default")
    assert [{k: v for k, v in row.items() if k not in more} for row in reply["models"]] == status["models"]
    rows = {row["name"]: row for row in reply["models"]}
    assert {row["memory_mb"] >= 500 for row in rows.values()} == {True}
    assert (rows["Depthmap_Tiny"]["compiled"], rows["Small"]["compiled"]) == (True, False)
    assert [rows[name]["can_default"] for name in ("Depthmap_Tiny", "Small", "Closed", MODEL)] == [
        True, True, False, False
    ]  # fmt: skip
    assert reply["default_model"] == status["default_model"]
    size = sum(path.stat().st_size for path in online.cache_dir.glob("midas_*"))
    assert reply["disk"] == {
        "used_bytes": size,
        "budget_bytes": 10**9,
        "free_bytes": reply["disk"]["free_bytes"],
        "cache_dir": str(online.cache_dir),
    }
    assert reply["disk"]["free_bytes"] > 0
    assert reply["health"] == "good"


def test_damage_is_found_and_repaired(server: WebServer) -> None:
    path = server.cache_dir / f"midas_{MODEL}.pt"
    before = sha256(path)
    whole = server.client.post(f"{API}/{MODEL}/verify").json()
    assert (whole["damaged"], {row["format"] for row in whole["files"]}) == (0, {"pt", "h5", "pkl"})
    with rot(path):
        flip(path, MIB + 5)
    damaged = server.client.post(f"{API}/{MODEL.upper()}/verify").json()
    assert [row["format"] for row in damaged["files"] if not row["ok"]] == ["pt"]
    assert damaged["damaged"] == 1
    repaired = server.client.post(f"{API}/{MODEL}/repair").json()["files"]
    assert {row["format"]: row["action"] for row in repaired} == {"pt": "mended", "h5": "whole"}
    assert sha256(path) == before


def test_a_model_is_compiled(server: WebServer) -> None:
    reply = server.client.post(f"{API}/{MODEL}/compile").json()
    assert (reply["success"], reply["model"], reply["weights"]) == (True, MODEL, "pt")
    assert set(reply["errors"]) >= {"onnxruntime"}
    rows = server.client.get(API).json()["models"]
    assert [row["compiled"] for row in rows if row["slug"] == MODEL] == [True]


def test_a_pinned_model_is_not_evicted(server: WebServer) -> None:
    client = server.client
    pinned = client.post(f"{API}/{MODEL}/pin", json={"pinned": True}).json()
    assert (pinned["model"], pinned["pinned"]) == (MODEL, True)
    assert client.post(f"{API}/evict", json={"max_size": 0}).json()["evicted"] == []
    assert client.post(f"{API}/{MODEL}/pin", json={"pinned": False}).json()["pinned"] is False
    rehearsed = client.post(f"{API}/evict", json={"max_size": "1MB", "dry_run": True}).json()
    assert (rehearsed["evicted"], rehearsed["bytes_left"], rehearsed["dry_run"]) == ([MODEL], 0, True)
    assert ModelCache(server.cache_dir).is_cached(MODEL)
    assert client.post(f"{API}/evict", json={"max_size": "1MB"}).json()["evicted"] == [MODEL]
    assert not ModelCache(server.cache_dir).is_cached(MODEL)


def test_a_size_that_is_none_is_refused(shared: WebServer) -> None:
    reply = shared.client.post(f"{API}/evict", json={"max_size": "much"})
    assert is_failure(reply, 400, "UsageError")
    assert ModelCache(shared.cache_dir).is_cached(MODEL)


def test_a_model_is_deleted_only_when_that_is_confirmed(server: WebServer) -> None:
    other = server.cache_dir / "notes.txt"
    other.write_text("mine")
    for body in ({}, {"confirm": False}):
        reply = server.client.request("DELETE", f"{API}/{MODEL}", json=body)
        assert is_failure(reply, 400, "UsageError")
    assert is_failure(server.client.delete(f"{API}/{MODEL}"), 400, "UsageError")
    assert ModelCache(server.cache_dir).is_cached(MODEL)
    reply = server.client.request("DELETE", f"{API}/{MODEL}", json={"confirm": True}).json()
    assert reply["files_removed"] == len(reply["removed"]) == 3
    assert other.read_text() == "mine"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "nothing/verify", None), ("POST", "nothing/repair", None), ("POST", "nothing/compile", None),
        ("POST", "nothing/pin", {"pinned": True}), ("DELETE", "nothing", {"confirm": True}),
        ("GET", "nothing/export", None),
    ],
)  # fmt: skip
def test_a_model_that_there_is_not_is_named(shared: WebServer, method: str, path: str, body: Any) -> None:
    assert is_failure(shared.client.request(method, f"{API}/{path}", json=body), 404, "UnknownModel")


# -- export -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["pt", "h5"])
def test_a_cached_format_is_sent_as_it_lies(shared: WebServer, format: str) -> None:
    path = shared.cache_dir / f"midas_{MODEL}.{format}"
    reply = shared.client.get(f"{API}/{MODEL}/export", params={"format": format})
    assert reply.content == path.read_bytes()
    assert reply.headers["etag"] == f'"{sha256(path)}"'
    assert reply.headers["content-disposition"] == f'attachment; filename="{MODEL}.{format}"'


def test_another_format_is_made_sent_and_removed(shared: WebServer, tmp_path: Path) -> None:
    reply = shared.client.get(f"{API}/{MODEL}/export", params={"format": "safetensors"})
    assert reply.headers["content-disposition"] == f'attachment; filename="{MODEL}.safetensors"'
    assert int(reply.headers["content-length"]) == len(reply.content)
    (tmp_path / "model.safetensors").write_bytes(reply.content)
    again = ModelCache(tmp_path / "other").import_file(tmp_path / "model.safetensors", "again")
    assert again.network == "depthmap_tiny"
    assert staged(shared.cache_dir) == []


def test_a_description_and_the_embedded_model_can_be_had_too(shared: WebServer, tmp_path: Path) -> None:
    described = tmp_path / "m.pkl"
    described.write_bytes(shared.client.get(f"{API}/{MODEL}/export", params={"format": "pkl"}).content)
    assert metadata.load(described)["spec"]["name"] == MODEL
    (tmp_path / "tiny.pt").write_bytes(shared.client.get(f"{API}/depthmap_tiny/export").content)
    assert formats.scan(tmp_path / "tiny.pt").shapes
    assert staged(shared.cache_dir) == []


def test_a_client_that_goes_away_in_an_export_leaves_nothing(shared: WebServer) -> None:
    with shared.client.stream("GET", f"{API}/{MODEL}/export?format=safetensors") as reply:
        next(reply.iter_raw(100))
    assert staged(shared.cache_dir) == []


def test_what_cannot_be_exported_says_why(shared: WebServer) -> None:
    assert is_failure(shared.client.get(f"{API}/dpt_large/export"), 409, "ModelUnavailable")
    assert is_failure(shared.client.get(f"{API}/{MODEL}/export?format=onnx"), 422, "UsageError")


# -- import -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["pt", "h5", "safetensors"])
def test_an_upload_becomes_a_model(
    server: WebServer, tiny_checkpoint: Path, tmp_path: Path, format: str
) -> None:
    source = tmp_path / f"x.{format}"
    formats.convert(tiny_checkpoint, format, source)
    reply = server.client.post(f"{API}/import?name=Mine&as=depthmap_tiny", content=source.read_bytes())
    fields = reply.json()
    assert (fields["success"], fields["model"], fields["network"]) == (True, "Mine", "depthmap_tiny"), fields
    assert fields["files"].keys() == {"pt", "h5", "pkl"}
    assert ModelCache(server.cache_dir).detail("mine")["provenance"]["url"] == "an upload"
    assert {row["ok"] for row in ModelCache(server.cache_dir).verify("mine")} == {True}
    assert staged(server.cache_dir) == []


def test_an_upload_may_come_in_parts_of_any_length(server: WebServer, tiny_checkpoint: Path) -> None:
    content = tiny_checkpoint.read_bytes()

    def parts() -> Iterator[bytes]:
        step = 300_007
        yield from (content[start : start + step] for start in range(0, len(content), step))

    assert server.client.post(f"{API}/import?name=mine", content=parts()).json()["success"] is True
    assert sha256(server.cache_dir / "midas_mine.pt") == sha256(tiny_checkpoint)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("code-was-run").touch, ())


def hostile(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Evil()}, 2))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


@pytest.mark.parametrize(
    ("spoiled", "status"),
    [
        (hostile, 422),
        (lambda content: content[: len(content) // 2], 422),
        (lambda content: b"", 422),
        (lambda content: b"<!DOCTYPE html><html><body>Please sign in</body></html>", 422),
        (lambda content: b"\x89PNG\r\n\x1a\n" + bytes(1000), 422),
        (lambda content: bytes(3 * MIB), 422),
    ],
    ids=["hostile", "truncated", "empty", "a page", "a picture", "zeros"],
)
def test_an_upload_that_is_no_checkpoint_leaves_nothing(
    server: WebServer,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoiled: Callable[[bytes], bytes],
    status: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    reply = server.client.post(f"{API}/import?name=mine", content=spoiled(tiny_checkpoint.read_bytes()))
    assert (reply.status_code, reply.json()["success"]) == (status, False), reply.text
    assert ".partial" not in reply.text, "a name that the client did not give"
    assert reply.json()["remedy"]
    assert not list(tmp_path.rglob("code-was-run"))
    assert not list(server.cache_dir.glob("midas_mine*"))
    assert staged(server.cache_dir) == []


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("name=../x", 400, "UsageError"), ("name=", 400, "UsageError"), ("", 422, "UsageError"),
        ("name=mine&as=nothing", 404, "UnknownModel"), (f"name={MODEL}", 400, "UsageError"),
        ("name=DPT_Large", 400, "UsageError"), ("name=mine&as=MiDaS_small", 400, "UsageError"),
    ],
)  # fmt: skip
def test_an_upload_under_a_name_that_cannot_be_is_refused(
    server: WebServer, tiny_checkpoint: Path, query: str, status: int, error: str
) -> None:
    before = sha256(server.cache_dir / f"midas_{MODEL}.pt")
    reply = server.client.post(f"{API}/import?{query}", content=tiny_checkpoint.read_bytes())
    assert is_failure(reply, status, error)
    assert sha256(server.cache_dir / f"midas_{MODEL}.pt") == before
    assert staged(server.cache_dir) == []


def test_an_upload_for_which_there_is_no_room_is_refused_before_it_comes(server: WebServer) -> None:
    head = f"POST {API}/import?name=mine HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 60}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 507 "), answer
    assert staged(server.cache_dir) == []


def test_an_upload_beyond_the_budget_is_refused_and_leaves_nothing(
    start: Callable[..., WebServer], settings: Settings, tiny_checkpoint: Path
) -> None:
    server = start(replace(settings, max_size=1_000_000))
    server.client.post(f"{API}/{MODEL}/pin")
    reply = server.client.post(f"{API}/import?name=mine", content=tiny_checkpoint.read_bytes())
    assert is_failure(reply, 507, "BudgetExceeded")
    assert staged(server.cache_dir) == []


def test_a_client_that_goes_away_in_an_upload_leaves_nothing(server: WebServer) -> None:
    head = f"POST {API}/import?name=mine HTTP/1.1\r\nHost: localhost\r\nContent-Length: {8 * MIB}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode() + bytes(3 * MIB))
        while not staged(server.cache_dir):
            time.sleep(0.01)
    while staged(server.cache_dir):
        time.sleep(0.01)
    assert server.client.get(API).json()["success"] is True
    assert not list(server.cache_dir.glob("midas_mine*"))


def test_an_upload_that_stops_arriving_leaves_nothing(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(replace(settings, timeout=0.5))
    head = f"POST {API}/import?name=mine HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n12345"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "RequestTimeout"
    assert staged(server.cache_dir) == []


def test_a_page_of_another_site_changes_no_model(shared: WebServer) -> None:
    foreign = {"Origin": "http://evil.example"}
    for method, path in (
        ("POST", f"{API}/import?name=x"), ("POST", f"{API}/{MODEL}/pin"), ("POST", f"{API}/evict"),
        ("DELETE", f"{API}/{MODEL}"), ("POST", "/api/downloads"), ("DELETE", "/api/downloads/0123456789abcdef"),
    ):  # fmt: skip
        reply = shared.client.request(method, path, json={"confirm": True}, headers=foreign)
        assert is_failure(reply, 403, "CrossSiteRequest")
