"""Hosts: how a host is spelled, which addresses are the public's, and what a manifest allows.

Law: what is not known to be anybody's to reach is not public.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOST_MAX = 253
PORT_MAX = 65_535
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What browsers and C libraries may take for a number, and so for an address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Two standards of international names disagree on the host that these mean.
_AMBIGUOUS = frozenset("ßς\u200c\u200d")
LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_URL_HOST = re.compile(r"https?://(?:\[([^\]/@]+)\]|([^/?#@:\[\]]+))(?::[0-9]{1,5})?(?:/|$)", re.I)
_PLACE = re.compile(r"\[(.+)\](?::([0-9]{1,5}))?|([^:]+)(?::([0-9]{1,5}))?")
ENTRY_FORM = "HOST, HOST:PORT, *.DOMAIN, an address, or a network such as 10.0.0.0/8"

# From IANA's registries of special addresses. Cloud metadata is at 169.254.169.254, fd00:ec2::254,
# 100.100.100.200 and 192.0.0.192, which these hold, and at 168.63.129.16.
_KINDS: dict[str, str] = {
    "127.0.0.0/8": "a loopback address",
    "10.0.0.0/8": "a private address",
    "172.16.0.0/12": "a private address",
    "192.168.0.0/16": "a private address",
    "169.254.0.0/16": "a link-local address",
    "100.64.0.0/10": "a carrier's shared address",
    "168.63.129.16/32": "a cloud's metadata address",
    "0.0.0.0/8": "an address of this host",
    "192.0.0.0/24": "a reserved address",
    "192.0.2.0/24": "an address for documentation",
    "192.88.99.0/24": "a reserved address",
    "198.18.0.0/15": "an address for benchmarks",
    "198.51.100.0/24": "an address for documentation",
    "203.0.113.0/24": "an address for documentation",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": "a reserved address",
    "::1/128": "a loopback address",
    "::/128": "an address of this host",
    "::ffff:0:0/96": "an IPv4 address in the clothes of IPv6",
    "fc00::/7": "a private address",
    "fe80::/10": "a link-local address",
    "fec0::/10": "a private address",
    "ff00::/8": "a multicast address",
    "2001::/23": "a reserved address",
    "2001:db8::/32": "an address for documentation",
    "2002::/16": "an IPv4 address in the clothes of IPv6",
    "3fff::/20": "an address for documentation",
}
_SPECIAL = [(ip_network(text), kind) for text, kind in _KINDS.items()]
_GLOBAL6 = ip_network("2000::/3")
# Networks without IPv4 reach it by these addresses, whose last four bytes it is.
_TRANSLATED = ip_network("64:ff9b::/96")


class Permit(NamedTuple):
    """One entry of allow_hosts. name: a host, or `.` and what its name ends with; network: or
    these addresses. port: 0 for any."""

    name: str
    network: Network | None
    port: int


def canonical(text: str) -> str:
    """The one spelling of a host: a name in lower-case ASCII, or an address (IPv6 unbracketed).

    Raises ValueError where it is neither, or could be taken for an address that it does not show.
    """
    if ":" in text:
        if "%" in text:
            raise ValueError("an address with a zone is of one link only")
        return str(IPv6Address(text))
    if len(text) > HOST_MAX or any(char in _AMBIGUOUS for char in text.lower()):
        raise ValueError("too long, or spelled ambiguously: write its xn-- form")
    try:
        name = text.lower().encode("idna" if not text.isascii() else "ascii").decode()
    except UnicodeError as error:
        raise ValueError("no name of a host") from error
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("no name of a host")
    if _NUMBER.fullmatch(labels[-1]):
        if address(name) is None:
            raise ValueError("write an address as four decimal numbers, without leading zeros")
    return name


def address(host: str) -> Address | None:
    """The address that a host in its one spelling is; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def loopback(host: str) -> bool:
    """Whether a host is this machine."""
    return LOOPBACK.fullmatch(host.lower()) is not None


def url_host(url: str) -> str:
    """The host of an http or https URL that shows nothing but host, port and path; else empty."""
    found = _URL_HOST.match(url)
    return (found[1] or found[2]).lower() if found else ""


def special(where: Address) -> str:
    """What an address is (`a loopback address`) that is not the public's; else empty."""
    if isinstance(where, IPv6Address) and where in _TRANSLATED:
        return special(IPv4Address(where.packed[-4:]))
    for network, kind in _SPECIAL:
        if where in network:
            return kind
    public = isinstance(where, IPv4Address) or where in _GLOBAL6
    return "" if public else "a reserved address"


def permit(text: str) -> Permit:
    """An entry of allow_hosts, in one of ENTRY_FORM. Raises ValueError."""
    if "/" in text:
        return Permit("", ip_network(text), 0)
    found = _PLACE.fullmatch(text)
    bracketed, v6_port, plain, plain_port = found.groups() if found else (None, None, text, None)
    host, port = bracketed or plain or "", int(v6_port or plain_port or -1)
    wild = host.startswith("*.")
    name = canonical(host.removeprefix("*."))
    where = address(name)
    if (wild and where) or (bracketed and ":" not in name) or not (-1 <= port <= PORT_MAX and port):
        raise ValueError("not a host with a port")
    return Permit("." * wild + name if where is None else "", _alone(where), max(0, port))


def _alone(where: Address | None) -> Network | None:
    return None if where is None else ip_network(where)


def allowed(permits: Iterable[Permit], host: str, where: Address, port: int) -> bool:
    """Whether an entry allows this address, or any address of this host, at this port."""
    return any(
        (one.network is not None and where in one.network) or _named(one.name, host)
        for one in permits
        if one.port in (0, port)
    )


def _named(entry: str, host: str) -> bool:
    return bool(entry) and (host.endswith(entry) if entry.startswith(".") else host == entry)
