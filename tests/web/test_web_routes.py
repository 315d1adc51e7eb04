"""The five routes do what users' lines ask of them, and always say so in JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from depthmap.cache import ModelCache
from depthmap.errors import LicenceNotAccepted
from depthmap.settings import Settings
from depthmap.web.replies import status_of
from support import flip, sha256

from .conftest import MODEL, WebServer, contents, is_failure

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


def curl(*arguments: str) -> dict[str, object]:
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    fields: dict[str, object] = json.loads(done.stdout)
    return fields


def test_info_is_that_of_the_cache(shared: WebServer) -> None:
    reply = shared.client.get("/api/models/cache/info")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {"success": True, **ModelCache(shared.cache_dir).info()}
    assert reply.json()["models"][MODEL]["formats"].keys() == {"pt", "h5", "pkl"}


def test_status_gives_models_stats_and_the_default_model(shared: WebServer) -> None:
    reply = shared.client.get("/api/models/status").json()
    by_slug = {row["slug"]: row["status"] for row in reply["models"]}
    assert reply["success"] is True
    assert by_slug[MODEL] == "cached"
    assert by_slug["dpt_large"] == "available"
    assert reply["stats"]["total_models"] == 1
    assert reply["default_model"] == "Depthmap_Tiny"
    assert reply["default_model_reason"]


def test_a_licence_that_is_to_be_accepted_is_a_refusal_that_says_how() -> None:
    error = LicenceNotAccepted("It is not accepted", "Model", "Set DEPTHMAP_ACCEPT=Model.")
    assert status_of(error) == 403
    assert error.as_dict()["remedy"] == "Set DEPTHMAP_ACCEPT=Model."


def test_status_says_which_licences_are_to_be_accepted(shared: WebServer) -> None:
    rows = {row["name"]: row for row in shared.client.get("/api/models/status").json()["models"]}
    assert rows["DepthAnythingV2_Base"]["terms"] == "CC-BY-NC-4.0"
    assert rows["DPT_Large"]["terms"] == ""


def test_status_answers_when_the_default_model_is_gone(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    reply = start(replace(settings, model="gone")).client.get("/api/models/status")
    assert reply.status_code == 200
    assert reply.json()["default_model"] is None
    assert "gone" in reply.json()["default_model_reason"]


@pytest.mark.parametrize(
    "body", ["", "{}", '{"confirm": false}', '{"confirm": null}', '{"confirm": "true"}', "[true]", "x"]
)
def test_nothing_is_cleared_without_confirmation(shared: WebServer, body: str) -> None:
    before = contents(shared)
    reply = shared.client.post("/api/models/cache/clear", content=body)
    assert reply.status_code in (400, 422)
    assert is_failure(reply, reply.status_code, "UsageError")
    assert len(before) == 3
    assert before == contents(shared)


def test_clear_removes_the_models_and_not_what_is_not_ours(server: WebServer, settings: Settings) -> None:
    (settings.cache_dir / "notes.txt").write_text("mine")
    reply = server.client.post("/api/models/cache/clear", json={"confirm": True}).json()
    assert reply["success"] is True
    assert reply["files_removed"] == len(reply["removed"]) == 3
    assert server.client.get("/api/models/cache/info").json()["models"] == {}
    assert (settings.cache_dir / "notes.txt").read_text() == "mine"


def test_optimize_mends_what_it_can_and_removes_what_it_cannot(server: WebServer, settings: Settings) -> None:
    damaged, sibling = (settings.cache_dir / f"midas_{MODEL}.{format}" for format in ("pt", "h5"))
    flip(damaged, damaged.stat().st_size // 2)
    reply = server.client.post("/api/models/cache/optimize").json()
    assert reply["success"] is True
    assert (reply["repaired"], reply["removed"]) == ([str(damaged)], [])
    sibling.unlink()
    flip(damaged, damaged.stat().st_size // 2)
    reply = server.client.post("/api/models/cache/optimize").json()
    assert reply["files_removed"] == len(reply["removed"]) == 2, (
        "with it, the metadata that spoke of nothing else"
    )
    assert not damaged.exists()


@pytest.mark.parametrize("format", ["pt", "h5", "safetensors", "pkl"])
def test_an_export_has_the_asked_format(
    server: WebServer, settings: Settings, tmp_path: Path, format: str
) -> None:
    body = {"export_path": f"./sub/out.{format}", "format": format}
    (tmp_path / "exports" / "sub").mkdir()
    reply = server.client.post(f"/api/models/export/{MODEL.upper()}", json=body)
    assert reply.status_code == 200, reply.text
    fields, target = reply.json(), tmp_path / "exports" / "sub" / f"out.{format}"
    assert (fields["success"], fields["format"], fields["model"]) == (True, format, MODEL)
    assert fields["export_path"] == str(target)
    cached = settings.cache_dir / f"midas_{MODEL}.{format}"
    if format == "pt":
        assert sha256(target) == sha256(cached)
    if format in ("h5", "safetensors"):
        again = ModelCache(tmp_path / "other").import_file(target, "again")
        assert again.network == "depthmap_tiny"


def test_the_format_of_an_export_follows_the_suffix(server: WebServer, tmp_path: Path) -> None:
    reply = server.client.post(f"/api/models/export/{MODEL}", json={"export_path": "out.pt"})
    assert reply.json()["format"] == "pt"
    assert (tmp_path / "exports" / "out.pt").is_file()


def test_an_existing_file_is_overwritten_only_when_asked(server: WebServer, tmp_path: Path) -> None:
    target = tmp_path / "exports" / "out.pt"
    target.write_text("mine")
    body = {"export_path": "out.pt", "format": "pt"}
    refused = server.client.post(f"/api/models/export/{MODEL}", json=body)
    assert is_failure(refused, 409, "ExportError")
    assert '"overwrite": true' in refused.json()["remedy"]
    assert target.read_text() == "mine"
    assert server.client.post(f"/api/models/export/{MODEL}", json={**body, "overwrite": True}).json()[
        "success"
    ]
    assert target.stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("nothing", 404, "UnknownModel"),
        ("dpt_large", 409, "ModelUnavailable"),
        ("..%5C..", 404, "UnknownModel"),
        ("..%2F..%2Fetc", 404, "NotFound"),
        ("%00", 404, "UnknownModel"),
        ("%ff", 404, "UnknownModel"),
    ],
)
def test_a_model_that_cannot_be_exported_is_named(
    shared: WebServer, name: str, status: int, error: str
) -> None:
    reply = shared.client.post(f"/api/models/export/{name}", json={"export_path": "x.pt", "format": "pt"})
    assert is_failure(reply, status, error)


def test_an_export_to_a_missing_directory_says_so(shared: WebServer) -> None:
    reply = shared.client.post(f"/api/models/export/{MODEL}", json={"export_path": "no/such/x.pt"})
    assert is_failure(reply, 409, "ExportError")


def test_addresses_and_methods_that_are_not_there_are_answered_in_json(shared: WebServer) -> None:
    assert is_failure(shared.client.get("/nothing"), 404, "NotFound")
    assert is_failure(shared.client.get("/api/models/status/"), 404, "NotFound")
    assert is_failure(shared.client.delete("/api/models/status"), 405, "MethodNotAllowed")
    assert is_failure(shared.client.get("/api/models/cache/clear"), 405, "MethodNotAllowed")


def test_wrong_fields_are_named_and_not_ignored(shared: WebServer) -> None:
    body = {"export_path": "x.pt", "formatt": "h5"}
    reply = shared.client.post(f"/api/models/export/{MODEL}", json=body)
    assert is_failure(reply, 422, "UsageError")
    assert "formatt" in reply.json()["message"]
    assert len(contents(shared)) == 3


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"\xff\xfe{}", b'{"export_path": "\\ud800.pt"}', b'{"\\ud800": 1}', b"NaN"]
)
def test_bodies_that_are_hardly_json_are_refused_in_json(shared: WebServer, body: bytes) -> None:
    reply = shared.client.post(f"/api/models/export/{MODEL}", content=body)
    assert reply.status_code in (400, 422)
    assert is_failure(reply, reply.status_code, "UsageError")


def test_a_fault_of_ours_is_answered_without_its_traceback(server: WebServer) -> None:
    server.app.state.cache = None
    reply = server.client.get("/api/models/cache/info")
    assert is_failure(reply, 500, "InternalError")
    assert "NoneType" not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_cache_directory_that_is_a_file_is_named(start: Callable[..., WebServer], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    client = start(Settings(cache_dir=tmp_path / "file")).client
    assert client.get("/api/models/cache/info").json()["models"] == {}
    assert client.get("/api/models/status").json()["success"] is True


def test_a_cache_directory_with_bytes_that_are_no_utf8_can_be_shown(
    start: Callable[..., WebServer], tmp_path: Path
) -> None:
    strange = Path(str(tmp_path / "cache") + "\udcff")
    assert start(Settings(cache_dir=strange)).client.get("/api/models/cache/info").json()["cache_dir"] == str(
        strange
    )


def test_the_index_names_every_route(shared: WebServer) -> None:
    named = shared.client.get("/").json()["routes"]
    schema = shared.client.get("/openapi.json").json()
    assert set(named) == {f"{m.upper()} {path}" for path, methods in schema["paths"].items() for m in methods}
    page = shared.client.get("/docs").text
    assert all(route in page for route in named)
    assert "<script" not in page


@needs_curl
def test_users_curl_lines_work_to_the_letter(server: WebServer, tmp_path: Path) -> None:
    api = f"http://localhost:{server.port}/api/models"
    json_type = ("-H", "Content-Type: application/json")
    assert curl(f"{api}/cache/info")["success"] is True
    assert curl(f"{api}/status")["success"] is True
    export = json.dumps({"export_path": "./my_model.h5", "format": "h5"})
    assert curl("-X", "POST", f"{api}/export/{MODEL}", *json_type, "-d", export)["success"] is True
    assert (tmp_path / "exports" / "my_model.h5").is_file()
    assert curl("-X", "POST", f"{api}/cache/optimize")["success"] is True
    assert curl("-X", "POST", f"{api}/cache/clear", *json_type, "-d", '{"confirm": true}')["success"] is True
    assert curl(f"{api}/cache/info")["total_files"] == 0


@needs_curl
def test_curl_may_leave_the_content_type_out(server: WebServer) -> None:
    cleared = curl(f"{server.url}/api/models/cache/clear", "-d", '{"confirm": true}')
    assert cleared["files_removed"] == 3


@needs_curl
def test_curl_that_sends_a_form_is_told_to_send_json(shared: WebServer) -> None:
    refused = curl(f"{shared.url}/api/models/cache/clear", "-d", "confirm=true")
    assert (refused["success"], refused["error"]) == (False, "UsageError")
    assert "JSON" in str(refused["message"])
