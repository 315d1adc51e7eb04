"""Row 5: a stalled socket; 403, 429, 5xx; a name that does not resolve; a mirror that serves wrong bytes."""

from __future__ import annotations

import socket
from email.utils import formatdate
from typing import Any

import pytest

from depthmap.errors import DigestMismatch, NetworkTimeout

from .downloading import Network
from .ledger import Ledger
from .servers import (
    BEFORE_HEADERS,
    MIB,
    answers,
    dripping,
    flipped,
    other_bytes,
    reset,
    slow,
    stalled,
    truncated,
)

ROW = 5
pytestmark = pytest.mark.sampled(3)


# -- a stalled socket -------------------------------------------------------------------------------------------

STALLS = [BEFORE_HEADERS, 0, 1, MIB, 3 * MIB + 12_345]


@pytest.mark.parametrize("position", STALLS)
def test_a_stall_is_a_network_timeout_and_the_next_run_asks_for_the_rest_only(
    network: Network, ledger: Ledger, position: int
) -> None:
    network.set(timeout=0.4)
    official = network.official(stalled(position).only(1), stalled(0).after(1))
    with ledger.injection(ROW, f"a stall after {position} bytes"):
        network.fails(NetworkTimeout, "Network timeout")
        official.heal()
        network.set(timeout=10)
        network.fetch()
        assert official.sent == network.size - max(0, position) // MIB * MIB


@pytest.mark.parametrize("position", [BEFORE_HEADERS, 1000, 3 * MIB + 12_345])
def test_a_stalled_mirror_leaves_the_rest_to_the_next_source(
    network: Network, ledger: Ledger, position: int
) -> None:
    network.set(timeout=0.4)
    network.mirror(stalled(position))
    official = network.official()
    with ledger.injection(ROW, f"the mirror stalls after {position} bytes"):
        network.fetch()
        assert official.sent <= network.size - max(0, position) // MIB * MIB


@pytest.mark.parametrize("position", [0, 2 * MIB + 7])
def test_a_byte_a_second_is_a_stall(network: Network, ledger: Ledger, position: int) -> None:
    network.set(timeout=1.1)
    official = network.official(dripping(position).only(1), stalled(0).after(1))
    with ledger.injection(ROW, f"a byte a second from {position} on"):
        network.fails(NetworkTimeout, "Network timeout")
        official.heal()
        network.fetch()
        assert official.sent == network.size - position // MIB * MIB


@pytest.mark.timeout(60)
def test_headers_that_come_a_byte_a_second_are_a_stall(network: Network, ledger: Ledger) -> None:
    network.set(timeout=1.1)
    network.official(dripping(BEFORE_HEADERS))
    with ledger.injection(ROW, "headers that come a byte a second"):
        network.fails(NetworkTimeout, "Network timeout")


def test_a_slow_server_is_no_stalled_one(network: Network, ledger: Ledger) -> None:
    network.set(timeout=0.5)
    network.official(slow(4_000_000))
    with ledger.injection(ROW, "a download that lasts longer than the time-out"):
        network.fetch()


def test_a_server_that_accepts_and_never_answers_is_a_timeout(network: Network, ledger: Ledger) -> None:
    network.set(timeout=0.4)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        network.base = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with ledger.injection(ROW, "a socket that nobody reads"):
            network.fails(NetworkTimeout, "Network timeout")


# -- answers of refusal -----------------------------------------------------------------------------------------

REFUSALS = [400, 401, 403, 404, 410, 429, 451, 500, 503, 599]


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_named_and_costs_nothing_of_what_is_there(
    network: Network, ledger: Ledger, status: int
) -> None:
    official = network.interrupted(3 * MIB)
    official.faults = (answers(status),)
    with ledger.injection(ROW, f"{status} between two parts"):
        network.fails(words=str(status))
        official.heal()
        network.fetch()
        assert official.sent == network.size - 3 * MIB


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_no_model(network: Network, ledger: Ledger, status: int) -> None:
    official = network.official(answers(status, Content_Length=None))
    with ledger.injection(ROW, f"{status} for the file"):
        network.fails()
        official.heal()
        network.fetch()


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_a_mirror_that_refuses_leaves_the_file_to_the_next_source_at_once(
    network: Network, ledger: Ledger, status: int
) -> None:
    mirror, official = network.mirror(answers(status, "3600")), network.official()
    with ledger.injection(ROW, f"{status} from the mirror"):
        network.fetch()
        assert (len(mirror.gets()), len(official.gets())) == (1, 1)
        assert official.sent == network.size


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 504])
def test_what_passes_is_asked_for_again_in_the_same_run(
    network: Network, ledger: Ledger, status: int
) -> None:
    network.set(retries=1)
    official = network.official(answers(status).first(1))
    with ledger.injection(ROW, f"{status} once"):
        network.fetch()
        assert [request.status for request in official.gets()] == [status, 200]


@pytest.mark.parametrize("status", [403, 429, 503])
def test_retry_after_is_heeded(network: Network, ledger: Ledger, status: int) -> None:
    network.set(retries=1)
    official = network.official(answers(status, "1").first(1))
    with ledger.injection(ROW, f"{status} with Retry-After: 1"):
        network.fetch()
        assert [request.status for request in official.gets()] == [status, 200]


