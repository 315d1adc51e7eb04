"""Which addresses are public, and what files made of a URL are called."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.errors import ImageError
from depthmap.fetching import check, hide_login, is_url, shown, stand_in
from depthmap.fetching.addresses import is_public, literal

INSIDE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "192.0.2.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1",
    "100::1", "::7f00:1", "no address", "",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "193.99.144.80", "2606:4700:4700::1111", "2a00:1450:4001::1"]
NETWORKS = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_what_lies_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_machines_on_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_ipv6_form(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x64FF9B << 96 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80),
    ]
    assert {is_public(str(form)) for form in forms} == {is_public(str(address))}
    inside = any(address in ipaddress.ip_network(network) for network in NETWORKS)
    assert not (inside and is_public(str(address)))


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_the_global_range_is_public(address: ipaddress.IPv6Address) -> None:
    known = address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
    if is_public(str(address)) and not known:
        assert address in ipaddress.ip_network("2000::/3")
        assert not address.is_private


@given(st.ip_addresses(v=4), st.sampled_from([str, int, lambda a: hex(int(a)), lambda a: f"{a}."]))
def test_an_address_is_recognised_however_it_is_written(
    address: ipaddress.IPv4Address, write: type[str]
) -> None:
    assert literal(str(write(address))) == str(address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.1", "0x7f.1"])
def test_this_machine_is_recognised_by_its_names(host: str) -> None:
    assert literal(host) == "127.0.0.1"
    assert literal("example.com") == ""


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("https://host/a.jpg", True),
        ("HTTP://host", True),
        ("ftp://host/a.jpg", True),
        ("a.jpg", False),
        ("C://photos/a.jpg", False),
        ("photos/http://", False),
        (Path("https://host/a.jpg"), False),
        (b"https://host/a.jpg", False),
        (None, False),
    ],
)
def test_what_is_a_url(name: object, is_one: bool) -> None:
    assert is_url(name) == is_one


def test_other_schemes_and_all_of_them_offline_are_refused() -> None:
    with pytest.raises(ImageError, match="ftp://"):
        check("ftp://host/a.jpg", offline=False)
    with pytest.raises(ImageError, match="offline"):
        check("https://host/a.jpg", offline=True)
    check("HTTPS://host/a.jpg", offline=False)


def test_messages_show_neither_login_nor_query() -> None:
    url = "https://me:secret@host/a.jpg?key=secret"
    assert shown(url) == "https://host/a.jpg"
    assert hide_login(url) == "https://host/a.jpg?key=secret"
    assert shown("https://host/a@b.jpg") == "https://host/a@b.jpg"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://host/folder/photo.jpg?size=2#top", "host/photo.jpg"),
        ("https://me:secret@host:8080/photo.jpg", "host_8080/photo.jpg"),
        ("https://host/sch%C3%B6n%20hier.jpg", "host/schön hier.jpg"),
        ("https://host/..%2f..%2fetc%2fpasswd", "host/_._etc_passwd"),
        ("https://host/.hidden.jpg", "host/hidden.jpg"),
        ("https://host/a%0Ab%1B.jpg", "host/a_b_.jpg"),
        ("https://host/", "host/picture"),
        ("https://host", "host/picture"),
        ("https://host/...", "host/picture"),
        ("http://[::1]/photo.jpg", "__1/photo.jpg"),
        ("https://host/" + "x" * 300 + ".jpg", "host/" + "x" * 100 + ".jpg"),
    ],
)
def test_what_files_made_of_a_url_are_called(url: str, path: str) -> None:
    assert stand_in(url) == Path(path)


@given(st.text(max_size=300).filter(lambda text: max(text, default="") < "\ud800" or True), st.booleans())
def test_every_url_gives_a_name_that_is_safe_everywhere(text: str, encoded: bool) -> None:
    path = stand_in("https://" + (f"host/{quote(text, safe='')}" if encoded else text))
    assert len(path.parts) == 2
    for part in path.parts:
        assert part.strip(" .") == part
        assert not part.startswith(("-", "."))
        assert 0 < len(part.encode()) <= 112
        assert not set(part) & set('/\\:*?"<>|\0\n\x1b\u202e')
