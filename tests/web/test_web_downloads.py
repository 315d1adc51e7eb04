"""Downloads as jobs: shown, paused, ended, and gone on with by whatever server is there."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from depthmap.cache import ModelCache
from depthmap.settings import Settings
from faults.servers import HostileServer, answers, slow, stalled, truncated
from support import PHOTO, sha256

from .conftest import WebServer, is_failure, serving
from .sse import events

MIB = 1 << 20
API = "/api/downloads"
FIELDS = {
    "id", "model", "slug", "state", "phase", "done_bytes", "total_bytes", "rate_bytes", "seconds_left", "error",
    "created", "updated",
}  # fmt: skip
Job = dict[str, Any]


@pytest.fixture
def server(start: Callable[..., WebServer], online: Settings) -> WebServer:
    return start(online)


def begun(client: httpx.Client, model: str = "Small", **more: Any) -> Job:
    """Start a download and return it."""
    reply = client.post(API, json={"model": model, **more})
    assert reply.status_code == 202, reply.text
    job: Job = reply.json()["download"]
    assert set(job) == FIELDS
    return job


def shown(client: httpx.Client, job: Job) -> Job:
    found: Job = client.get(f"{API}/{job['id']}").json()["download"]
    return found


def until(client: httpx.Client, job: Job, holds: Callable[[Job], bool]) -> Job:
    """Wait until something is so of a download, and return it; the test's own time limit is the limit."""
    while not holds(job := shown(client, job)):
        time.sleep(0.1)
    return job


def ended(client: httpx.Client, job: Job) -> Job:
    return until(client, job, lambda job: job["state"] in ("done", "failed", "cancelled"))


def partial(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in (cache_dir / ".partial").glob("*.part*"))


def quiet(source: HostileServer) -> int:
    """Return the bytes that a source has sent, once it sends no more."""
    before = -1
    while source.connections or source.sent != before:
        before = source.sent
        time.sleep(0.2)
    return before


def wholes(source: HostileServer) -> int:
    """Return how often a source was asked for all of the file; a download may ask for further parts of it beside."""
    return sum(not request.range for request in source.gets())


def test_a_download_goes_on_by_itself_and_its_model_is_ready_without_a_restart(
    server: WebServer, tiny_checkpoint: Path
) -> None:
    job = begun(server.client)
    assert (job["model"], job["slug"], job["total_bytes"]) == (
        "Small",
        "small",
        tiny_checkpoint.stat().st_size,
    )
    job = ended(server.client, job)
    assert (job["state"], job["error"], job["seconds_left"], job["rate_bytes"]) == ("done", None, None, 0)
    assert job["done_bytes"] == job["total_bytes"]
    assert sha256(server.cache_dir / "midas_small.pt") == sha256(tiny_checkpoint)
    models = server.client.get("/api/models").json()
    assert models["default_model"] == "Small"
    assert [row["status"] for row in models["models"] if row["name"] == "Small"] == ["cached"]
    assert server.app.state.models.get().predict(PHOTO).shape == (427, 640)
    assert server.client.get(API).json()["downloads"] == [job]


def test_only_the_format_that_was_asked_for_is_kept(server: WebServer) -> None:
    assert ended(server.client, begun(server.client, formats=["h5"]))["state"] == "done"
    cache = ModelCache(server.cache_dir)
    assert (cache.is_cached("small", "h5"), cache.is_cached("small", "pt")) == (True, False)


def test_what_is_there_already_is_done_at_once(server: WebServer, source: HostileServer) -> None:
    ended(server.client, begun(server.client))
    source.heal()
    again = begun(server.client)
    assert ended(server.client, again)["state"] == "done"
    assert source.requests == []
    assert [job["id"] for job in server.client.get(API).json()["downloads"]] == [again["id"]]


