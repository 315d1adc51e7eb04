"""Row 3: a truncated 200; a wrong Content-Length; an HTML page with status 200; a redirect loop."""

from __future__ import annotations

import pytest

from depthmap.errors import DigestMismatch

from .downloading import Network
from .ledger import Ledger
from .servers import (
    BEFORE_HEADERS,
    MIB,
    Fault,
    claims_length,
    page,
    redirects,
    redirects_often,
    reset,
    shaped,
    truncated,
)

ROW = 3
pytestmark = pytest.mark.sampled(3)
CUTS = [0, 1, MIB - 1, MIB, 3 * MIB + 12_345, -1]


# -- a truncated 200 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", CUTS)
def test_a_truncated_reply_is_an_error_and_the_next_run_asks_for_the_rest_only(
    network: Network, ledger: Ledger, cut: int
) -> None:
    at = network.at(cut)
    with ledger.injection(ROW, f"200 cut after {at} bytes"):
        official = network.interrupted(at)
        network.fetch()
        assert official.sent == network.size - at // MIB * MIB


@pytest.mark.parametrize("cut", [MIB + 1, -1])
def test_a_connection_that_is_reset_is_an_error_and_the_next_run_asks_for_the_rest_only(
    network: Network, ledger: Ledger, cut: int
) -> None:
    at = network.at(cut)
    with ledger.injection(ROW, f"200 reset after {at} bytes"):
        official = network.interrupted(at, reset(at).only(1))
        network.fetch()
        # What the server sent last may be lost in a reset.
        assert official.sent <= network.size - max(0, at // MIB - 1) * MIB


@pytest.mark.parametrize("shape", ["chunked", "unframed"])
@pytest.mark.parametrize("cut", [0, 3 * MIB + 5])
def test_a_truncated_reply_without_a_length_is_no_file(
    network: Network, ledger: Ledger, shape: str, cut: int
) -> None:
    at = network.at(cut)
    with ledger.injection(ROW, f"{shape} 200 cut after {at} bytes"):
        official = network.interrupted(at, shaped(shape).only(1))
        network.fetch()
        assert official.sent == network.size - at // MIB * MIB


@pytest.mark.parametrize("cut", [BEFORE_HEADERS, 2 * MIB + 1, -1])
def test_a_truncated_reply_is_asked_for_again_in_the_same_run(
    network: Network, ledger: Ledger, cut: int
) -> None:
    network.set(retries=1)
    at = cut if cut == BEFORE_HEADERS else network.at(cut)
    official = network.official(truncated(at).first(1))
    with ledger.injection(ROW, f"first answer cut after {at} bytes"):
        network.fetch()
        assert len(official.gets()) == 2
        assert official.sent <= network.size + MIB


def test_a_server_that_always_breaks_off_gives_the_file_in_parts(network: Network, ledger: Ledger) -> None:
    network.set(retries=1)
    official = network.official(truncated(2 * MIB))
    with ledger.injection(ROW, "every answer cut after 2 MiB"):
        network.fetch()
        assert official.sent <= network.size + MIB * len(official.gets())


def test_without_retries_a_source_is_asked_once(network: Network, ledger: Ledger) -> None:
    official = network.official(truncated(2 * MIB))
    with ledger.injection(ROW, "every answer cut after 2 MiB, and no retries"):
        network.fails()
        assert len(official.gets()) == 1


@pytest.mark.parametrize("cut", [1000, 3 * MIB + 9, -1])
def test_what_a_broken_mirror_gave_is_not_asked_for_again_elsewhere(
    network: Network, ledger: Ledger, cut: int
) -> None:
    at = network.at(cut)
    mirror, official = network.mirror(truncated(at)), network.official()
    with ledger.injection(ROW, f"the mirror's 200 cut after {at} bytes"):
        network.fetch()
        assert mirror.sent + official.sent <= network.size + MIB
        assert [request.if_range for request in official.gets()] == [""]


# -- a wrong Content-Length -----------------------------------------------------------------------------------

LENGTHS = ["{0}1", "{less}", "{more}", "0", "-5", "many", "", "9" * 5000, "{0}, 7"]


def lying(network: Network, text: str) -> Fault:
    more, less = network.size + 1, network.size - 1
    return claims_length(text.replace("{0}", str(network.size)).format(more=more, less=less))


@pytest.mark.parametrize("text", LENGTHS, ids=range(len(LENGTHS)))
def test_a_wrong_length_is_an_error_or_does_not_matter(network: Network, ledger: Ledger, text: str) -> None:
    official = network.official(lying(network, text))
    with ledger.injection(ROW, f"Content-Length: {text[:20]}"):
        came = network.fetch_or_fail()
        official.heal()
        network.fetch()
        assert official.sent <= (0 if came else network.size)


@pytest.mark.parametrize("text", ["{less}", "{more}", "many"])
def test_a_mirror_with_a_wrong_length_costs_nothing_but_its_answer(
    network: Network, ledger: Ledger, text: str
) -> None:
    network.mirror(lying(network, text))
    official = network.official()
    with ledger.injection(ROW, f"the mirror's Content-Length: {text}"):
        network.fetch()
        assert len(official.gets()) <= 1
        assert official.sent <= network.size


# -- a page -----------------------------------------------------------------------------------------------------

PAGES = {
    "short": (),
    "chunked": (shaped("chunked"),),
    "unframed": (shaped("unframed"),),
    "without a type": (page(kind=None),),
    "that claims to be binary": (page(kind="application/octet-stream"), shaped("chunked")),
    "longer than the file": (page(32 * MIB), shaped("chunked")),
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_is_no_model(network: Network, ledger: Ledger, kind: str) -> None:
    official = network.official(page(), *PAGES[kind])
    with ledger.injection(ROW, f"a page {kind}"):
        network.fails()
        official.heal()
        network.fetch()
        assert official.sent == network.size


def test_a_page_padded_to_the_size_of_the_file_is_no_model(network: Network, ledger: Ledger) -> None:
    official = network.official(page(network.size, "application/octet-stream"))
    with ledger.injection(ROW, "a page of the right length"):
        network.fails(DigestMismatch)
        official.heal()
        network.fetch()
        assert official.sent == network.size


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_between_two_runs_costs_nothing_of_what_is_there(
    network: Network, ledger: Ledger, kind: str
) -> None:
    official = network.interrupted(4 * MIB)
    with ledger.injection(ROW, f"a page {kind} between two parts"):
        official.faults = (page(), *PAGES[kind])
        network.fails()
        official.heal()
        network.fetch()
        assert official.sent == network.size - 4 * MIB


def test_a_page_from_a_mirror_leaves_the_file_to_the_next_source(network: Network, ledger: Ledger) -> None:
    network.mirror(page(), shaped("chunked"))
    official = network.official()
    with ledger.injection(ROW, "a page from the mirror"):
        network.fetch()
        assert official.sent == network.size
        assert len(official.gets()) == 1


# -- redirects --------------------------------------------------------------------------------------------------


def test_a_redirect_to_itself_is_an_error(network: Network, ledger: Ledger) -> None:
    official = network.official(redirects("{path}"))
    with ledger.injection(ROW, "a redirect to itself"):
        network.fails(words="redirect")
        assert len(official.requests) < 50
        official.heal()
        network.fetch()


def test_two_servers_that_redirect_to_each_other_are_an_error(network: Network, ledger: Ledger) -> None:
    other, official = network.server(), network.official()
    official.faults = (redirects(f"{other.url}{network.path}"),)
    other.faults = (redirects(f"{official.url}{network.path}"),)
    with ledger.injection(ROW, "a redirect loop over two hosts"):
        network.fails(words="redirect")
        assert len(official.requests) + len(other.requests) < 50


def test_a_chain_without_end_is_an_error(network: Network, ledger: Ledger) -> None:
    official = network.official(redirects_often(1000))
    with ledger.injection(ROW, "a thousand redirects"):
        network.fails(words="redirect")
        assert len(official.requests) < 50


@pytest.mark.parametrize(
    "location",
    [None, "", "http://", "http://127.0.0.1:9/x", "http://127.0.0.1:99999/", "http://name.invalid/x", "ftp://127.0.0.1/x",
     "file://{published}", "//[", "/not/there"],
)  # fmt: skip
def test_a_redirect_to_nowhere_is_an_error(network: Network, ledger: Ledger, location: str | None) -> None:
    target = location and location.replace("{published}", str(network.published))
    official = network.official(redirects(target))
    with ledger.injection(ROW, f"a redirect to {location}"):
        network.fails()
        official.heal()
        network.fetch()
        assert official.sent == network.size


def test_a_loop_at_a_mirror_leaves_the_file_to_the_next_source(network: Network, ledger: Ledger) -> None:
    network.mirror(redirects("{path}"))
    official = network.official()
    with ledger.injection(ROW, "a redirect loop at the mirror"):
        network.fetch()
        assert official.sent == network.size


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_download_goes_on_behind_a_redirect(network: Network, ledger: Ledger, status: int) -> None:
    storage = network.server(truncated(2 * MIB).only(1))
    network.official(redirects(f"{storage.url}{network.path}", status))
    with ledger.injection(ROW, f"cut behind a {status}"):
        network.fails()
        network.fetch()
        assert [request.status for request in storage.gets()] == [200, 206]
        assert storage.sent == network.size
