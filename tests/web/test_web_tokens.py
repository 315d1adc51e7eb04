"""Where other machines can reach a server, it asks for its token: in a header, as a password, or by a link's cookie."""

from __future__ import annotations

import logging
import re
import signal
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from depthmap.cache import ModelCache
from depthmap.errors import DownloadError, UsageError
from depthmap.settings import Settings, from_environment
from depthmap.web.binding import token_for
from faults.servers import HostileServer
from support import sha256

from .conftest import MODEL, WebServer, is_failure, serving

TOKEN = "a-token.of_8~letters"
PATHS = ("/", "/docs", "/openapi.json", "/api/models", f"/api/models/files/midas_{MODEL}.pt", "/nothing")


def basic(login: str) -> str:
    return f"Basic {b64encode(login.encode()).decode()}"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[WebServer]:
    server = WebServer(Settings(cache_dir=stocked, offline=True), token=TOKEN)
    yield server
    server.stop()


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_answered(closed: WebServer, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        reply = closed.client.request(method, path)
        assert is_failure(reply, 401, "TokenNeeded")
        assert reply.headers["www-authenticate"].startswith("Basic realm=")
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("header", "lets_in"),
    [
        (f"Bearer {TOKEN}", True), (f"bearer {TOKEN}", True), (basic(f"depthmap:{TOKEN}"), True),
        (basic(f":{TOKEN}"), True), (basic(f"anybody:{TOKEN}"), True),
        ("", False), ("Bearer", False), (TOKEN, False), (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False), (f"Bearer {TOKEN.upper()}", False), (f"Digest {TOKEN}", False),
        (basic(TOKEN), False), (basic(f"{TOKEN}:"), False), (basic(f"depthmap:{TOKEN}:"), False),
        ("Basic !", False), ("Basic gA==", False), ("Bearer \xff", False), (f"Bearer {'x' * 5000}", False),
    ],
)  # fmt: skip
def test_the_token_comes_in_a_header(closed: WebServer, header: str, lets_in: bool) -> None:
    reply = closed.client.get("/api/models", headers={"Authorization": header.encode("latin-1")})
    assert reply.status_code == (200 if lets_in else 401)


def test_two_headers_are_none(closed: WebServer) -> None:
    twice = [("Authorization", f"Bearer {TOKEN}")] * 2
    assert closed.client.get("/api/models", headers=twice).status_code == 401


def test_a_link_sets_a_cookie_that_lets_a_browser_in(closed: WebServer) -> None:
    with httpx.Client(base_url=closed.url, trust_env=False) as browser:
        landed = browser.get("/", params={"token": TOKEN})
        assert (landed.status_code, landed.headers["location"]) == (303, "/")
        cookie = landed.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        assert "referrer-policy" in landed.headers
        assert browser.get("/api/models").status_code == 200
        assert browser.post("/api/models/evict", json={"max_size": "9GB"}).status_code == 200


@pytest.mark.parametrize(
    "query", ["token=wrong", "token=", f"token=x&token={TOKEN}", f"TOKEN={TOKEN}", f"token={TOKEN}%00"]
)
def test_a_wrong_link_sets_no_cookie(closed: WebServer, query: str) -> None:
    reply = closed.client.get(f"/?{query}")
    assert is_failure(reply, 401, "TokenNeeded")
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("path", ["/api/models", "/docs"])
def test_a_link_to_elsewhere_lets_nobody_in(closed: WebServer, path: str) -> None:
    assert closed.client.get(path, params={"token": TOKEN}).status_code == 401


@pytest.mark.parametrize(
    "cookie", ["depthmap_token=", f"depthmap_token={TOKEN}", "depthmap_token=\xff", "other=1", "=;=;", "\x01"]
)
def test_a_wrong_cookie_lets_nobody_in(closed: WebServer, cookie: str) -> None:
    reply = closed.client.get("/api/models", headers={"Cookie": cookie.encode("latin-1")})
    assert reply.status_code in (400, 401)


def test_whether_the_server_lives_is_told_to_everybody(closed: WebServer) -> None:
    assert closed.client.get("/api/healthz").status_code == 200


def test_the_token_is_no_way_around_the_other_guards(closed: WebServer) -> None:
    shows = {"Authorization": f"Bearer {TOKEN}"}
    foreign = closed.client.get("/api/models", headers={**shows, "Host": "evil.example"})
    assert is_failure(foreign, 421, "HostRefused")
    body = closed.client.post(
        "/api/models/evict", json={}, headers={**shows, "Origin": "http://evil.example"}
    )
    assert is_failure(body, 403, "CrossSiteRequest")


# -- who is asked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "given", "variable", "asked", "is_shown"),
    [
        ("127.0.0.1", None, "", "", False), ("localhost", None, "variable", "", False), ("::1", None, "", "", False),
        ("0.0.0.0", None, "variable", "variable", False), ("0.0.0.0", "given", "variable", "given", False),
        ("0.0.0.0", "", "variable", "", False), ("127.0.0.1", "given", "", "given", False),
        ("192.0.2.1", None, "", "made", True), ("example.org", None, "", "made", True), ("::", None, "", "made", True),
    ],
)  # fmt: skip
def test_a_token_is_asked_for_by_whom_others_can_reach(
    tmp_path: Path, host: str, given: str | None, variable: str, asked: str, is_shown: bool
) -> None:
    token, made = token_for(host, given, Settings(cache_dir=tmp_path, token=variable))
    assert made is is_shown
    assert token == asked if not made else len(token) == 32