def test_a_paused_download_goes_on_where_it_was(
    server: WebServer, source: HostileServer, tiny_checkpoint: Path
) -> None:
    source.faults = (slow(8 * MIB),)
    job = until(server.client, begun(server.client), lambda job: job["done_bytes"] > 3 * MIB)
    assert (job["state"], job["phase"]) == ("running", "downloading")
    paused = server.client.post(f"{API}/{job['id']}/pause").json()["download"]
    assert (paused["state"], paused["rate_bytes"], paused["seconds_left"]) == ("paused", 0, None)
    assert server.client.post(f"{API}/{job['id']}/pause").json()["download"]["state"] == "paused"
    sent = quiet(source)
    assert partial(server.cache_dir) == ["midas_small.pt.part", "midas_small.pt.part.journal"]
    source.faults = ()
    assert server.client.post(f"{API}/{job['id']}/resume").json()["download"]["state"] in (
        "waiting",
        "running",
    )
    assert ended(server.client, job)["state"] == "done"
    assert sent >= 3 * MIB
    assert source.sent < tiny_checkpoint.stat().st_size + 2 * MIB, "what was there was fetched again"


def test_a_download_that_is_asked_for_again_while_it_is_paused_goes_on(
    server: WebServer, source: HostileServer
) -> None:
    source.faults = (stalled(2 * MIB),)
    job = until(server.client, begun(server.client), lambda job: job["done_bytes"] > MIB)
    server.client.post(f"{API}/{job['id']}/pause")
    source.faults = ()
    assert begun(server.client)["id"] == job["id"]
    assert ended(server.client, job)["state"] == "done"


def test_a_cancelled_download_leaves_nothing_and_is_forgotten_when_that_is_asked_for(
    server: WebServer, source: HostileServer
) -> None:
    source.faults = (stalled(2 * MIB),)
    job = until(server.client, begun(server.client), lambda job: job["done_bytes"] > MIB)
    cancelled = server.client.delete(f"{API}/{job['id']}").json()["download"]
    assert (cancelled["state"], cancelled["done_bytes"]) == ("cancelled", 0)
    assert partial(server.cache_dir) == []
    assert server.client.get(API).json()["downloads"] == [cancelled]
    assert is_failure(server.client.post(f"{API}/{job['id']}/resume"), 400, "UsageError")
    assert server.client.delete(f"{API}/{job['id']}").json()["download"] == cancelled
    assert server.client.get(API).json()["downloads"] == []
    assert is_failure(server.client.get(f"{API}/{job['id']}"), 404, "UnknownDownload")
    source.faults = ()
    assert ended(server.client, begun(server.client))["state"] == "done"


def test_a_failed_download_that_is_forgotten_leaves_nothing(server: WebServer, source: HostileServer) -> None:
    source.faults = (truncated(3 * MIB),)
    job = ended(server.client, begun(server.client))
    assert job["state"] == "failed"
    assert partial(server.cache_dir) != [], "it could have been resumed"
    assert server.client.delete(f"{API}/{job['id']}").json()["download"] == job
    assert partial(server.cache_dir) == []
    assert server.client.get(API).json()["downloads"] == []


def test_a_paused_download_can_be_cancelled(server: WebServer, source: HostileServer) -> None:
    source.faults = (stalled(2 * MIB),)
    job = until(server.client, begun(server.client), lambda job: job["done_bytes"] > MIB)
    server.client.post(f"{API}/{job['id']}/pause")
    assert server.client.delete(f"{API}/{job['id']}").json()["download"]["state"] == "cancelled"
    assert partial(server.cache_dir) == []


def test_two_requests_for_one_model_are_one_download(server: WebServer, source: HostileServer) -> None:
    source.faults = (stalled(MIB),)
    first = begun(server.client)
    assert begun(server.client, "SMALL")["id"] == first["id"]
    other = begun(server.client, "Other")
    assert other["id"] != first["id"]
    assert {job["id"] for job in server.client.get(API).json()["downloads"]} == {first["id"], other["id"]}