@pytest.mark.parametrize("text", [formatdate(0, usegmt=True), "soon", "-3", "٣", "Fri, 99 Foo 2099"])
def test_a_retry_after_that_makes_no_sense_or_is_over_does_not_hold_up(
    network: Network, ledger: Ledger, text: str
) -> None:
    network.set(retries=1)
    encoded = text.encode().decode("latin-1")
    network.official(answers(503, encoded).first(1))
    with ledger.injection(ROW, f"Retry-After: {text!r}"):
        network.fetch()


@pytest.mark.parametrize("text", ["99999999999999999999", "3600", formatdate(4e9, usegmt=True)])
def test_a_retry_after_without_a_retry_does_not_hold_up(network: Network, ledger: Ledger, text: str) -> None:
    network.official(answers(429, text))
    with ledger.injection(ROW, f"429 with Retry-After: {text}"):
        network.fails(words="429")


@pytest.mark.parametrize("status", [403, 404])
def test_what_does_not_pass_is_not_asked_for_again(network: Network, ledger: Ledger, status: int) -> None:
    network.set(retries=4)
    official = network.official(answers(status))
    with ledger.injection(ROW, f"{status} for ever"):
        network.fails(words=str(status))
        assert len(official.gets()) == 1


def test_the_retries_come_to_an_end(network: Network, ledger: Ledger) -> None:
    network.set(retries=2)
    official = network.official(answers(503))
    with ledger.injection(ROW, "503 for ever"):
        network.fails(words="503")
        assert len(official.gets()) == 3


# -- nobody there -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["http://name.invalid/", "http://127.0.0.1:9/", "http://[::1]:9/"])
def test_a_server_that_is_not_there_is_an_error(network: Network, ledger: Ledger, base: str) -> None:
    network.base = base
    with ledger.injection(ROW, f"nobody at {base}"):
        network.fails()
        network.official()
        network.fetch()


@pytest.mark.parametrize("base", ["http://name.invalid/", "http://127.0.0.1:9/", "https://127.0.0.1:{port}/"])
def test_a_mirror_that_is_not_there_leaves_the_file_to_the_next_source(
    network: Network, ledger: Ledger, base: str
) -> None:
    official = network.official()
    network.mirrors.append(base.format(port=official.server_port))  # TLS to a server that speaks none
    with ledger.injection(ROW, f"no mirror at {base}"):
        network.fetch()
        assert official.sent == network.size


def test_a_server_that_goes_away_in_between_and_comes_back_is_met_again(
    network: Network, ledger: Ledger
) -> None:
    network.set(retries=2)
    official = network.official(truncated(3 * MIB).only(1), reset(BEFORE_HEADERS).only(2))
    with ledger.injection(ROW, "a server that restarts"):
        network.fetch()
        assert official.sent == network.size


# -- wrong bytes of the right length ----------------------------------------------------------------------------

POSITIONS = [0, MIB - 1, MIB, 3 * MIB + 5, -1]


@pytest.mark.parametrize("position", POSITIONS)
def test_one_flipped_bit_at_the_mirror_is_found_and_the_next_source_gives_the_file(
    network: Network, ledger: Ledger, position: int
) -> None:
    mirror, official = network.mirror(flipped(network.at(position))), network.official()
    with ledger.injection(ROW, f"the mirror's file has a bit flipped at {network.at(position)}"):
        network.fetch()
        assert (mirror.sent, official.sent) == (network.size, network.size)


@pytest.mark.parametrize("fault", [flipped(0), flipped(2 * MIB), other_bytes()], ids=["0", "2 MiB", "other"])
def test_wrong_bytes_are_never_published_and_never_built_upon(
    network: Network, ledger: Ledger, fault: Any
) -> None:
    network.set(retries=1)
    official = network.official(fault)
    with ledger.injection(ROW, "wrong bytes of the right length"):
        network.fails(DigestMismatch)
        assert len(official.gets()) == 1
        official.heal()
        network.fetch()
        assert official.sent == network.size


@pytest.mark.parametrize("cut", [1000, MIB, 3 * MIB + 12_345])
def test_a_first_part_from_a_wrong_mirror_does_not_spoil_the_rest(
    network: Network, ledger: Ledger, cut: int
) -> None:
    network.mirror(other_bytes(), truncated(cut))
    official = network.official()
    with ledger.injection(ROW, f"{cut} wrong bytes from the mirror"):
        network.fetch()
        assert official.sent <= 2 * network.size


def test_a_second_part_from_a_wrong_mirror_does_not_spoil_the_first(network: Network, ledger: Ledger) -> None:
    network.set(retries=1)
    official = network.official(truncated(3 * MIB).only(1))
    network.mirror(answers(503).only(1), other_bytes())
    with ledger.injection(ROW, "a second part that is wrong"):
        network.fetch()
        assert official.sent <= 2 * network.size


def test_three_mirrors_that_fail_in_three_ways_leave_the_file_to_the_official_server(
    network: Network, ledger: Ledger
) -> None:
    network.set(timeout=0.4)
    network.mirror(stalled(2 * MIB))
    network.mirror(other_bytes())
    network.mirror(answers(500))
    official = network.official()
    with ledger.injection(ROW, "a stall, wrong bytes, and 500"):
        network.fetch()
        assert official.sent <= network.size
