"""Web get: the road of WebFetch to the web, on aiohttp.

Law: no socket is opened to an address that was not checked for this very hop, whatever a name,
a name server or a redirect says; and nothing that comes back is taken in without an end.
"""

import asyncio
import ssl
import zlib
from collections.abc import Sequence
from contextlib import suppress

import aiohttp
from yarl import URL

from leadhand import __version__, http_body
from leadhand.dial import Resolve, connector, resolved, trust
from leadhand.domain import hosts
from leadhand.domain.hosts import Address, Permit
from leadhand.domain.text import one_line
from leadhand.refusals import HostNotAllowed, ToolFailed
from leadhand.tools.work.web_fetch import Fetched, Limits
from leadhand.tools.work.web_url import Target, redirected, short, target

REDIRECTS = frozenset({301, 302, 303, 307, 308})
STATUS_LINE_MAX = 8 * 1024
# Policies of content security get long; aiohttp takes at most 128 headers.
HEADER_MAX = 32 * 1024
CLOSE_SECS = 1.0
_PACKED = ("gzip", "x-gzip", "deflate")
_HEADERS = {
    "User-Agent": f"leadhand/{__version__}",
    "Accept": "text/html, application/xhtml+xml, text/*;q=0.9, */*;q=0.8",
    "Accept-Encoding": "gzip, deflate",
}
_CHECK = "Check the URL; where it is right, report that it cannot be fetched."


class Web:
    """Gets URLs. One request is one connection: nothing is shared between actors or hops."""

    def __init__(self, resolve: Resolve = resolved, tls: ssl.SSLContext | None = None) -> None:
        self._resolve, self._tls = resolve, tls

    async def get(
        self, url: str, permits: tuple[Permit, ...], limits: Limits, *, body: bool
    ) -> Fetched:
        """See `web_fetch.Get`."""
        deadline = asyncio.get_running_loop().time() + limits.total_secs
        at = target(url)
        hops: list[str] = []
        seen = {at}
        while True:
            hop = _Hop(at, self._tls or trust())
            try:
                try:
                    async with asyncio.timeout_at(deadline):
                        response = await hop.open(await self._checked(at, permits, hops))
                except TimeoutError:
                    raise ToolFailed(
                        f"{short(at.url)}: no answer within {limits.total_secs:g} s.", _CHECK
                    ) from None
                location = _location(response)
                if location is None:
                    return await hop.fetched(response, hops, limits, deadline, body=body)
            finally:
                await hop.close()
            hops.append(f"{response.status} {at.url}")
            at = redirected(at, location)
            if at in seen or len(hops) > limits.redirects:
                raise _circling(hops, at, limits.redirects)
            seen.add(at)

    async def _checked(
        self, at: Target, permits: Sequence[Permit], hops: Sequence[str]
    ) -> list[Address]:
        """The addresses of a host that may be asked. Raises HostNotAllowed, ToolFailed."""
        alone = hosts.address(at.host)
        try:
            found = [alone] if alone is not None else await self._resolve(at.host, at.port)
        except (OSError, UnicodeError) as error:
            why = one_line(getattr(error, "strerror", None) or str(error))
            raise ToolFailed(f"The host {at.host} has no address: {why}.", _CHECK) from None
        refused: dict[Address, str] = {}
        for where in found:
            if not hosts.allowed(permits, at.host, where, at.port):
                refused |= {where: kind} if (kind := hosts.special(where)) else {}
        good = [where for where in found if where not in refused]
        if good:
            return good
        for where, kind in refused.items():
            what = "is" if alone is not None else f"leads to {where},"
            came = f" It was reached by a redirect: {short(hops[-1])}." if hops else ""
            raise HostNotAllowed(f"{short(at.url)} is not fetched: {at.host} {what} {kind}.{came}")
        raise ToolFailed(f"The host {at.host} has no address.", _CHECK)


def _location(response: aiohttp.ClientResponse) -> bytes | None:
    """Where an answer sends us on to, as it came."""
    if response.status not in REDIRECTS:
        return None
    raw = (value for name, value in response.raw_headers if name.lower() == b"location")
    return next(raw, None) or None


def _circling(hops: Sequence[str], at: Target, most: int) -> ToolFailed:
    way = " -> ".join(short(hop) for hop in hops)
    why = f"or more than {most}" if len(hops) > most else "they lead in a circle"
    return ToolFailed(f"The redirects have no end, {why}: {way} -> {short(at.url)}.", _CHECK)


