"""Pictures by URL, from real servers: bounded in bytes, time and redirects, and never from inside unless allowed."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import depthmap
from depthmap.errors import DepthmapError, ImageError
from depthmap.images import read
from fetching.pages import Page, Pages, dripping_headers, endless, redirects, sends, silent

Serve = Callable[..., Pages]


def refused(url: str, **options: Any) -> str:
    """Return what the error of a picture says."""
    with pytest.raises(ImageError) as caught:
        read(url, **{"allow_private": True, **options})
    return str(caught.value)


# -- what comes ---------------------------------------------------------------------------------------------------


def test_a_picture_is_read_by_its_url(serve_pages: Serve, picture: bytes) -> None:
    server = serve_pages({"/photo.png": sends(picture)})
    assert np.array_equal(read(server.url("/photo.png"), allow_private=True), read(picture))
    headers = server.asked[0][1]
    assert headers["User-Agent"] == f"depthmap/{depthmap.__version__}"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == f"127.0.0.1:{server.server_port}"


def test_the_kind_is_told_by_the_bytes_and_not_by_the_header(serve_pages: Serve, picture: bytes) -> None:
    server = serve_pages({"/photo": sends(picture, "application/octet-stream")})
    assert read(server.url("/photo"), allow_private=True).shape == (30, 40, 3)


def test_an_estimator_reads_urls_and_refuses_private_ones(serve_pages: Serve, picture: bytes) -> None:
    server = serve_pages({"/photo.png": sends(picture)})
    with pytest.raises(ImageError, match="not on the public Internet"):
        depthmap.estimate(server.url("/photo.png"), "Depthmap_Tiny", "cpu")
    assert server.asked == []


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (sends(b"", status=404), ["404", "Check the address"]),
        (sends(b"", status=503), ["503"]),
        (sends(b"", status=204), ["204"]),
        (sends(b"<html>", "text/html; charset=utf-8"), ["web page", "address of the picture itself"]),
        (sends(b"hello, world, this is text", "text/plain"), ["not a picture of a known kind"]),
        (sends(b""), ["empty"]),
        (sends(b"x" * 10, Content_Encoding="gzip"), ["compressed"]),
        (sends(b"x" * 10, Content_Length="100"), ["broke off"]),
    ],
)
def test_what_is_no_picture_is_named_for_what_it_is(serve_pages: Serve, page: Page, words: list[str]) -> None:
    url = serve_pages({"/a.png": page}).url("/a.png")
    said = refused(url)
    for word in [*words, url]:
        assert word in said


def test_nobody_listening_and_no_such_host_are_no_connection(serve_pages: Serve) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "no connection" in refused(f"http://127.0.0.1:{unused.getsockname()[1]}/a.png")
    assert "no connection" in refused("http://nosuch.invalid/a.png")


@pytest.mark.parametrize(
    "url", ["http://", "http:///a.png", "http://[::1/a.png", "http://host:99999/", "http://\x00/"]
)
def test_urls_that_make_no_sense_are_picture_errors(url: str) -> None:
    assert refused(url)


@pytest.mark.parametrize("read_it", [read, lambda name: depthmap.estimate(name, "Depthmap_Tiny", "cpu")])
def test_a_path_made_of_a_url_says_so(read_it: Callable[[Path], Any]) -> None:
    with pytest.raises(ImageError, match="as str"):
        read_it(Path("https://host/a.png"))


# -- bounds -------------------------------------------------------------------------------------------------------


def test_what_is_too_large_by_its_header_is_not_fetched(serve_pages: Serve) -> None:
    server = serve_pages({"/a.png": sends(b"x" * 100, Content_Length="600000000000")})
    assert "larger than the limit" in refused(server.url("/a.png"))
    assert "larger than the limit of 99 bytes" in refused(
        serve_pages({"/a.png": sends(b"x" * 100)}).url("/a.png"), max_bytes=99
    )


def test_a_body_without_end_is_cut_at_the_bound(serve_pages: Serve) -> None:
    server = serve_pages({"/a.png": endless(b"x" * 65536)})
    assert "larger than the limit" in refused(server.url("/a.png"), max_bytes=1_000_000)


def test_too_many_pixels_are_refused(serve_pages: Serve, picture: bytes) -> None:
    server = serve_pages({"/a.png": sends(picture)})
    assert "too many pixels" in refused(server.url("/a.png"), max_pixels=100)


@pytest.mark.parametrize("page", [silent, dripping_headers, endless(b"x", 0.05)])
def test_servers_that_are_silent_or_slow_are_not_waited_for(
    serve_pages: Serve, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "0.2")
    said = refused(serve_pages({"/a.png": page}).url("/a.png"))
    assert "no answer within 0.2 s" in said or "did not arrive within 2 s" in said


def test_a_server_that_never_accepts_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the system accepts, nobody answers
        assert "no answer" in refused(f"http://127.0.0.1:{deaf.getsockname()[1]}/a.png")


def test_a_name_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "0.05")
    asked, ended = threading.Event(), threading.Event()

    def never(*_: Any, **__: Any) -> list[Any]:
        asked.set()
        ended.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "gone")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    assert "did not arrive within 0.5 s" in refused("http://slow.test/a.png")
    assert asked.is_set()
    ended.set()


# -- redirects ----------------------------------------------------------------------------------------------------


def test_redirects_are_followed_and_five_are_the_most(serve_pages: Serve, picture: bytes) -> None:
    chain: dict[str, Page] = {f"/{n}": redirects(f"/{n + 1}") for n in range(6)}
    server = serve_pages({**chain, "/6": sends(picture)})
    assert read(server.url("/1"), allow_private=True).shape == (30, 40, 3)
    assert "redirects without end" in refused(server.url("/0"))


def test_a_loop_of_redirects_ends(serve_pages: Serve) -> None:
    server = serve_pages({"/a": redirects("/b"), "/b": redirects("/a")})
    assert "redirects without end" in refused(server.url("/a"))
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://host/a", "//[", "http://", "javascript:0", ""]
)
def test_redirects_to_what_is_no_web_address_are_refused(serve_pages: Serve, location: str) -> None:
    server = serve_pages({"/a": redirects(location)})
    assert "cannot be downloaded" in refused(server.url("/a"))


def test_login_goes_to_its_own_server_only_and_cookies_nowhere(serve_pages: Serve, picture: bytes) -> None:
    other = serve_pages({"/b.png": sends(picture)})
    server = serve_pages(
        {"/a": redirects("/again", Set_Cookie="id=1"), "/again": redirects(other.url("/b.png", "localhost"))}
    )
    url = server.url("/a").replace("://", "://me:p%40ss@")
    assert read(url, allow_private=True).shape == (30, 40, 3)
    expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert [headers.get("Authorization") for _, headers in server.asked] == [expected] * 2
    assert "Authorization" not in other.asked[0][1]
    assert not any("Cookie" in headers for _, headers in [*server.asked, *other.asked])


def test_errors_do_not_show_the_login_or_the_query(serve_pages: Serve) -> None:
    url = serve_pages({}).url("/a.png?key=secret").replace("://", "://me:secret@")
    assert "secret" not in refused(url)


# -- where to -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_not_asked_unless_allowed(serve_pages: Serve, picture: bytes, host: str) -> None:
    server = serve_pages({"/a.png": sends(picture)})
    said = refused(server.url("/a.png", host), allow_private=False)
    assert "not on the public Internet" in said
    assert "--allow-private" in said
    assert server.asked == []


_RESOLVE, _CONNECT = socket.getaddrinfo, socket.create_connection
PUBLIC = "93.184.216.34"


class Internet:
    """Names with the addresses that they have, in turn, and a public address that leads to this machine.

    It stands for name servers and routers, which a test cannot have; what depthmap makes of them is real.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): iter(answers) for name, answers in names.items()}
        self.connected: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)
        monkeypatch.setattr(socket, "create_connection", self._connect)

    def _resolve(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        answer = next(self.names[host]) if host in self.names else [host]
        return [entry for address in answer for entry in _RESOLVE(address, port, *args, **options)]

    def _connect(self, address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        self.connected.append(address[0])
        host = "127.0.0.1" if address[0] == PUBLIC else address[0]
        return _CONNECT((host, address[1]), *args, **options)


def test_a_redirect_to_the_inside_is_refused(
    serve_pages: Serve, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    internet = Internet(monkeypatch, outside_test=[[PUBLIC]] * 2, inside_test=[["10.0.0.1"]])
    server = serve_pages({"/a": redirects("/b"), "/b": redirects("http://inside.test/a.png")})
    said = refused(server.url("/a", "outside.test"), allow_private=False)
    assert "inside.test, which is 10.0.0.1, is not on the public Internet" in said
    assert [path for path, _ in server.asked] == ["/a", "/b"]
    assert internet.connected == [PUBLIC, PUBLIC]


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    serve_pages: Serve, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer of the name server is this machine: that is DNS rebinding."""
    internet = Internet(monkeypatch, rebinding_test=[[PUBLIC], ["127.0.0.1"]])
    server = serve_pages({"/a.png": sends(picture)})
    assert read(server.url("/a.png", "rebinding.test")).shape == (30, 40, 3)
    assert internet.connected == [PUBLIC]
    assert server.asked[0][1]["Host"] == f"rebinding.test:{server.server_port}"
    assert "127.0.0.1" in refused(server.url("/a.png", "rebinding.test"), allow_private=False)


def test_a_name_with_one_address_inside_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    internet = Internet(monkeypatch, both_test=[[PUBLIC, "10.0.0.1"]])
    assert "both.test, which is 10.0.0.1" in refused("http://both.test/a.png", allow_private=False)
    assert internet.connected == []


def test_the_next_address_is_tried_when_nobody_listens_at_the_first(
    serve_pages: Serve, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_pages({"/a.png": sends(picture)})
    internet = Internet(monkeypatch, two_test=[["127.0.0.9", "127.0.0.1"]])
    assert read(server.url("/a.png", "two.test"), allow_private=True).shape == (30, 40, 3)
    assert internet.connected == ["127.0.0.9", "127.0.0.1"]


def test_offline_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import sys
sys.addaudithook(lambda event, args: print("AUDIT", event) if event.startswith("socket.") else None)
from depthmap.images import read
try:
    read("https://example.com/a.jpg")
except Exception as error:
    print(error)
print("httpx" in sys.modules)
"""
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "offline" in done.stdout
    assert "AUDIT" not in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


# -- TLS ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate for pictures.test, in one file, which is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=pictures.test",
    ]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-addext", "subjectAltName=DNS:pictures.test"]
    try:
        subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl")
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


def test_the_certificate_must_fit_the_name_and_not_the_address(
    serve_pages: Serve, picture: bytes, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_pages({"/a.png": sends(picture)}, certificate=certificate)
    Internet(monkeypatch, pictures_test=[[PUBLIC]] * 2, other_test=[[PUBLIC]])
    assert "CERTIFICATE_VERIFY_FAILED" in refused(server.url("/a.png", "pictures.test"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))
    assert read(server.url("/a.png", "pictures.test"), allow_private=True).shape == (30, 40, 3)
    assert "CERTIFICATE_VERIFY_FAILED" in refused(server.url("/a.png", "other.test"))
    assert [path for path, _ in server.asked] == ["/a.png"]


# -- proxies ------------------------------------------------------------------------------------------------------


def test_a_proxy_resolves_names_and_is_not_asked_for_private_addresses(
    serve_pages: Serve, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve_pages({"http://pictures.test/a.png": sends(picture)})
    monkeypatch.setenv("http_proxy", proxy.url(""))
    assert read("http://pictures.test/a.png").shape == (30, 40, 3)
    for host in ("127.0.0.1", "localhost", "10.1", "[::1]"):
        assert "not on the public Internet" in refused(f"http://{host}/a.png", allow_private=False)
    assert [path for path, _ in proxy.asked] == ["http://pictures.test/a.png"]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    direct = serve_pages({"/a.png": sends(picture)})
    assert read(direct.url("/a.png"), allow_private=True).shape == (30, 40, 3)
    assert len(direct.asked) == 1


def test_a_proxy_that_cannot_be_used_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://proxy:1")
    assert "proxy" in refused("http://pictures.test/a.png")


# -- going --------------------------------------------------------------------------------------------------------


def test_a_fetch_that_is_given_up_ends(serve_pages: Serve) -> None:
    from depthmap.fetching.fetcher import give_up

    asked = threading.Event()

    def page(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        silent(handler)

    url = serve_pages({"/a.png": page}).url("/a.png")
    said: list[DepthmapError] = []

    def reads() -> None:
        try:
            read(url, allow_private=True)
        except DepthmapError as error:
            said.append(error)

    thread = threading.Thread(target=reads)
    thread.start()
    assert asked.wait(60)
    give_up({"http://another/"})
    time.sleep(0.05)
    assert thread.is_alive()
    give_up({url})
    thread.join(20)
    assert "interrupted" in str(said[0])
