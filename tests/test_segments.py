"""Several ranges of one file at once, where that is faster; and downloads that are cancelled and go on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Event

import pytest

from depthmap.download import download, transfer
from depthmap.errors import Cancelled
from faults.downloading import Network
from faults.servers import MIB, Fault, HostileServer, ignores_ranges, slow, stalled, weak_etag
from support import sha256

RATE = 12 * MIB
"""Bytes a second that a server gives to one connection."""
Start = Callable[..., HostileServer]


@cache
def _content() -> bytes:
    return random.Random(2).randbytes(26 * MIB + 5)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.pt"
    path.write_bytes(_content())
    return path


@pytest.fixture
def start(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start servers that limit the rate of each connection; that is found out soon."""
    monkeypatch.setattr(transfer, "_PROBE", 0.25)
    started: list[HostileServer] = []

    def serve(*faults: Fault) -> HostileServer:
        started.append(HostileServer(published, slow(RATE), *faults))
        return started[-1]

    yield serve
    for server in started:
        server.stop()


def fetch(server: HostileServer, published: Path, **options: object) -> Path:
    target = published.with_name("target.pt")
    size, digest = published.stat().st_size, sha256(published)
    download([f"{server.url}v1/small.pt"], target, size, digest, 10, **options)  # type: ignore[arg-type]  # options are of several types
    assert target.read_bytes() == published.read_bytes()
    return target


def test_where_each_connection_is_limited_several_share_the_file_and_nothing_comes_twice(
    start: Start, published: Path
) -> None:
    server = start()
    seen: list[int] = []
    target = fetch(server, published, progress=lambda what, done, total: seen.append(done))
    assert 2 <= server.most_connections <= 4
    assert seen == sorted(seen)
    assert seen[-1] == published.stat().st_size
    assert server.sent < published.stat().st_size + 4 * MIB  # what was under way where a range was cut short
    assert [path.name for path in target.parent.iterdir() if "target" in path.name] == ["target.pt"]


@pytest.mark.parametrize(
    "faults",
    [(ignores_ranges(), Fault(headers={"Accept-Ranges": None})), (weak_etag(),)],
    ids=["no ranges", "no strong ETag"],
)
def test_where_parts_could_be_of_two_files_or_are_not_given_there_is_one_connection(
    start: Start, published: Path, faults: tuple[Fault, ...]
) -> None:
    server = start(slow(2 * RATE), *faults)
    fetch(server, published)
    assert server.most_connections == 1
    assert [request.status for request in server.gets()] == [200]


def test_several_connections_that_are_cancelled_leave_what_came_and_the_next_run_fetches_the_rest(
    start: Start, published: Path
) -> None:
    server, cancel = start(), Event()
    size = published.stat().st_size

    def watch(what: str, done: int, total: int) -> None:
        if server.connections > 1 and done > 10 * MIB:
            cancel.set()

    with pytest.raises(Cancelled):
        fetch(server, published, progress=watch, cancel=cancel)
    target = published.with_name("target.pt")
    assert server.sent < size
    assert target.with_name("target.pt.journal").exists()
    server.heal()
    resumed: list[int] = []
    fetch(server, published, progress=lambda what, done, total: resumed.append(done))
    assert resumed[0] >= 6 * MIB  # of ten, each connection may have lost a part of a MiB
    assert server.sent <= size - 6 * MIB


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    network = Network(tmp_path, monkeypatch)
    yield network
    network.stop()


def test_a_cancelled_download_ends_though_nothing_comes_and_goes_on_later(network: Network) -> None:
    """Were the silence waited for, it would be a time-out."""
    official, cancel = network.official(stalled(3 * MIB)), Event()

    def watch(what: str, done: int, total: int) -> None:
        if done == 3 * MIB:
            cancel.set()

    with pytest.raises(Cancelled) as caught:
        network.cache().download("small", ["pt"], watch, cancel=cancel)
    assert caught.value.where == "Small"
    assert "to go on from there" in caught.value.remedy
    assert not network.cache().is_cached("small")
    assert network.cache().usage()["partial_files"] >= 3 * MIB
    official.heal()
    network.fetch()
    assert official.sent == network.size - 3 * MIB


def test_a_download_that_is_cancelled_before_it_begins_asks_for_nothing_much(network: Network) -> None:
    official, cancel = network.official(slow(MIB)), Event()
    cancel.set()
    with pytest.raises(Cancelled):
        network.cache().download("small", ["pt"], cancel=cancel)
    assert official.sent < network.size
    assert not network.cache().is_cached("small")


def test_a_cancel_that_is_not_set_changes_nothing(network: Network) -> None:
    network.official()
    path = network.cache().download("small", ["pt"], cancel=Event())["pt"]
    assert sha256(path) == network.sha256
