"""Other sites' pages, foreign names, and endless bodies get nowhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from depthmap.settings import Settings
from depthmap.web.app import BODY_BYTES

from .conftest import MODEL, WebServer, is_failure

CLEAR = "/api/models/cache/clear"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:5000"]
)
def test_loopback_names_are_answered_with_any_port(shared: WebServer, host: str) -> None:
    assert shared.client.get("/api/models/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost",
        "localhost:x",
        "localhost.",
        "[::1",
        "10.0.0.1",
        "192.168.0.7",
        "localhost evil",
        "",
        "[::2]",
        "127.0.0.2",
    ],
)
def test_a_foreign_host_is_refused(shared: WebServer, host: str) -> None:
    for request in (
        shared.client.build_request("GET", "/api/models/status", headers={"Host": host}),
        shared.client.build_request("POST", CLEAR, json={"confirm": True}, headers={"Host": host}),
        shared.client.build_request("GET", "/openapi.json", headers={"Host": host}),
    ):
        assert is_failure(shared.client.send(request), 421, "HostRefused")


def test_a_request_without_a_host_is_refused(shared: WebServer) -> None:
    assert b" 421 " in raw(shared, b"GET /api/models/status HTTP/1.0\r\n\r\n")


def test_hosts_that_were_named_are_answered(start: Callable[..., WebServer], settings: Settings) -> None:
    server = start(settings, hosts=["Depth.Example", "fe80::1"])
    for host in ("depth.example", "depth.example:8443", "[fe80::1]:5000"):
        assert server.client.get("/api/models/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Content-Type": "text/plain"},
        {"Origin": "file://"},
    ],
)
def test_a_page_of_another_site_changes_nothing(shared: WebServer, headers: dict[str, str]) -> None:
    body = json.dumps({"confirm": True})
    for path in (CLEAR, "/api/models/cache/optimize", f"/api/models/export/{MODEL}"):
        assert is_failure(shared.client.post(path, content=body, headers=headers), 403, "CrossSiteRequest")
    assert shared.client.get("/api/models/cache/info").json()["total_files"] == 3


def test_our_own_page_may_change_things(server: WebServer) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert server.client.post(CLEAR, json={"confirm": True}, headers=headers).json()["success"] is True


def test_a_preflight_gets_no_leave(shared: WebServer) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    reply = shared.client.options(CLEAR, headers=asked)
    assert is_failure(reply, 405, "MethodNotAllowed")
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/api/models/status", "localhost"),
        ("/nothing", "localhost"),
        ("/docs", "localhost"),
        ("/", "evil.example"),
    ],
)
def test_every_reply_has_the_security_headers(shared: WebServer, path: str, host: str) -> None:
    headers = shared.client.get(path, headers={"Host": host}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def padded(nbytes: int) -> bytes:
    return b'{"confirm": true}'.ljust(nbytes)


def in_parts(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 60_000):
        yield body[start : start + 60_000]


def test_a_body_of_the_greatest_length_is_taken(server: WebServer) -> None:
    assert server.client.post(CLEAR, content=padded(BODY_BYTES)).json()["success"] is True


def test_a_body_that_says_it_is_too_long_is_refused(shared: WebServer) -> None:
    assert is_failure(shared.client.post(CLEAR, content=padded(BODY_BYTES + 1)), 413, "BodyTooLarge")


def test_a_body_that_says_it_is_too_long_is_not_waited_for(shared: WebServer) -> None:
    head = f"POST /api/models/cache/optimize HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_turns_out_too_long_is_refused(shared: WebServer) -> None:
    reply = shared.client.post(CLEAR, content=in_parts(padded(BODY_BYTES + 1)))
    assert reply.request.headers["transfer-encoding"] == "chunked"
    assert is_failure(reply, 413, "BodyTooLarge")
    assert shared.client.get("/api/models/cache/info").json()["total_files"] == 3


def raw(server: WebServer, request: bytes) -> bytes:
    """Send bytes as they are and return all that is answered until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_a_body_that_stops_arriving_is_given_up(start: Callable[..., WebServer], settings: Settings) -> None:
    server = start(replace(settings, timeout=0.5))
    head = f"POST {CLEAR} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n".encode()
    answer = raw(server, head + b'{"confirm"')
    assert b" 408 " in answer.splitlines()[0]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "RequestTimeout"
    assert server.client.get("/api/models/cache/info").json()["total_files"] == 3


def test_a_client_that_goes_away_in_mid_body_harms_nobody(shared: WebServer) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", shared.port)) as connection:
            connection.sendall(
                f"POST {CLEAR} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n{{".encode()
            )
    assert shared.client.get("/api/models/cache/info").json()["total_files"] == 3


def test_the_address_of_the_connection_is_a_host() -> None:
    """A server on 0.0.0.0 may be called by each of the machine's addresses, and by no other."""
    from depthmap.web.security import _is_own_address

    assert _is_own_address("192.168.0.7", {"server": ("192.168.0.7", 5000)})
    assert _is_own_address("[fe80::1]", {"server": ("fe80::1", 5000)})
    assert not _is_own_address("192.168.0.8", {"server": ("192.168.0.7", 5000)})
    assert not _is_own_address("evil.example", {"server": ("evil.example", 5000)})
    assert not _is_own_address("", {"server": None})


def test_an_upgrade_to_a_web_socket_is_not_made(shared: WebServer) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 16,
    }
    assert shared.client.get("/api/models/status", headers=headers).status_code == 200
