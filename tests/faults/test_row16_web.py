"""Row 16: uploads that lie, bombs, foreign names and pages, slow clients, clients that go away, crowds."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

import httpx
import numpy as np
import pytest

from depthmap.cache import ModelCache
from depthmap.settings import Settings
from support import PHOTO
from web.conftest import MODEL, WebServer
from web.uploading import PREDICT, picture, send, send_form, values

from .ledger import Ledger

pytestmark = pytest.mark.timeout(1800)
MIB = 1 << 20
SECONDS = 2.0
"""After which the server gives up a body that does not come."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[WebServer]:
    """A server with a model in its cache, and an export directory with a secret beside it."""
    root = tmp_path_factory.mktemp("row16")
    (root / "exports").mkdir()
    (root / "secret").mkdir()
    (root / "exports" / "out").symlink_to(root / "secret")
    ModelCache(settings=Settings(cache_dir=root / "cache")).import_file(tiny_checkpoint, MODEL)
    settings = Settings(
        cache_dir=root / "cache",
        export_dir=root / "exports",
        offline=True,
        timeout=SECONDS,
        max_upload=8 * MIB,
    )
    server = WebServer(settings)
    send(server)  # the model is loaded
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def unharmed(server: WebServer) -> Iterator[None]:
    """After each attack the server answers others, and nothing was written outside of the export directory."""
    yield
    assert server.client.get("/api/healthz").status_code == 200
    end = time.monotonic() + 60
    while (
        reply := send(server, outputs="npy")
    ).status_code == 503:  # those who went away may be in the queue yet
        assert time.monotonic() < end
        time.sleep(0.1)
    assert values(reply).shape == (48, 64)
    assert not list((server.cache_dir.parent / "secret").iterdir())


def memory() -> int:
    """Return the bytes that this process, the server's too, has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@contextmanager
def no_more_than(nbytes: int) -> Iterator[None]:
    """Watch that no more memory is taken meanwhile, at any time."""
    before, most, over = memory(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            most[0] = max(most[0], memory() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert most[0] <= nbytes, f"{most[0]} bytes were taken"


def refused(reply: httpx.Response, *statuses: int) -> None:
    fields = reply.json()
    assert reply.status_code in statuses, reply.text
    assert fields["success"] is False
    assert fields["message"]
    assert fields["remedy"]
    assert "Traceback" not in reply.text


KINDS = {
    "text": b"hello, world, this is no picture at all",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "ZIP": b"PK\x03\x04" + bytes(60),
    "MP4": b"\0\0\0\x20ftypisom\0\0\x02\0" + bytes(60),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "ELF": b"\x7fELF" + bytes(60),
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "FITS": b"SIMPLE  =                    T" + bytes(60),
    "FLI": struct.pack("<IHHHH", 64, 0xAF11, 1, 9, 9) + bytes(60),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_picture_is_refused_whatever_it_says_it_is(
    server: WebServer, ledger: Ledger, kind: str
) -> None:
    data = KINDS[kind]
    with ledger.injection(16, f"{kind} as the body"):
        refused(server.client.post(PREDICT, content=data, headers={"Content-Type": "image/jpeg"}), 415)
    with ledger.injection(16, f"{kind} as a form's JPEG"):
        files = {"image": ("photo.jpg", data, "image/jpeg")}
        refused(server.client.post(PREDICT, files=files), 415)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_a_picture_that_says_it_is_another_is_read_by_what_it_is(
    server: WebServer, ledger: Ledger, kind: str
) -> None:
    with ledger.injection(16, f"{kind} as text"):
        files = {"image": ("run.exe", picture(kind=kind), "text/html")}
        reply = server.client.post(f"{PREDICT}?outputs=npy", files=files)
        assert values(reply).shape == (48, 64)
        assert reply.headers["content-type"] == "application/x-npy"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"])
def test_a_picture_that_is_cut_or_damaged_is_an_error_of_ours(
    server: WebServer, ledger: Ledger, kind: str, full: bool
) -> None:
    data = picture(kind=kind)
    random = np.random.default_rng(1)
    for number in range(60 if full else 6):
        damaged = bytearray(data)
        place = int(random.integers(len(data)))
        if number % 2:
            damaged[place:] = b""
        else:
            damaged[place : place + 8] = random.bytes(8)
        with ledger.injection(16, f"{kind}, {'cut' if number % 2 else 'damaged'} at {place}"):
            reply = send(server, bytes(damaged) or b"x")
            if reply.status_code != 200:
                refused(reply, 415, 422)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), extra, chunk(b"IDAT", rows), chunk(b"IEND", b""))
    )


def zeros(nbytes: int) -> bytes:
    """Return so many zeros, deflated."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(MIB)) for _ in range(nbytes // MIB)]
    return b"".join([*parts, packer.flush()])