def test_a_failure_is_in_the_download_with_its_remedy_and_it_can_be_resumed(
    server: WebServer, source: HostileServer
) -> None:
    source.faults = (answers(404),)
    job = ended(server.client, begun(server.client))
    assert job["state"] == "failed"
    assert set(job["error"]) == {"error", "message", "remedy"}
    assert job["error"]["error"] == "DownloadError"
    assert "404" in job["error"]["message"]
    assert "DEPTHMAP_MIRRORS" in job["error"]["remedy"]
    source.faults = ()
    assert server.client.post(f"{API}/{job['id']}/resume").json()["download"]["error"] is None
    assert ended(server.client, job)["state"] == "done"


def test_a_licence_is_to_be_accepted_first(server: WebServer, source: HostileServer) -> None:
    refused = server.client.post(API, json={"model": "Closed"})
    assert is_failure(refused, 403, "LicenceNotAccepted")
    assert source.requests == []
    assert server.client.get(API).json()["downloads"] == []
    assert ended(server.client, begun(server.client, "Closed", accept_licence=True))["state"] == "done"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"model": "nothing"}, 404, "UnknownModel"),
        ({"model": "Depthmap_Tiny"}, 400, "UsageError"),
        ({"model": "my_custom_model", "formats": ["h5", "zip"]}, 422, "UsageError"),
        ({"model": "Small", "formats": []}, 422, "UsageError"),
        ({"model": "Small", "speed": 1}, 422, "UsageError"),
        ({}, 422, "UsageError"),
    ],
)
def test_what_cannot_be_downloaded_is_refused_at_once(
    server: WebServer, body: Any, status: int, error: str
) -> None:
    assert is_failure(server.client.post(API, json=body), status, error)
    assert server.client.get(API).json()["downloads"] == []


def test_without_a_network_nothing_is_begun(start: Callable[..., WebServer], online: Settings) -> None:
    client = start(replace(online, offline=True)).client
    assert is_failure(client.post(API, json={"model": "Small"}), 409, "ModelUnavailable")
    assert client.get(API).json()["downloads"] == []


@pytest.mark.parametrize("id", ["0123456789abcdef", "x", "..%2f..%2fetc", "%00", "0123456789ABCDEF"])
@pytest.mark.parametrize("verb", ["", "/events", "/pause", "/resume", "cancel"])
def test_a_download_that_there_is_not_is_named(server: WebServer, id: str, verb: str) -> None:
    method = {"": "GET", "/events": "GET", "cancel": "DELETE"}.get(verb, "POST")
    reply = server.client.request(method, f"{API}/{id}{verb.removeprefix('cancel')}")
    assert reply.status_code == 404
    assert reply.json()["error"] in ("UnknownDownload", "NotFound")


# -- events -------------------------------------------------------------------------------------------------


def test_the_events_of_a_download_tell_how_far_it_is_until_it_has_ended(
    server: WebServer, source: HostileServer, tiny_checkpoint: Path
) -> None:
    source.faults = (slow(6 * MIB),)
    job = begun(server.client)
    said = list(events(f"{server.url}{API}/{job['id']}/events"))
    assert {event.name for event in said} == {"progress"}
    assert all(set(event.data) == FIELDS and event.data["id"] == job["id"] for event in said)
    assert [event.data["state"] for event in said].index("done") == len(said) - 1
    fetched = [event.data for event in said if event.data["phase"] == "downloading"]
    assert len(fetched) > 2
    assert all(before["done_bytes"] <= after["done_bytes"] for before, after in pairwise(fetched))
    assert {event["total_bytes"] for event in fetched} == {tiny_checkpoint.stat().st_size}
    assert any(event["rate_bytes"] > 0 and event["seconds_left"] is not None for event in fetched)
    after = list(events(f"{server.url}{API}/{job['id']}/events"))
    assert [event.data["state"] for event in after] == ["done"]


