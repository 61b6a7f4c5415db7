"""Dial: connections to addresses that were checked, and to no other.

Law: no socket is opened to an address that was not checked for this very request, whatever a name
or a name server says.
"""

import functools
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from leadhand.apart import apart
from leadhand.domain import hosts
from leadhand.domain.hosts import Address

Resolve = Callable[[str, int], Awaitable[list[Address]]]


async def resolved(host: str, port: int) -> list[Address]:
    """The addresses of a name, as this machine knows them. Raises OSError."""
    found = await apart(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    # An address with a zone is not one that anybody could be allowed.
    texts = (str(sockaddr[0]) for *_, sockaddr in found)
    return list(dict.fromkeys(one for text in texts if (one := hosts.address(text)) is not None))


@functools.cache
def trust() -> ssl.SSLContext:
    """Whom https believes: the authorities that this machine trusts."""
    return ssl.create_default_context()


def connector(host: str, addresses: Sequence[Address], tls: ssl.SSLContext) -> aiohttp.TCPConnector:
    """Connects to these addresses of a host."""
    return aiohttp.TCPConnector(
        resolver=_Known(host, addresses),
        socket_factory=functools.partial(gated, frozenset(addresses)),
        use_dns_cache=False,
        force_close=True,
        ssl=tls,
    )


class _Known(AbstractResolver):
    """Gives the addresses that were checked, for the host that they were checked for."""

    def __init__(self, host: str, addresses: Sequence[Address]) -> None:
        self._host, self._addresses = host, addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host != self._host:
            raise OSError(f"{host} was not checked")
        return [
            ResolveResult(
                hostname=host,
                host=str(where),
                port=port,
                family=socket.AF_INET if where.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for where in self._addresses
        ]

    async def close(self) -> None:
        """Nothing was opened."""


def gated(checked: frozenset[Address], info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for an address that was checked; the last gate, whoever asks for it."""
    family, kind, protocol, _, where = info
    if hosts.address(str(where[0])) not in checked:
        raise OSError(f"{where[0]} was not checked")
    return socket.socket(family, kind, protocol)