def tiff(width: int, height: int) -> bytes:
    """Return the header of a TIFF that claims a size, of one strip that is not there."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    tags += [(277, 3, 1), (278, 4, height), (279, 4, 4)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(100)


def gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HH", width, height)
        + b"\x80\0\0\0\0\0\xff\xff\xff"
        + (b",\0\0\0\0" + struct.pack("<HH", width, height) + b"\0\x02\x02D\x01\0;")
    )


BOMBS = {
    "PNG that says 60000 × 60000": lambda: png(60_000, 60_000, zlib.compress(b"")),
    "PNG of 15000 × 15000 zeros, deflated": lambda: png(15_000, 15_000, zeros(15_000 * 15_001)),
    "PNG with 2³¹ columns": lambda: png((1 << 31) - 1, 1, zlib.compress(b"\0\0")),
    "PNG whose text unpacks to 256 MiB": lambda: png(
        4, 4, zlib.compress(bytes(20)), chunk(b"zTXt", b"Comment\0\0" + zeros(256 * MIB))
    ),
    "PNG whose colour profile unpacks to 256 MiB": lambda: png(
        4, 4, zlib.compress(bytes(20)), chunk(b"iCCP", b"icc\0\0" + zeros(256 * MIB))
    ),
    "PNG whose rows unpack to 256 MiB for 4 × 4": lambda: png(4, 4, zeros(256 * MIB)),
    "TIFF that says 100000 × 100000": lambda: tiff(100_000, 100_000),
    "GIF that says 65535 × 65535": lambda: gif(65_535, 65_535),
    "BMP that says 100000 × 100000": lambda: (
        b"BM"
        + struct.pack("<IHHI", 200, 0, 0, 54)
        + (struct.pack("<IiiHHIIiiII", 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(100))
    ),
    "PPM that says 100000 × 100000": lambda: b"P6\n100000 100000\n255\n" + bytes(100),
    "WebP that says 16383 × 16383": lambda: (
        b"RIFF"
        + struct.pack("<I", 22)
        + b"WEBPVP8L"
        + (struct.pack("<I", 9) + b"\x2f" + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(5))
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_takes_no_memory(server: WebServer, ledger: Ledger, name: str) -> None:
    data = BOMBS[name]()
    assert len(data) < 4 * MIB
    for way in (send, send_form):
        with ledger.injection(16, f"{name}, by {way.__name__}"), no_more_than(100 * MIB):
            reply = way(server, data)
            if reply.status_code != 200:  # Pillow may leave a profile or a text aside
                refused(reply, 422)


def talk(server: WebServer, *parts: bytes, pause: float = 0, most: int = 1 << 16) -> bytes:
    """Send bytes as they are, with pauses, and return the beginning of what is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break  # the server has closed; what it said can still be read
            time.sleep(pause)
        answer = b""
        try:
            while len(answer) < most and (part := connection.recv(most)):
                answer += part
                if b"\r\n\r\n" in answer:
                    break
        except ConnectionError:
            pass
        return answer


def head(length: int | str, *lines: str, path: str = PREDICT) -> bytes:
    said = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", *lines, "", ""]
    return "\r\n".join(said).encode()


def test_a_length_that_is_a_lie_is_refused(server: WebServer, ledger: Ledger) -> None:
    body = picture()
    lies = {
        "too much": (head(9 * MIB), b" 413 "),
        "much too much": (head(10**18), b" 413 "),
        "more than comes": (head(len(body) + 10) + body, b" 408 "),
        "less than comes": (head(20) + body, b" 4"),
        "negative": (head(-1) + body, b" 400 "),
        "no number": (head("many") + body, b" 400 "),
        "two of them": (head(len(body), "Content-Length: 5") + body, b" 400 "),
        "a length and chunks": (head(len(body), "Transfer-Encoding: chunked") + body, b" 4"),
    }
    for name, (request, status) in lies.items():
        with ledger.injection(16, f"Content-Length: {name}"):
            answer = talk(server, request)
            assert status in answer.split(b"\r\n")[0] + b" ", answer[:200]


