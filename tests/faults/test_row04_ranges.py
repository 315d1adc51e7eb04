"""Row 4: Range ignored (200 for 206); 416; the ETag changes between two parts; a Content-Range that does not match."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from depthmap.download import download
from depthmap.errors import DigestMismatch
from support import sha256

from .downloading import Network
from .ledger import Ledger
from .servers import (
    MIB,
    Fault,
    HostileServer,
    answers,
    etag,
    flipped,
    ignores_if_range,
    ignores_ranges,
    other_bytes,
    refuses_ranges,
    sends_range,
    shaped,
    slow,
    truncated,
    weak_etag,
)

ROW = 4
pytestmark = pytest.mark.sampled(3)
CUT = 3 * MIB + 12_345
CUTS = [MIB, CUT]


def test_a_download_that_goes_on_asks_under_its_strong_etag(network: Network, ledger: Ledger) -> None:
    official = network.interrupted(2 * MIB + 7)
    with ledger.injection(ROW, "two parts of one file"):
        network.fetch()
        (request,) = official.gets()
        assert request.range.startswith(f"bytes={2 * MIB}-")
        assert request.if_range.startswith('"')
        assert (request.status, request.sent) == (206, network.size - 2 * MIB)


# -- Range ignored ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["", "chunked", "unframed", "gzip"])
def test_a_200_for_a_range_is_taken_from_its_first_byte(network: Network, ledger: Ledger, shape: str) -> None:
    official = network.interrupted(CUT)
    official.faults = (ignores_ranges(), shaped(shape))
    with ledger.injection(ROW, f"{shape} 200 for 206"):
        network.fetch()
        assert official.sent <= network.size + MIB
        assert len(official.gets()) == 1


def test_a_200_for_a_range_that_breaks_off_still_ends_well(network: Network, ledger: Ledger) -> None:
    official = network.interrupted(3 * MIB)
    official.faults = (ignores_ranges(), truncated(2 * MIB).only(1), answers(404).after(1))
    with ledger.injection(ROW, "200 for 206, cut where less had come"):
        network.fails()
        official.heal()
        network.fetch()
        assert official.sent <= network.size - 2 * MIB


def test_a_server_without_ranges_that_breaks_off_is_asked_for_the_whole_again(
    network: Network, ledger: Ledger
) -> None:
    network.set(retries=2)
    official = network.official(ignores_ranges(), truncated(3 * MIB).first(1))
    with ledger.injection(ROW, "200 for 206 in the same run"):
        network.fetch()
        assert [request.status for request in official.gets()] == [200, 200]


# -- 416 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stated", ["bytes */{total}", "bytes */*", "bytes 0-0/{total}", "nonsense", None])
def test_after_a_416_the_whole_file_is_asked_for(
    network: Network, ledger: Ledger, stated: str | None
) -> None:
    network.set(retries=1)
    official = network.interrupted(CUT)
    official.faults = (refuses_ranges(stated),)
    with ledger.injection(ROW, f"416 with {stated}"):
        network.fetch()
        assert official.gets()[-1].range == ""
        assert official.sent == network.size


@pytest.mark.parametrize("stated", ["bytes */1000", "bytes */{total}0"])
def test_a_416_that_tells_of_another_size_gives_the_source_up_and_keeps_what_is_there(
    network: Network, ledger: Ledger, stated: str
) -> None:
    network.set(retries=1)
    official = network.interrupted(3 * MIB)
    official.faults = (refuses_ranges(stated),)
    with ledger.injection(ROW, f"416 with {stated}"):
        network.fails()
        official.heal()
        network.fetch()
        assert official.sent == network.size - 3 * MIB


def test_a_416_at_a_mirror_keeps_what_is_there_for_the_next_source(network: Network, ledger: Ledger) -> None:
    mirror = network.mirror(truncated(3 * MIB).only(1), answers(404).after(1))
    official = network.official(answers(404))
    network.fails()
    mirror.heal(refuses_ranges("bytes */5"))
    official.heal()
    with ledger.injection(ROW, "416 at the mirror"):
        network.fetch()
        assert official.sent == network.size - 3 * MIB


# -- the ETag changes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", CUTS)
def test_a_new_etag_for_the_same_bytes_gives_the_file(network: Network, ledger: Ledger, cut: int) -> None:
    official = network.interrupted(cut)
    official.faults = (etag('"second"'),)
    with ledger.injection(ROW, f"another ETag at {cut}"):
        network.fetch()
        assert official.gets()[0].if_range.startswith('"')
        assert official.sent <= network.size


STALE: dict[str, tuple[Fault, ...]] = {
    "another ETag": (etag('"first"'),),
    "another ETag, If-Range ignored": (etag('"first"'), ignores_if_range()),
    "one ETag for both": (etag('"same"'),),
    "one weak ETag for both": (etag('W/"same"'),),
    "no ETag": (etag(""),),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", STALE)
def test_a_first_part_of_another_file_does_not_spoil_the_second(
    network: Network, ledger: Ledger, kind: str, cut: int
) -> None:
    network.set(retries=1)
    official = network.interrupted(cut, other_bytes(), *STALE[kind])
    official.faults = tuple(fault for fault in STALE[kind] if "first" not in (fault.etag or ""))
    with ledger.injection(ROW, f"a first part of another file, {kind}, at {cut}"):
        network.fetch()
        assert official.sent <= 2 * network.size


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", STALE)
def test_a_file_that_changes_within_one_run_does_not_spoil_it(
    network: Network, ledger: Ledger, kind: str, cut: int
) -> None:
    network.set(retries=2)
    changing = [replaced.only(1) for replaced in STALE[kind] if "first" in (replaced.etag or "")]
    steady = [fault for fault in STALE[kind] if "first" not in (fault.etag or "")]
    official = network.official(truncated(cut).only(1), other_bytes().only(1), *changing, *steady)
    with ledger.injection(ROW, f"the file changes after {cut} bytes, {kind}"):
        network.fetch()
        assert official.sent <= 2 * network.size + MIB


def test_a_wrong_file_stays_wrong_in_two_parts(network: Network, ledger: Ledger) -> None:
    network.set(retries=1)
    official = network.interrupted(3 * MIB, other_bytes())
    official.faults = (other_bytes(),)
    with ledger.injection(ROW, "both parts of another file"):
        network.fails(DigestMismatch)
        official.heal()
        network.fetch()
        assert official.sent == network.size


@pytest.mark.parametrize("fault", [weak_etag(), etag(""), etag("unquoted"), etag('"' + "x" * 9000 + '"')],
                         ids=["weak", "none", "unquoted", "long"])  # fmt: skip
def test_without_a_strong_etag_a_download_ends_well_too(
    network: Network, ledger: Ledger, fault: Fault
) -> None:
    official = network.interrupted(3 * MIB, fault)
    official.faults = (fault,)
    with ledger.injection(ROW, f"ETag {str(fault.etag)[:20]}"):
        network.fetch()
        assert not official.gets()[0].if_range.startswith("W/")
        assert official.sent <= network.size


# -- Content-Range ----------------------------------------------------------------------------------------------

RANGES: dict[str, Callable[[int, int, int], str]] = {
    "starts a byte late": lambda first, last, total: f"bytes {first + 1}-{last}/{total}",
    "starts a byte early": lambda first, last, total: f"bytes {first - 1}-{last}/{total}",
    "starts at 0": lambda first, last, total: f"bytes 0-{last}/{total}",
    "ends before it starts": lambda first, last, total: f"bytes {last}-{first}/{total}",
    "is missing": lambda first, last, total: "",
    "makes no sense": lambda first, last, total: "bytes something",
    "has another unit": lambda first, last, total: f"items {first}-{last}/{total}",
    "has a long number": lambda first, last, total: f"bytes {first}-{last}/{'9' * 5000}",
    "ends beyond the file": lambda first, last, total: f"bytes {first}-{last + 5}/{total}",
}


@pytest.mark.parametrize("kind", RANGES)
def test_a_content_range_that_does_not_match_is_not_believed(
    network: Network, ledger: Ledger, kind: str
) -> None:
    network.set(retries=1)
    official = network.interrupted(CUT)
    official.faults = (sends_range(RANGES[kind]),)
    with ledger.injection(ROW, f"Content-Range {kind}"):
        network.fetch()
        assert official.gets()[-1].range == ""
        assert len(official.gets()) == 2


@pytest.mark.parametrize("total", [1000, 10**9])
def test_a_content_range_of_another_size_gives_the_source_up(
    network: Network, ledger: Ledger, total: int
) -> None:
    official = network.interrupted(3 * MIB)
    stated = max(total, network.size + 1) if total > 1000 else network.size - 1
    official.faults = (sends_range(lambda first, last, _: f"bytes {first}-{last}/{stated}"),)
    with ledger.injection(ROW, f"Content-Range of a file of {stated} bytes"):
        network.fetch_or_fail()
        official.heal()
        network.fetch()


def test_a_content_range_of_unknown_size_is_good_enough(network: Network, ledger: Ledger) -> None:
    network.set(retries=1)
    official = network.interrupted(3 * MIB)
    official.faults = (sends_range(lambda first, last, total: f"bytes {first}-{last}/*"),)
    with ledger.injection(ROW, "Content-Range with an unknown total"):
        network.fetch()
        assert official.sent == network.size - 3 * MIB


def test_a_206_in_several_parts_is_not_taken_for_the_file(network: Network, ledger: Ledger) -> None:
    network.set(retries=1)
    official = network.interrupted(CUT)
    official.faults = (shaped("multipart"),)
    with ledger.injection(ROW, "multipart/byteranges"):
        network.fetch()
        assert official.gets()[-1].range == ""


@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_a_206_is_watched_as_a_200_is(network: Network, ledger: Ledger, kind: str) -> None:
    network.set(retries=1)
    official = network.interrupted(3 * MIB)
    official.faults = ({"truncated": truncated(2 * MIB + 1), "flipped": flipped(4 * MIB)}[kind].first(1),)
    with ledger.injection(ROW, f"{kind} 206"):
        network.fetch()
        assert official.sent <= 2 * network.size


# -- parts that come at once ------------------------------------------------------------------------------------

SIDEWAYS: dict[str, tuple[Fault, ...]] = {
    "proper ranges": (),
    "ranges ignored": (ignores_ranges().after(1),),
    "another file in the second part": (other_bytes().only(2), etag('"late"').only(2), ignores_if_range()),
    "a wrong Content-Range of the second part": (sends_range("bytes 0-5/*").only(2),),
}


def test_parts_that_are_fetched_at_once_give_the_file(tmp_path: Path, ledger: Ledger) -> None:
    published = tmp_path / "published.pt"
    published.write_bytes(random.Random(1).randbytes(34 * MIB + 5))  # smaller ones are not divided
    servers = {kind: HostileServer(published, slow(8 * MIB), *faults) for kind, faults in SIDEWAYS.items()}

    def fetch(kind: str) -> None:
        url = f"{servers[kind].url}v1/small.pt"
        target = tmp_path / kind
        download([url], target, published.stat().st_size, sha256(published), 10, retries=2)
        assert target.read_bytes() == published.read_bytes()
        assert len(servers[kind].gets()) > 1
        assert servers[kind].sent <= 2 * published.stat().st_size

    with ThreadPoolExecutor() as pool:  # they wait most of the time
        results = {kind: pool.submit(fetch, kind) for kind in SIDEWAYS}
        for kind, result in results.items():
            with ledger.injection(ROW, f"a slow server with {kind}"):
                result.result()
    for server in servers.values():
        server.stop()