def test_the_events_of_all_downloads_tell_of_each(server: WebServer, source: HostileServer) -> None:
    with closing(events(f"{server.url}{API}/events")) as said:
        jobs = {begun(server.client, name)["id"] for name in ("Small", "Other")}
        done: set[str] = set()
        while done != jobs:
            event = next(said)
            done |= {event.data["id"]} if event.data["state"] == "done" else set()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_reads_the_events(server: WebServer) -> None:
    job = begun(server.client)
    command = ["curl", "-sSN", "--noproxy", "*", f"{server.url}{API}/{job['id']}/events"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    *_, last = (line.removeprefix("data: ") for line in said.splitlines() if line.startswith("data: "))
    assert json.loads(last)["state"] == "done"


# -- servers come and go ------------------------------------------------------------------------------------


def test_a_server_that_stops_leaves_its_downloads_to_the_next(
    start: Callable[..., WebServer], online: Settings, source: HostileServer, tiny_checkpoint: Path
) -> None:
    source.faults = (slow(8 * MIB),)
    first = start(online)
    job = until(first.client, begun(first.client), lambda job: job["done_bytes"] > 3 * MIB)
    first.stop()
    quiet(source)
    second = start(online)
    assert ended(second.client, job)["state"] == "done"
    assert source.sent < tiny_checkpoint.stat().st_size + 2 * MIB, "what was there was fetched again"


def test_a_paused_download_stays_paused_over_a_restart(
    start: Callable[..., WebServer], online: Settings, source: HostileServer
) -> None:
    source.faults = (stalled(2 * MIB),)
    first = start(online)
    job = until(first.client, begun(first.client), lambda job: job["done_bytes"] > MIB)
    paused = first.client.post(f"{API}/{job['id']}/pause").json()["download"]
    first.stop()
    second = start(online)
    other = begun(second.client, "Other")  # whose turn comes after, if any
    until(second.client, other, lambda job: job["state"] == "running")
    assert shown(second.client, job) == paused


def environment(settings: Settings) -> dict[str, str]:
    return {
        "DEPTHMAP_CACHE_DIR": str(settings.cache_dir), "DEPTHMAP_CATALOG": str(settings.catalog),
        "DEPTHMAP_OFFLINE": "0", "DEPTHMAP_RETRIES": "0",
    }  # fmt: skip


@pytest.fixture
def processes(online: Settings) -> Iterator[Callable[[], tuple[subprocess.Popen[str], httpx.Client]]]:
    """Start servers of one cache in processes of their own."""
    with ExitStack() as stack:

        def another() -> tuple[subprocess.Popen[str], httpx.Client]:
            process, url = stack.enter_context(serving(**environment(online)))
            return process, stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=60))

        yield another


@pytest.mark.slow
def test_a_download_goes_on_without_fetching_anything_twice_after_its_server_was_killed(
    processes: Callable[..., Any], online: Settings, source: HostileServer, tiny_checkpoint: Path
) -> None:
    source.faults = (slow(8 * MIB),)
    process, client = processes()
    job = until(client, begun(client), lambda job: job["done_bytes"] > 5 * MIB)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sent = quiet(source)
    source.faults = ()
    _, client = processes()
    assert shown(client, job)["state"] in ("running", "done"), "nobody asked for it to stop"
    assert ended(client, job)["state"] == "done"
    assert sent >= 5 * MIB
    assert source.sent < tiny_checkpoint.stat().st_size + 2 * MIB, "what was there was fetched again"
    assert sha256(online.cache_dir / "midas_small.pt") == sha256(tiny_checkpoint)


@pytest.mark.slow
def test_two_servers_of_a_cache_have_the_same_downloads(
    processes: Callable[..., Any], online: Settings, source: HostileServer
) -> None:
    source.faults = (stalled(2 * MIB),)
    (process, one), (_, two) = processes(), processes()
    job = until(two, begun(one), lambda job: job["done_bytes"] > MIB)
    assert begun(two)["id"] == job["id"]
    assert two.post(f"{API}/{job['id']}/pause").json()["download"]["state"] == "paused"
    assert shown(one, job)["state"] == "paused"
    assert wholes(source) == 1, "one server runs it"
    before = len(source.gets())
    assert one.post(f"{API}/{job['id']}/resume").status_code == 200
    while len(source.gets()) == before:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    source.faults = ()
    assert ended(two, job)["state"] == "done", "the server that is left takes it up"