@pytest.mark.parametrize("way", ["body", "form"])
def test_chunks_that_never_end_are_cut_off(server: WebServer, ledger: Ledger, way: str) -> None:
    part = bytes(64 << 10)
    framing = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'

    def endless() -> Iterator[bytes]:
        if way == "form":
            yield framing
        for _ in range(1000):
            yield part

    kind = "multipart/form-data; boundary=x" if way == "form" else "image/png"
    with ledger.injection(16, f"an endless {way}"), no_more_than(64 * MIB):
        try:
            reply = server.client.post(PREDICT, content=endless(), headers={"Content-Type": kind})
        except httpx.TransportError:
            return  # it has closed while we were sending
        refused(reply, 413)


FORMS = {
    "no boundary": ("multipart/form-data", b"--x\r\n\r\n"),
    "an empty boundary": ("multipart/form-data; boundary=", b"--\r\n\r\n"),
    "a boundary that does not come": ("multipart/form-data; boundary=y", b"--x\r\n\r\n"),
    "no end": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc',
    ),
    "no name": ("multipart/form-data; boundary=x", b"--x\r\nA: b\r\n\r\nabc\r\n--x--\r\n"),
    "no picture": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="size"\r\n\r\n64\r\n--x--\r\n',
    ),
    "two pictures": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\na\r\n' * 2 + b"--x--\r\n",
    ),
    "another file": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="b"; filename="b"\r\n\r\na\r\n--x--\r\n',
    ),
    "a header without end": ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 100_000),
    "a name without end": ("multipart/form-data; boundary=x", b"--x\r\n" + b"b" * 100_000),
    "a field without end": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="size"\r\n\r\n' + b"6" * 100_000 + b"\r\n--x--\r\n",
    ),
    "a thousand fields": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="size"\r\n\r\n6\r\n' * 1000 + b"--x--\r\n",
    ),
    "a field that is no text": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="size"\r\n\r\n\xff\xfe\r\n--x--\r\n',
    ),
    "a form in a form": ("multipart/mixed; boundary=x", b"--x\r\n\r\na\r\n--x--\r\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_none_is_refused(server: WebServer, ledger: Ledger, name: str) -> None:
    kind, body = FORMS[name]
    with ledger.injection(16, f"a form with {name}"):
        refused(server.client.post(PREDICT, content=body, headers={"Content-Type": kind}), 413, 415, 422)


NAMES = [
    "../../../../etc/passwd", "/etc/passwd", "..\\..\\windows\\system.ini", "C:\\secret.png", "..", ".", "",
    "a/../../b.png", "con", "nul.png", "a\tb.png", "a;b.png", "a%0d%0aX-Evil: 1.png", "‮gnp.exe",
    "x" * 5000, "….png", "a:b.png", "~/.ssh/id_rsa", "%2e%2e%2fx.png", "-rf.png", '<img src=x onerror=1>.png',
]  # fmt: skip
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-~ ();'@=&+,!#$")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_leads_nowhere(server: WebServer, ledger: Ledger, name: str) -> None:
    with ledger.injection(16, f"a picture called {name[:40]!r}"):
        disposition = f'form-data; name="image"; filename="{name}"'.encode()
        body = b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + picture() + b"\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        for outputs in ("npy", "npy,png16"):
            reply = server.client.post(f"{PREDICT}?outputs={outputs}", content=body, headers=kind)
            if reply.status_code != 200:  # a header of 5000 letters
                refused(reply, 422)
                continue
            shown = reply.headers["content-disposition"].split('filename="')[1].split('"')[0]
            assert set(shown) <= SAFE, shown
            assert shown.endswith("_depth.npy" if outputs == "npy" else "_depth.zip")
            assert not shown.startswith((".", "/"))
            assert "x-evil" not in reply.headers
            json.loads(reply.headers["depthmap-facts"])


PATHS = [
    "../out.pt", "../../secret/out.pt", "/etc/out.pt", "out/out.pt", "a/../../secret/out.pt", "..\\out.pt",
    "out/../../secret/x.pt", "\x00.pt", "x.pt\x00.txt", "~/x.pt", "C:\\x.pt", "x.sh", "", ".", "..", "con:.pt",
    "../cache/midas_my_custom_model.pt",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_an_export_that_leads_elsewhere_writes_nothing(server: WebServer, ledger: Ledger, path: str) -> None:
    root = server.cache_dir.parent
    before = sorted(root.rglob("*"))
    with ledger.injection(16, f"an export to {path!r}"):
        reply = server.client.post(f"/api/models/export/{MODEL}", json={"export_path": path})
        refused(reply, 400, 403, 409, 422)
        assert sorted(root.rglob("*")) == before


HOSTS = [
    "evil.example",
    "evil.example:5000",
    "127.0.0.1.nip.io",
    "localhost.evil.example",
    "10.0.0.1",
    "0.0.0.0",
]
ORIGINS = ["http://evil.example", "https://localhost.evil.example", "null", "file://", "http://localhost:1"]
CHANGES = [
    ("POST", PREDICT), ("POST", "/api/models/cache/clear"), ("POST", "/api/models/cache/optimize"),
    ("POST", f"/api/models/export/{MODEL}"),
]  # fmt: skip
READS = ["/", "/docs", "/openapi.json", "/api/outputs", "/api/status", "/api/metrics", "/api/models/status"]


def test_a_foreign_name_is_answered_nothing(server: WebServer, ledger: Ledger) -> None:
    for host in HOSTS:
        for method, path in [*CHANGES, *(("GET", path) for path in READS)]:
            with ledger.injection(16, f"{method} {path} of {host}"):
                refused(server.client.request(method, path, headers={"Host": host}), 421)


def test_a_foreign_page_changes_nothing(server: WebServer, ledger: Ledger) -> None:
    said = [{"Origin": origin} for origin in ORIGINS]
    said += [{"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")]
    for headers in said:
        for method, path in CHANGES:
            with ledger.injection(16, f"{method} {path} by a page with {headers}"):
                content = json.dumps({"confirm": True})
                refused(server.client.request(method, path, content=content, headers=headers), 403)
    assert ModelCache(server.cache_dir).is_cached(MODEL)


def test_a_body_that_hardly_comes_is_given_up(server: WebServer, ledger: Ledger) -> None:
    body = picture()
    chunked = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    slow = {
        "nothing after the head": ((head(1000),), 0.0),
        "half of it": ((head(len(body)), body[: len(body) // 2]), 0.0),
        "a byte now and then": ((head(len(body)), *(body[n : n + 1] for n in range(100))), 0.05),
        "a chunk of a byte now and then": ((chunked, *(b"1\r\nx\r\n" for _ in range(100))), 0.05),
    }
    for name, (parts, pause) in slow.items():
        with ledger.injection(16, f"slow: {name}"):
            assert talk(server, *parts, pause=pause).startswith(b"HTTP/1.1 408 ")


def test_others_are_answered_beside_many_that_say_nothing(server: WebServer, ledger: Ledger) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for number, connection in enumerate(idle):
            connection.sendall([b"", b"P", b"POST /api/predict HTTP/1.1\r\nHost: "][number % 3])
        with ledger.injection(16, "200 connections that say nothing"):
            assert send(server).status_code == 200
    finally:
        for connection in idle:
            connection.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def queue_is_empty(server: WebServer) -> bool:
    queue = server.app.state.predictor.queue
    return (queue.waiting, queue.running) == (0, 0)


def test_a_client_that_goes_away_leaves_nothing_behind(server: WebServer, ledger: Ledger) -> None:
    body = picture(640, 480)
    times = {
        "in the head": head(len(body))[:20],
        "before the body": head(len(body)),
        "in the body": head(len(body)) + body[: len(body) // 2],
        "after the body": head(len(body)) + body,
        "in a form": b"\r\n".join(
            [
                head(5000, "Content-Type: multipart/form-data; boundary=x")[:-2],
                b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc',
            ]
        ),
    }
    for name, request in times.items():
        for reset in (False, True):
            with ledger.injection(16, f"gone {name}{', by a reset' if reset else ''}"):
                for _ in range(10):
                    with socket.create_connection(("127.0.0.1", server.port)) as connection:
                        connection.sendall(request)
                        if reset:
                            connection.setsockopt(
                                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                            )
                until(lambda: queue_is_empty(server))


def test_a_client_that_goes_away_in_mid_answer_harms_nobody(server: WebServer, ledger: Ledger) -> None:
    body = picture(2000, 1500, "JPEG")
    request = head(len(body), path=f"{PREDICT}?outputs=npy,tiff,npz&size=64") + body
    for most in (1, 1000, 1 << 20):
        with ledger.injection(16, f"gone after {most} bytes of an answer"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
                connection.sendall(request)
                got = 0
                while got < most:
                    got += len(connection.recv(min(most, 65536)))
            until(lambda: queue_is_empty(server))


def test_a_client_that_does_not_read_its_answer_holds_up_nobody(server: WebServer, ledger: Ledger) -> None:
    body = picture(2000, 1500, "JPEG")
    request = head(len(body), path=f"{PREDICT}?outputs=npy,tiff,npz&size=64") + body
    with ledger.injection(16, "answers that nobody reads"):
        deaf = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
        try:
            for connection in deaf:
                connection.sendall(request)
            time.sleep(1)
            assert values(send(server, picture(seed=3), outputs="npy")).shape == (48, 64)
        finally:
            for connection in deaf:
                connection.close()
        until(lambda: queue_is_empty(server))


def test_a_hundred_at_once_are_answered_or_told_when_to_come_again(server: WebServer, ledger: Ledger) -> None:
    pictures = [picture(160, 120, seed=number) for number in range(100)]
    together = threading.Barrier(100)

    def ask(data: bytes) -> httpx.Response:
        together.wait()
        return httpx.post(
            server.url + PREDICT, content=data, params={"outputs": "npy"}, timeout=120, trust_env=False
        )

    with ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(ask, pictures))
    for reply in replies:
        with ledger.injection(16, "one of a hundred at once"):
            if reply.status_code == 503:
                assert int(reply.headers["retry-after"]) >= 1
                refused(reply, 503)
            else:
                assert values(reply).shape == (120, 160)
    assert any(reply.status_code == 200 for reply in replies)
    assert queue_is_empty(server)


@pytest.mark.slow
def test_memory_is_flat_under_crowds(server: WebServer, ledger: Ledger) -> None:
    picture_bytes = PHOTO.read_bytes()

    def crowd(number: int) -> None:
        def ask(one: int) -> int:
            data = picture_bytes + struct.pack(
                "<I", 100 * number + one
            )  # another picture, for who keeps results
            reply = httpx.post(server.url + PREDICT, content=data, timeout=300, trust_env=False)
            return reply.status_code

        with ThreadPoolExecutor(100) as pool:
            assert set(pool.map(ask, range(100))) <= {200, 503}

    results = server.app.state.predictor.results
    results.nbytes = 32 * MIB
    crowds = count()
    while results.held < results.nbytes * 0.9:  # what is kept grows to its limit first
        crowd(next(crowds))
    crowd(next(crowds))
    before = memory()
    for number in islice(crowds, 4):
        with ledger.injection(16, "a crowd of a hundred"):
            crowd(number)
            assert memory() < before + 150 * MIB


def test_no_more_pixels_are_decoded_at_once_than_there_is_room_for(server: WebServer, ledger: Ledger) -> None:
    room = server.app.state.predictor._room
    usual, room.size = room.size, 3_000_000
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.001):
            most[0] = max(most[0], room.taken)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ledger.injection(16, "twelve large pictures at once"):
            pictures = [picture(1200, 900, "JPEG", seed=number) for number in range(12)]
            with ThreadPoolExecutor(12) as pool:
                replies = list(pool.map(lambda data: send(server, data, size=64), pictures))
            assert {reply.status_code for reply in replies} == {200}
            assert 1_000_000 < most[0] <= room.size
            assert room.taken == 0
    finally:
        over.set()
        watcher.join()
        room.size = usual