def test_no_two_tokens_that_are_made_are_equal(tmp_path: Path) -> None:
    made = {token_for("0.0.0.0", None, Settings(cache_dir=tmp_path))[0] for _ in range(50)}
    assert len(made) == 50


@pytest.mark.parametrize("text", ["short", "with blank", "with:colon:", "ünïcödé-token", "x" * 201])
def test_a_token_that_cannot_be_used_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as error:
        from_environment({"DEPTHMAP_TOKEN": text})
    assert error.value.where == "DEPTHMAP_TOKEN"
    assert text not in str(error.value)


def test_settings_do_not_show_the_token() -> None:
    assert TOKEN not in repr(from_environment({"DEPTHMAP_TOKEN": TOKEN}))


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        ("", ""),
        ("", TOKEN),
        ("token=''", ""),
        ("workers=2", ""),
        pytest.param("workers=2", TOKEN, marks=pytest.mark.slow),
    ],
)
def test_a_server_that_others_can_reach_asks_for_a_token_which_its_log_has_if_it_made_it(
    settings: Settings, options: str, variable: str
) -> None:
    places = {"DEPTHMAP_CACHE_DIR": str(settings.cache_dir), "DEPTHMAP_TOKEN": variable}
    with serving(f"host='0.0.0.0', {options}", **places) as (process, url):
        local = url.replace("0.0.0.0", "127.0.0.1")
        link = ""
        if not variable and "token=" not in options:
            assert process.stderr
            found = re.search(r"http://localhost:(\d+)/\?token=([\w-]+)", process.stderr.readline())
            assert found
            link = found[2]
        with httpx.Client(base_url=local, trust_env=False, timeout=60) as client:
            open_to_all = "token=''" in options
            assert client.get("/api/models").status_code == (200 if open_to_all else 401)
            if token := variable or link:
                assert client.get("/", params={"token": token}).status_code == 303
                assert client.get("/api/models").status_code == 200
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert "GET /api/models" in log
    if token:
        assert token not in log, "the log of requests has the token"


# -- mirrors ----------------------------------------------------------------------------------------------------


@pytest.fixture
def mirrored(start: Callable[..., WebServer], online: Settings, tmp_path: Path) -> tuple[WebServer, Settings]:
    """A server with a token that has Small, and settings under which only that server is asked for it."""
    ModelCache(settings=online).download("Small", ["pt"])
    server = start(online, token=TOKEN)
    mirror = f"http://depthmap:{TOKEN}@127.0.0.1:{server.port}/api/models/files/"
    return server, replace(online, cache_dir=tmp_path / "mine", mirrors=(mirror,))


def test_a_mirror_that_asks_for_a_token_gets_it_from_its_url(
    mirrored: tuple[WebServer, Settings], tiny_checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, settings = mirrored
    said: list[str] = []
    cache = ModelCache(settings=settings)
    files = cache.download("Small", ["pt"], lambda what, done, total: said.append(what))
    assert sha256(files["pt"]) == sha256(tiny_checkpoint)
    assert TOKEN not in " ".join(said)
    assert TOKEN not in caplog.text, "the log has the token"
    assert TOKEN not in str(cache.detail("small")) + str(cache.plan_download("Small", ["h5"]))
    everywhere = b"".join(path.read_bytes() for path in settings.cache_dir.rglob("*") if path.is_file())
    assert TOKEN.encode() not in everywhere


def test_a_mirror_that_refuses_the_token_is_named_without_it(
    mirrored: tuple[WebServer, Settings], caplog: pytest.LogCaptureFixture, source: HostileServer
) -> None:
    caplog.set_level(logging.DEBUG)
    _, settings = mirrored
    wrong = replace(settings, mirrors=(settings.mirrors[0].replace(TOKEN, "wrong-token"),))
    source.stop()  # else it would be asked next
    with pytest.raises(DownloadError, match="401") as error:
        ModelCache(settings=wrong).download("Small", ["pt"])
    assert "wrong-token" not in str(error.value) + caplog.text
    assert ModelCache(settings=wrong).plan_download("Small", ["pt"])["sources"]
    assert "wrong-token" not in str(ModelCache(settings=wrong).plan_download("Small", ["pt"]))
    left = b"".join(path.read_bytes() for path in wrong.cache_dir.rglob("*") if path.is_file())
    assert b"wrong-token" not in left


def test_a_mirror_s_login_is_in_no_error_of_the_setting() -> None:
    with pytest.raises(UsageError) as error:
        from_environment({"DEPTHMAP_MIRRORS": f"depthmap:{TOKEN}@host:5000/api/models/files/"})
    assert TOKEN not in str(error.value)
