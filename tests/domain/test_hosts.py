"""Hosts: one spelling each, no address that passes for a name, and nothing public by mistake."""

import ipaddress
import socket

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leadhand.domain.hosts import Address, address, allowed, canonical, permit, special

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "192.0.1.1"),
    *("2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "64:ff9b::808:808"),
]
PRIVATE = [
    *("127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1"),
    *("172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.1.1", "100.64.0.1"),
    *("100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "198.19.255.255"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.1.1.1"),
    *("240.0.0.1", "255.255.255.255", "::1", "::", "fc00::1", "fd00:ec2::254", "fe80::1"),
    *("fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "5f00::1", "4000::1"),
]

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)


def numbers(value: int) -> st.SearchStrategy[str]:
    """A number as C libraries read it."""
    return st.sampled_from(
        [f"{value}", f"0{value:o}", f"0x{value:x}", f"0X{value:X}", f"00{value:o}"]
    )


@st.composite
def spelled(draw: st.DrawFn, where: int) -> str:
    """An IPv4 address in one of the ways that inet_aton knows: one to four parts, any base."""
    count = draw(st.integers(1, 4))
    rest = where & (1 << 8 * (5 - count)) - 1
    leading = [where >> 24 & 255, where >> 16 & 255, where >> 8 & 255][: count - 1]
    parts = [draw(numbers(each)) for each in (*leading, rest)]
    return ".".join(parts) + draw(st.sampled_from(["", "."]))


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_that_are_anybodys_are_public(text: str) -> None:
    assert special(ipaddress.ip_address(text)) == ""


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_anybodys_are_named(text: str) -> None:
    assert special(ipaddress.ip_address(text))


@given(st.one_of(v4, v6))
def test_what_python_does_not_think_global_is_never_public(where: Address) -> None:
    if not special(where) and where not in ipaddress.ip_network("64:ff9b::/96"):
        assert where.is_global
        assert not where.is_multicast


@given(v4)
def test_an_address_behind_a_translator_is_what_it_stands_for(where: ipaddress.IPv4Address) -> None:
    behind = ipaddress.IPv6Address(b"\0\x64\xff\x9b" + bytes(8) + where.packed)
    assert special(behind) == special(where)


@given(st.data(), st.one_of(v4, st.sampled_from(["127.0.0.1", "10.0.0.1", "169.254.169.254"])))
def test_an_odd_spelling_is_the_address_or_nothing(data: st.DataObject, where: object) -> None:
    plain = ipaddress.IPv4Address(str(where))
    text = data.draw(spelled(int(plain)))
    assert socket.inet_ntoa(socket.inet_aton(text.removesuffix("."))) == str(plain)
    try:
        host = canonical(text)
    except ValueError:
        return
    assert host == str(plain)


@given(st.text("0123456789abcdefxX.-_", min_size=1, max_size=24))
def test_what_passes_for_a_name_is_no_address_to_anybody(text: str) -> None:
    try:
        host = canonical(text)
    except ValueError:
        return
    assume(address(host) is None)
    with pytest.raises(OSError, match="illegal IP address"):
        socket.inet_aton(host)


@given(st.text(min_size=1, max_size=40))
def test_a_spelling_is_the_only_one(text: str) -> None:
    try:
        host = canonical(text)
    except ValueError:
        return
    assert host.isascii()
    assert canonical(host) == host == host.lower()
    assert not set(host) & set("/?#@%\\[] ")


@given(st.one_of(v4, v6))
def test_a_plain_spelling_of_an_address_is_that_address(where: Address) -> None:
    assert address(canonical(str(where).upper())) == where


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("localhost.", "localhost"),
        ("127.0.0.1.", "127.0.0.1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("１２７.０.０.１", "127.0.0.1"),
        ("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "localhost"),
        ("127。0。0。1", "127.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("under_score.example", "under_score.example"),
    ],
)
def test_hosts_are_brought_to_one_spelling(text: str, host: str) -> None:
    assert canonical(text) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a..b", "-a.example", "a-.example", "a" * 64 + ".example", "a." * 200),
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.01", "1.2.3.4.5", "0x7f.1"),
        *("127.0.0.1..", "256.0.0.1", "foo.123", "foo.0x", "a b", "a%20b", "127%2e0.0.1", "a\tb"),
        *("fe80::1%eth0", "::1%25lo", ":::", "1::2::3", "::ffff:999.1.1.1", "straße.de", "ẞ.de"),
        *("a\u200db.example", "\ud800.example", "a/b", "a\\b", "a@b", "a#b", "a?b", "a\0b"),
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(text)


@pytest.mark.parametrize(
    ("entry", "host", "where", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", "127.0.0.1", 8080),
        ("127.0.0.1:8080", "localhost", "127.0.0.1", 8080),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", 1),
        ("localhost", "localhost", "::1", 80),
        ("LOCALHOST.", "localhost", "::1", 80),
        ("*.internal", "api.internal", "10.0.0.1", 443),
        ("*.internal:443", "a.b.internal", "10.0.0.1", 443),
        ("10.0.0.0/8", "any.example", "10.9.9.9", 80),
        ("::1", "::1", "::1", 80),
        ("[::1]:81", "::1", "::1", 81),
        ("fd00::/8", "x.example", "fd00:ec2::254", 80),
    ],
)
def test_an_entry_allows_what_it_names(entry: str, host: str, where: str, port: int) -> None:
    assert allowed([permit("other"), permit(entry)], host, ipaddress.ip_address(where), port)


@pytest.mark.parametrize(
    ("entry", "host", "where", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", "127.0.0.1", 8081),
        ("127.0.0.1", "127.0.0.2", "127.0.0.2", 80),
        ("127.0.0.1", "::ffff:7f00:1", "::ffff:127.0.0.1", 80),
        ("localhost", "127.0.0.1", "127.0.0.1", 80),
        ("localhost", "localhost.example", "127.0.0.1", 80),
        ("*.internal", "internal", "10.0.0.1", 80),
        ("*.internal", "evilinternal", "10.0.0.1", 80),
        ("*.internal", "api.internal.example", "10.0.0.1", 80),
        ("10.0.0.0/8", "::ffff:a00:1", "::ffff:10.0.0.1", 80),
    ],
)
def test_an_entry_allows_nothing_else(entry: str, host: str, where: str, port: int) -> None:
    assert not allowed([permit(entry)], host, ipaddress.ip_address(where), port)


@pytest.mark.parametrize(
    "entry",
    [
        *("", "*", "*.", "*.*.a", "a.*", "http://a", "a/b", "10.0.0.1/8", "a:", "a:0", "a:65536"),
        *("a:b", "[::1", "[::1]80", "[::1]:", "[a]", "[127.0.0.1]", "*.127.0.0.1", "user@a", "a b"),
        *("a:1:2", "a:-1", "a:+1", "a:１", "2130706433", "10.0.0.0/33", ":80"),
    ],
)
def test_an_entry_that_means_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        permit(entry)
