"""Post: one JSON body to one URL of the operator's, over a connection of its own.

Law: a redirect is not followed, and no word of the URL or of the answer stands in an error.
"""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from leadhand import sinks
from leadhand.dial import Resolve, connector, resolved, trust
from leadhand.domain import hosts
from leadhand.domain.hosts import Address
from leadhand.errors import NotifyError
from leadhand.sinks import Destination

CLOSE_SECS = 1.0
RETRY_AFTER_MAX_SECS = 3_600.0
# These pass by themselves, as do all from 500 on.
_PASSING = frozenset({408, 409, 421, 423, 425, 429})


class Post:
    """Sends bodies. tls: whom https believes."""

    def __init__(self, resolve: Resolve = resolved, tls: ssl.SSLContext | None = None) -> None:
        self._resolve, self._tls = resolve, tls

    async def send(self, to: Destination, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body and wait for the head of the answer. Raises NotifyError."""
        addresses = await self._checked(to)
        session = aiohttp.ClientSession(
            connector=connector(to.host, addresses, self._tls or trust()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={
                "User-Agent": "leadhand",
                "Content-Type": "application/json",
                **headers,
            },
            # Neither a proxy nor a .netrc: a proxy would resolve names itself, unchecked.
            trust_env=False,
        )
        try:
            url = URL(to.url, encoded=True)
            response = await session.post(url, data=body, allow_redirects=False)
            status, asked = response.status, response.headers.get("Retry-After", "")
            response.close()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotifyError(_why(error)) from None
        finally:
            await asyncio.wait({asyncio.ensure_future(session.close())}, timeout=CLOSE_SECS)
        judge(status, asked)

    async def _checked(self, to: Destination) -> list[Address]:
        """The addresses of a host that may be told. Raises NotifyError."""
        alone = hosts.address(to.host)
        try:
            found = [alone] if alone is not None else await self._resolve(to.host, to.port)
        except (OSError, UnicodeError):
            raise NotifyError("its host has no address") from None
        good, why = sinks.usable(to, found)
        if not good:
            raise NotifyError(why or "its host has no address", retryable=not why)
        return good


def judge(status: int, retry_after: str) -> None:
    """Raise NotifyError unless an answer's status says that it was taken."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        why = f"it answered {status}, a redirect, which is not followed"
        raise NotifyError(why, retryable=False)
    passing = status in _PASSING or status >= 500
    secs = _secs(retry_after) if passing else None
    raise NotifyError(f"it answered {status}", retryable=passing, retry_after_secs=secs)


def _secs(text: str) -> float | None:
    """How long a Retry-After asks to wait, in seconds or until a date."""
    text = text.strip()
    try:
        if text.isascii() and text.replace(".", "", 1).isdigit():
            secs = float(text)
        else:
            then = parsedate_to_datetime(text)
            secs = (then.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, secs), RETRY_AFTER_MAX_SECS)


def _why(error: Exception) -> str:
    """What went wrong on the wire, in words that hold nothing of the URL."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "its certificate or its TLS is not to be trusted"
        case aiohttp.ClientConnectorError():
            return f"it cannot be connected to ({error.os_error.strerror or 'no reason given'})"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "its answer is not HTTP as it should be"
        case _:
            return f"the connection broke ({type(error).__name__})"