@pytest.mark.slow
def test_the_processes_of_one_server_have_the_same_downloads(online: Settings, source: HostileServer) -> None:
    source.faults = (stalled(2 * MIB),)
    with serving("workers=2", **environment(online)) as (_, url):

        def asked(method: str, path: str, **body: Any) -> Job:
            """Ask on a connection of its own, which either process may take."""
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
                reply: Job = client.request(method, f"{API}{path}", **body).json()["download"]
                return reply

        job = asked("POST", "", json={"model": "Small"})
        here = f"/{job['id']}"
        while asked("GET", here)["done_bytes"] <= MIB:
            time.sleep(0.2)
        assert {asked("POST", "", json={"model": "Small"})["id"] for _ in range(5)} == {job["id"]}
        assert asked("POST", f"{here}/pause")["state"] == "paused"
        assert {asked("GET", here)["state"] for _ in range(10)} == {"paused"}
        assert wholes(source) == 1, "one process runs it"
        source.faults = ()
        asked("POST", f"{here}/resume")
        while asked("GET", here)["state"] != "done":
            time.sleep(0.2)


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_does_not_wait_for_who_listens(
    processes: Callable[..., Any], source: HostileServer
) -> None:
    source.faults = (stalled(2 * MIB),)
    process, client = processes()
    job = begun(client)
    with closing(events(f"{client.base_url}{API}/{job['id']}/events")) as said:
        assert next(said).data["id"] == job["id"]
        process.send_signal(signal.SIGTERM)
        list(said)
    _, log = process.communicate(timeout=60)
    assert "Cancel" not in log, "a stream was waited for"
    assert "Traceback" not in log


# -- the files ----------------------------------------------------------------------------------------------


def test_upkeep_of_the_cache_leaves_the_downloads_right(
    server: WebServer, source: HostileServer, online: Settings
) -> None:
    source.faults = (stalled(2 * MIB),)
    job = until(server.client, begun(server.client), lambda job: job["done_bytes"] > MIB)
    server.client.post(f"{API}/{job['id']}/pause")
    tidied = server.client.post("/api/models/cache/optimize").json()
    assert (tidied["removed"], tidied["errors"]) == ([], [])
    assert server.client.get("/api/models/cache/info").json()["total_files"] == 3
    assert partial(server.cache_dir) != []
    assert server.client.post("/api/models/cache/clear", json={"confirm": True}).json()["success"] is True
    assert partial(server.cache_dir) == []
    left = shown(server.client, job)
    assert (left["state"], left["done_bytes"]) == ("paused", 0)
    source.faults = ()
    server.client.post(f"{API}/{job['id']}/resume")
    assert ended(server.client, job)["state"] == "done"


def test_files_that_are_no_jobs_are_passed_over(server: WebServer) -> None:
    job = ended(server.client, begun(server.client))
    folder = server.cache_dir / ".downloads"
    text = (folder / f"{job['id']}.json").read_text()
    spoiled = {
        "0123456789abcdef": "", "1123456789abcdef": "[" * 100_000, "2123456789abcdef": text,
        "3123456789abcdef": text.replace(job["id"], "3123456789abcdef").replace('"small"', '"../small"'),
        "4123456789abcdef": text.replace(job["id"], "4123456789abcdef").replace('"done"', "7"),
    }  # fmt: skip
    for id, content in spoiled.items():
        (folder / f"{id}.json").write_text(content)
    assert server.client.get(API).json()["downloads"] == [job]
    later = text.replace(job["id"], "5123456789abcdef").replace("{", '{"of_a_later_version":1,', 1)
    (folder / "5123456789abcdef.json").write_text(later)
    assert len(server.client.get(API).json()["downloads"]) == 2


def test_a_cache_that_cannot_be_written_says_so(
    start: Callable[..., WebServer], online: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    client = start(replace(online, cache_dir=tmp_path / "file")).client
    assert is_failure(client.post(API, json={"model": "Small"}), 500, "CacheNotWritable")
    assert client.get(API).json()["downloads"] == []