class _Hop:
    """One request, over a connection of its own."""

    def __init__(self, at: Target, tls: ssl.SSLContext) -> None:
        self._at, self._tls = at, tls
        self._session: aiohttp.ClientSession | None = None
        self._response: aiohttp.ClientResponse | None = None

    async def open(self, addresses: Sequence[Address]) -> aiohttp.ClientResponse:
        """Send the request to one of these addresses; gives its answer without the body.

        Raises ToolFailed.
        """
        at = self._at
        self._session = aiohttp.ClientSession(
            connector=connector(at.host, addresses, self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers=_HEADERS,
            auto_decompress=False,
            # Neither a proxy nor a .netrc: a proxy would resolve names itself, unchecked.
            trust_env=False,
            max_line_size=STATUS_LINE_MAX,
            max_field_size=HEADER_MAX,
        )
        try:
            url = URL(at.url, encoded=True)
            self._response = await self._session.get(url, allow_redirects=False)
            return self._response
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = _why(error)
        raise ToolFailed(f"{short(at.url)}: {why}.", _CHECK)

    async def fetched(
        self,
        response: aiohttp.ClientResponse,
        hops: Sequence[str],
        limits: Limits,
        deadline: float,
        *,
        body: bool,
    ) -> Fetched:
        """The answer with as much of its body as fits into the limits."""
        data, remark = None, ""
        if body:
            data, remark = await _read(response, limits, deadline)
        version = response.version
        spoken = f"HTTP/{version.major}.{version.minor} " if version else ""
        headers = ((name.decode("latin-1"), _value(value)) for name, value in response.raw_headers)
        return Fetched(
            hops=tuple(hops),
            status=f"{spoken}{response.status} {response.reason or ''}".strip(),
            url=self._at.url,
            headers=tuple(headers),
            body=data,
            remark=remark,
        )

    async def close(self) -> None:
        """Drop the connection, whatever it still has to say."""
        if self._response is not None:
            self._response.close()
        if self._session is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECS):
                    await self._session.close()


async def _read(
    response: aiohttp.ClientResponse, limits: Limits, deadline: float
) -> tuple[bytes | None, str]:
    """The body, unpacked, and what is to be known of it."""
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing not in ("", "identity", *_PACKED):
        return None, f"its encoding ({short(packing)}) is not one that was asked for"
    unpack = _Unpacking(packing) if packing in _PACKED else None
    parts: list[bytes] = []
    wire = size = 0
    try:
        async with asyncio.timeout_at(deadline):
            while chunk := await http_body.more(response):
                wire += len(chunk)
                data = unpack.feed(chunk, limits.body_bytes - size) if unpack else chunk
                parts.append(data)
                size += len(data)
                if max(wire, size) >= limits.body_bytes:
                    body = b"".join(parts)[: limits.body_bytes]
                    return body, f"cut: only the first {len(body):,} bytes were read"
    except TimeoutError:
        return b"".join(parts), f"cut: it had not ended after {limits.total_secs:g} s"
    except zlib.error:
        return b"".join(parts), f"cut: from there on it is not {packing}, as its header says"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return b"".join(parts), f"cut: {_why(error)}"
    remark = "cut: its compression does not end" if unpack and parts and not unpack.ended else ""
    return b"".join(parts), remark


class _Unpacking:
    """Takes compression off, never giving more than there is room for."""

    def __init__(self, packing: str) -> None:
        self._gzip = packing != "deflate"
        self._engine = zlib.decompressobj(31 if self._gzip else 15)
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether the compressed data is complete."""
        return self._engine.eof

    def feed(self, data: bytes, room: int) -> bytes:
        """What more data gives, at most as much as there is room for. Raises zlib.error."""
        parts: list[bytes] = []
        while data and room > 0:
            if self._engine.eof:
                if not self._gzip:
                    break
                self._engine = zlib.decompressobj(31)
            part = self._inflated(data, room)
            parts.append(part)
            room -= len(part)
            data = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
        return b"".join(parts)

    def _inflated(self, data: bytes, room: int) -> bytes:
        try:
            return self._engine.decompress(data, room)
        except zlib.error:
            # Some servers mean by "deflate" the bare format, without the two bytes before it.
            if self._gzip or self._begun:
                raise
            self._engine = zlib.decompressobj(-15)
            return self._engine.decompress(data, room)
        finally:
            self._begun = True


def _value(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _why(error: Exception) -> str:
    """What went wrong on the wire."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"its certificate or its TLS is not to be trusted ({one_line(str(error))})"
        case aiohttp.ClientConnectorError():
            return f"it cannot be connected to ({error.os_error.strerror or error.os_error})"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return f"its answer is not HTTP as it should be ({one_line(error.message)})"
        case aiohttp.ClientPayloadError():
            return "the connection broke in the middle of the body"
        case _:
            return one_line(str(error)) or type(error).__name__
