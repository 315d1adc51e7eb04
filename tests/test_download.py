"""A download gives the published bytes or a clear error, and leaves nothing half."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from depthmap.download import Partial, download, sources
from depthmap.errors import DigestMismatch, DownloadError, NetworkTimeout
from support import FileServer

DATA = bytes(range(256)) * 12_345
SHA = hashlib.sha256(DATA).hexdigest()


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Run a real server whose every GET is answered by ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/model.pt"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def fetch(url: str, target: Path, timeout: float = 5) -> None:
    digest = download([url], target, len(DATA), SHA, timeout, retries=0)
    assert digest.sha256 == SHA


def test_the_bytes_arrive_with_progress(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with answering(lambda h: reply(h, DATA)) as url:
        download([url], tmp_path / "x", len(DATA), SHA, 5, lambda *step: seen.append(step))
    assert (tmp_path / "x").read_bytes() == DATA
    assert seen[-1] == ("Downloading model.pt", len(DATA), len(DATA))
    assert [step[1] for step in seen] == sorted(step[1] for step in seen)


def test_a_file_url_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a b.pt").write_bytes(DATA)
    fetch((tmp_path / "a b.pt").as_uri(), tmp_path / "x")
    with pytest.raises(DownloadError, match="No such file"):
        fetch((tmp_path / "missing.pt").as_uri(), tmp_path / "x")


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_an_error_status_is_named(tmp_path: Path, status: int) -> None:
    with (
        answering(lambda h: reply(h, b"no", status=status)) as url,
        pytest.raises(DownloadError, match=f"the server answered {status}") as caught,
    ):
        fetch(url, tmp_path / "x")
    assert "DEPTHMAP_MIRRORS" in caught.value.remedy


def test_a_page_with_status_200_is_no_model(tmp_path: Path) -> None:
    page = b"<html>sign in</html>"
    with answering(lambda h: reply(h, page)) as url, pytest.raises(DownloadError, match="offers 20 bytes"):
        fetch(url, tmp_path / "x")


def test_a_truncated_reply_is_an_error(tmp_path: Path) -> None:
    with (
        answering(lambda h: reply(h, DATA[:1000], len(DATA))) as url,
        pytest.raises(DownloadError, match="broke off"),
    ):
        fetch(url, tmp_path / "x")


def test_a_short_reply_without_a_length_is_an_error(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(DATA[:1000])

    with (
        answering(answer) as url,
        pytest.raises(DownloadError, match=f"stopped after 1000 of {len(DATA)} bytes"),
    ):
        fetch(url, tmp_path / "x")


def test_an_endless_reply_is_cut(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(DATA)
        except OSError:
            pass

    with answering(answer) as url, pytest.raises(DownloadError, match="more than"):
        fetch(url, tmp_path / "x")
    assert (tmp_path / "x").stat().st_size <= len(DATA)


def test_wrong_bytes_of_the_right_length_are_a_digest_mismatch(tmp_path: Path) -> None:
    wrong = DATA[:-1] + b"\0"
    with answering(lambda h: reply(h, wrong)) as url, pytest.raises(DigestMismatch, match="SHA-256"):
        fetch(url, tmp_path / "x")


def test_a_redirect_is_followed_and_a_loop_is_not(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/there":
            return reply(handler, DATA)
        handler.send_response(302)
        handler.send_header("Location", "/there" if handler.path == "/model.pt" else handler.path)
        handler.end_headers()
        return None

    with answering(answer) as url:
        fetch(url, tmp_path / "x")
        with pytest.raises(DownloadError, match="redirects without end"):
            fetch(url.replace("model.pt", "loop"), tmp_path / "x")


def test_a_stalled_server_is_a_network_timeout(tmp_path: Path) -> None:
    over = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DATA)))
        handler.end_headers()
        handler.wfile.write(DATA[:1000])
        over.wait(20)

    with answering(answer) as url:
        start = time.monotonic()
        with pytest.raises(NetworkTimeout, match=r"Network timeout: .*within 0.5 s.*Check the connection"):
            fetch(url, tmp_path / "x", timeout=0.5)
        over.set()
    assert time.monotonic() - start < 15


def test_no_server_and_no_name_are_clear_errors(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/x", "http://name.invalid/x"):
        with pytest.raises(DownloadError, match="no connection"):
            fetch(url, tmp_path / "x")


def test_mirrors_are_asked_in_order_and_the_first_that_gives_the_bytes_wins(
    tmp_path: Path, serve: Callable[[Path], FileServer]
) -> None:
    for name, content in {"wrong/v9/m.pt": DATA[::-1], "flat/m.pt": DATA, "last/v9/m.pt": DATA}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
    servers = [serve(tmp_path / name) for name in ("wrong", "flat", "last")]
    urls = sources("http://name.invalid/v9/m.pt", "v9/m.pt", [server.url for server in servers])
    assert download(urls, tmp_path / "x", len(DATA), SHA, 5).sha256 == SHA
    assert [server.requests for server in servers] == [["/v9/m.pt", "/m.pt"], ["/v9/m.pt", "/m.pt"], []]


def test_when_all_fail_each_is_named(tmp_path: Path) -> None:
    with (
        answering(lambda h: reply(h, b"", status=404)) as first,
        answering(lambda h: reply(h, b"", status=403)) as second,
        pytest.raises(DownloadError) as caught,
    ):
        download([first, second], tmp_path / "x", 1, SHA, 5)
    assert f"{first}: the server answered 404" in str(caught.value)
    assert f"{second}: the server answered 403" in str(caught.value)


def test_a_partial_file_of_another_file_gives_nothing_to_a_new_one(tmp_path: Path) -> None:
    begun = Partial(tmp_path / "x", len(DATA), SHA)
    begun.put(0, DATA[: 1 << 20])
    begun.came_from("http://127.0.0.1:9/model.pt", '"a"')
    begun.close()
    other = Partial(tmp_path / "x", len(DATA), 64 * "0")
    assert (other.done, other.origins) == (0, {})
    other.close()


def test_a_mirror_has_files_of_the_hub_in_the_folders_of_their_repository() -> None:
    url = "https://huggingface.co/owner/name/resolve/main/model.safetensors"
    assert sources(url, "model.safetensors", ["file:///m/"]) == [
        "file:///m/owner/name/resolve/main/model.safetensors",
        "file:///m/owner/name/model.safetensors",
        url,
    ]
