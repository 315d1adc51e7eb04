"""Where a model comes from: mirrors in order, files offline, and through a proxy."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import fsspec
import pytest

from depthmap.errors import DownloadError, ModelUnavailable
from faults.downloading import Network
from faults.servers import MIB, answers, truncated

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    for variable in _VARIABLES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    network = Network(tmp_path, monkeypatch)
    yield network
    network.stop()


@pytest.fixture
def folder(network: Network) -> Path:
    """A folder that has the file, as a mirror may keep it: without the folders of the releases."""
    path = network.folder / "folder" / "small.pt"
    path.parent.mkdir()
    path.symlink_to(network.published)
    return path.parent


@pytest.fixture
def memory(network: Network) -> Iterator[str]:
    """A mirror that only fsspec knows."""
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/v1/small.pt", network.published.read_bytes())
    yield "memory://bucket/"
    system.rm("/bucket", recursive=True)


# -- in order ---------------------------------------------------------------------------------------------------


def test_mirrors_of_all_kinds_are_asked_in_order_until_one_has_the_file(
    network: Network, memory: str, folder: Path
) -> None:
    network.mirrors += ["http://127.0.0.1:9/", (network.folder / "no").as_uri()]
    refusing = network.mirror(answers(404))
    network.mirrors.append(memory)
    later, official = network.mirror(), network.official()
    network.fetch()
    assert [request.path for request in refusing.gets()] == ["/v1/small.pt"]
    assert later.requests == official.requests == []


def test_a_folder_is_a_mirror_without_the_folders_of_the_releases(network: Network, folder: Path) -> None:
    network.mirrors.append(folder.as_uri())
    official = network.official()
    network.fetch()
    assert official.requests == []


def test_where_no_mirror_has_the_file_the_published_source_is_asked_last(
    network: Network, memory: str
) -> None:
    network.mirrors += ["memory://nothing-here/", (network.folder / "no").as_uri()]
    official = network.official()
    network.fetch()
    assert len(official.gets()) == 1


def test_when_none_has_it_every_mirror_is_named_with_what_it_said(network: Network) -> None:
    network.mirrors += ["memory://nothing-here/", (network.folder / "no").as_uri()]
    mirror = network.mirror(answers(404))
    said = network.fails().what
    for url in ("memory://nothing-here/v1/small.pt", "/no/v1/small.pt", f"{mirror.url}v1/small.pt"):
        assert url in said


def test_what_one_mirror_began_another_kind_of_mirror_ends(network: Network, memory: str) -> None:
    first = network.mirror(truncated(3 * MIB))
    network.mirrors.append(memory)
    network.fetch()
    assert first.sent == 3 * MIB


# -- offline ----------------------------------------------------------------------------------------------------


def test_offline_a_folder_is_read_and_no_server_is_asked(network: Network, folder: Path) -> None:
    servers = [network.mirror(), network.official()]
    network.mirrors.append(folder.as_uri())
    network.set(offline=1)
    network.fetch()
    assert [server.requests for server in servers] == [[], []]


def test_offline_servers_and_buckets_are_no_sources(network: Network, memory: str) -> None:
    servers = [network.mirror(), network.official()]
    network.mirrors.append(memory)
    network.set(offline=1)
    cache = network.cache()
    with pytest.raises(ModelUnavailable, match="DEPTHMAP_OFFLINE") as caught:
        cache.download("small", ["pt"])
    assert "DEPTHMAP_MIRRORS" in caught.value.remedy
    assert [server.requests for server in servers] == [[], []]
    assert not cache.cache_dir.exists()


# -- proxies ----------------------------------------------------------------------------------------------------


class Proxy(ThreadingHTTPServer):
    """A proxy for http:// that knows the addresses of some hosts; ``https`` it refuses. It notes what it is asked."""

    daemon_threads = True

    def __init__(self, hosts: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.hosts = hosts
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Forwarding(BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(403)

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        url = urlsplit(self.path)
        origin = http.client.HTTPConnection(self.server.hosts.get(url.netloc, url.netloc), timeout=10)
        origin.request("GET", url.path, headers=dict(self.headers.items()))
        answer = origin.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(answer.read())
        origin.close()


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    started: list[Proxy] = []

    def start(**hosts: str) -> Proxy:
        started.append(Proxy({f"{name}.invalid": url.split("/")[2] for name, url in hosts.items()}))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_a_download_goes_through_the_proxy_that_the_environment_names(
    network: Network, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the proxy knows where that server is."""
    network.base = "http://models.invalid/"
    origin = network.server()
    through = proxy(models=origin.url)
    monkeypatch.setenv("HTTP_PROXY", through.url)
    network.fetch()
    assert through.asked == ["http://models.invalid/v1/small.pt"]
    assert origin.sent == network.size


def test_a_download_through_a_proxy_goes_on_where_it_was(
    network: Network, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    official = network.interrupted(3 * MIB)
    through = proxy()
    monkeypatch.setenv("HTTP_PROXY", through.url)
    network.fetch()
    assert through.asked == [f"{official.url}v1/small.pt"]
    assert official.sent == network.size - 3 * MIB


@pytest.mark.parametrize("value", ["127.0.0.1", "example.org, 127.0.0.1", "*"])
def test_no_proxy_is_respected(
    network: Network, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    through = proxy()
    monkeypatch.setenv("HTTP_PROXY", through.url)
    monkeypatch.setenv("NO_PROXY", value)
    official = network.official()
    network.fetch()
    assert through.asked == []
    assert len(official.gets()) == 1


def test_https_goes_through_its_proxy_and_no_message_shows_its_password(
    network: Network, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    network.base = "https://models.invalid/"
    through = proxy()
    monkeypatch.setenv("HTTPS_PROXY", through.url.replace("//", "//somebody:secret@"))
    error = network.fails(DownloadError, "403")
    assert through.asked == ["models.invalid:443"]
    assert "secret" not in str(error)


def test_a_proxy_that_is_not_there_or_makes_no_sense_is_an_error(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.official()
    for address in (
        "http://127.0.0.1:9",
        "nonsense://somebody:secret@x",
        "http://somebody:secret@127.0.0.1:9",
    ):
        monkeypatch.setenv("HTTP_PROXY", address)
        assert "secret" not in str(network.fails())
