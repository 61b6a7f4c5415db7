"""Http: the road to every provider: one POST, its answer, and every way that it can fail.

Law: whatever a server sends or fails to send, the caller sees ModelError, and no key in it.
"""

import asyncio
import hashlib
import re
import ssl
import time
import urllib.request
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from leadhand import http_body
from leadhand.domain import hosts
from leadhand.domain.text import one_line
from leadhand.errors import ModelError, ModelErrorKind, UsageError
from leadhand.models import faults
from leadhand.models.sse import END, EVENT_MAX, Events

T = TypeVar("T")
K = TypeVar("K", bound="Talk")
Take = Callable[[bytes], bool]

ERROR_BODY_MAX = 64 * 1024
ERROR_SECS = 10.0
STREAM_SPARE = 16 * 1024 * 1024
BYTES_PER_TOKEN = 4 * 1024
# A TLS connection reads records of at most 16 KiB; asyncio gives each a buffer of 256 KiB.
TLS_BUFFER = 16 * 1024
END_SECS = 0.2
FOR_EVER_SECS = 1e9
_USER_INFO = re.compile(r"//[^/@\s]*@")


class Limits(Struct, frozen=True):
    """How long a call may take. first_byte: until the server begins to answer; silence: between
    any two pieces of the answer; total: everything."""

    connect_secs: float = 15.0
    first_byte_secs: float = 300.0
    silence_secs: float = 300.0
    total_secs: float = 3600.0
    event_bytes: int = EVENT_MAX


class Server:
    """A provider's address and what opens it. Its text never shows a key."""

    def __init__(self, url: str, headers: dict[str, str], keys: tuple[str, ...] = ()) -> None:
        """url: http or https, with a path that requests are appended to. Raises UsageError."""
        parts = _split(url)
        self.url, self.headers, self.host = url.rstrip("/"), headers, parts[1]
        self.shown = _USER_INFO.sub("//", self.url)
        self._keys = sorted(filter(None, keys), key=len, reverse=True)
        self.proxy = _proxy(*parts)

    @property
    def local(self) -> bool:
        """Whether it is a server of this machine."""
        return hosts.loopback(self.host)

    def __repr__(self) -> str:
        return f"Server({self.shown})"

    def lane(self, model: str) -> str:
        """Whom a model of this server shares its limits with: its host, the account that the keys
        open, as a digest, and the model."""
        keys = "\0".join(self._keys)
        account = hashlib.sha256(keys.encode()).hexdigest()[:12] if keys else ""
        return f"{urlsplit(self.shown).netloc} {account} {model}"

    def clean(self, text: str) -> str:
        """The text without keys and without the user of a URL."""
        for key in self._keys:
            text = text.replace(key, "[key]")
        return _USER_INFO.sub("//", text)


class Post(Struct, frozen=True):
    """One request. answer_tokens: the most it may answer, which bounds what is read of it.
    headers: beside the server's, which they go before."""

    server: Server
    path: str
    body: bytes
    actor_id: str
    call_id: str
    answer_tokens: int
    headers: dict[str, str] = {}


class Http:
    """Sends requests. One for a process: connections are kept per event loop, and closed with it
    or by `close`."""

    def __init__(self, limits: Limits | None = None, tls: ssl.SSLContext | None = None) -> None:
        """tls: whom https believes; else the authorities that this machine trusts."""
        self.limits, self._tls = limits or Limits(), tls
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}

    async def exchange(self, post: Post, take: Take) -> None:
        """Send a request and give each event of its stream to take, until take says that the
        answer is complete; at the end of the stream it is asked with END. Raises ModelError, and
        what take raises.

        Cancelling this closes the connection.
        """
        await self._talk(post, self.limits, lambda talk: talk.listen(take), Talk)

    async def fetch(self, post: Post, secs: float) -> bytes:
        """Send a request whose answer comes in one piece, within so many seconds: its bytes,
        whatever they are. Raises ModelError.

        Cancelling this closes the connection.
        """
        limits = replace(self.limits, total_secs=min(secs, self.limits.total_secs))
        return await self._talk(post, limits, Talk.whole, Talk)

    async def relay(
        self, post: Post, made: Callable[..., K], deed: Callable[[K], Awaitable[T]]
    ) -> T:
        """Send a request by a talk of another kind, and do something with its answer. Raises
        ModelError, and what deed raises.

        Cancelling this closes the connection.
        """
        return await self._talk(post, self.limits, deed, made)

    async def _talk(
        self,
        post: Post,
        limits: Limits,
        deed: Callable[[K], Awaitable[T]],
        made: Callable[..., K],
    ) -> T:
        """Send a request and do something with its answer."""
        clock = asyncio.timeout(None)
        talk = made(self._client(), post, limits, clock)
        try:
            async with clock:
                try:
                    await talk.open()
                    return await deed(talk)
                finally:
                    talk.close()
        except TimeoutError:
            if not clock.expired():
                raise
            late = talk.late()
        # Raised out here, so that no error of aiohttp, which knows the headers, hangs on to it.
        raise late

    async def close(self) -> None:
        """Close the connections of this event loop."""
        session = self._sessions.get(asyncio.get_running_loop())
        if session is not None:
            session.keeper.cancel()
            await asyncio.gather(session.keeper, return_exceptions=True)

    def _client(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = _Session(self.limits, self._tls)
            session.keeper.add_done_callback(lambda _: self._sessions.pop(loop, None))
        return session.client


class _Session:
    """An aiohttp session that is closed when its event loop ends its tasks."""

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None) -> None:
        sslproto.SSLProtocol.max_size = TLS_BUFFER
        self.client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect_secs),
            headers={"User-Agent": "leadhand", "Accept-Encoding": "identity"},
        )
        self.keeper = asyncio.create_task(self._keep(), name="model connections")

    async def _keep(self) -> None:
        try:
            # A timer of the loop holds on to this task; one that waited for nothing could be
            # collected.
            await asyncio.sleep(FOR_EVER_SECS)
        finally:
            await self.client.close()


class Talk:
    """One request and its response. Each step moves the deadline on; all keep to the total."""

    def __init__(
        self, client: aiohttp.ClientSession, post: Post, limits: Limits, clock: asyncio.Timeout
    ) -> None:
        self._client, self._post, self._limits, self._clock = client, post, limits, clock
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + limits.total_secs
        self._response: aiohttp.ClientResponse | None = None
        self._left = STREAM_SPARE + post.answer_tokens * BYTES_PER_TOKEN
        self._waits_for = ""
        self._done = False

    async def open(self) -> None:
        """Send the request; afterwards the answer may be read. Raises ModelError."""
        post, server = self._post, self._post.server
        headers = {"Content-Type": "application/json", **server.headers, **post.headers}
        if server.local:
            # A proxy or a test server on this machine may count and route by who asks.
            headers["X-Leadhand-Actor"] = quote(post.actor_id, safe="/:@.-_")
            headers["X-Leadhand-Call"] = quote(post.call_id, safe="/:@.-_")
        self._by(self._limits.first_byte_secs, "its first byte")
        fault = None
        try:
            self._response = await self._client.post(
                server.url + post.path,
                data=post.body,
                headers=headers,
                allow_redirects=False,
                proxy=server.proxy,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            fault = self._unanswered(error)
        if fault is not None:
            raise fault
        assert self._response is not None
        if self._response.status != 200:
            raise await self._refusal(self._response)

    async def listen(self, take: Take) -> None:
        """Give the events to take until it has enough. Raises ModelError."""
        assert self._response is not None
        if self._response.content_type in ("text/html", "application/json"):
            raise await self._not_a_stream(self._response)
        events = Events(self._limits.event_bytes)
        while chunk := await self._read():
            if self._enough(take, events, chunk):
                await self._finish()
                return
            self._by(self._limits.silence_secs, "its next word")
        if not self._enough(take, events, END):
            raise self._error("stream_cut", "the answer ended before it was complete")
        self._done = True

    async def whole(self) -> bytes:
        """All of an answer that comes in one piece. Raises ModelError."""
        parts = []
        while chunk := await self._read():
            parts.append(chunk)
            self._by(self._limits.silence_secs, "the rest of its answer")
        self._done = True
        return b"".join(parts)

    def close(self) -> None:
        """Close the connection, unless it can serve another request."""
        if self._response is not None and not self._done:
            self._response.close()

    def late(self) -> ModelError:
        """The error of a deadline that has passed."""
        if self._loop.time() >= self._end:
            return self._error("timeout", f"no end after {self._limits.total_secs:g} s")
        return self._error("timeout", f"still waiting for {self._waits_for}")

    def _enough(self, take: Take, events: Events, chunk: bytes) -> bool:
        try:
            found = events.feed(chunk) if chunk else [*events.end(), END]
            return any(map(take, found))
        except ModelError as error:
            self._named(error)
            raise

    async def _read(self) -> bytes:
        """The next bytes of the answer; none at its end."""
        assert self._response is not None
        try:
            chunk = await http_body.more(self._response)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            fault = self._error("stream_cut", self._what(error))
        else:
            self._left -= len(chunk)
            if self._left >= 0:
                return chunk
            fault = self._error("protocol", "the answer is longer than any answer can be")
        raise fault

    async def _finish(self) -> None:
        """Read what is left of a complete answer, which is its end mark, to keep the connection."""
        assert self._response is not None
        content = self._response.content
        if not content.at_eof():
            with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
                async with asyncio.timeout(END_SECS):
                    await content.readany()
        self._done = content.at_eof()

    def _by(self, secs: float, waits_for: str) -> None:
        """Set the deadline of the next step."""
        self._waits_for = waits_for
        self._clock.reschedule(min(self._loop.time() + secs, self._end))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The beginning of a body that is not a stream; what the status says holds without it."""
        parts, size = [], 0
        self._by(self._limits.silence_secs, "the rest of its error")
        with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout(min(ERROR_SECS, self._limits.silence_secs / 2)):
                while size < ERROR_BODY_MAX and (chunk := await http_body.more(response)):
                    parts.append(chunk)
                    size += len(chunk)
        return b"".join(parts)[:ERROR_BODY_MAX]

    async def _refusal(self, response: aiohttp.ClientResponse) -> ModelError:
        body = await self._body(response)
        error = faults.refused(response.status, response.headers, body, _now_ms())
        return self._named(error)

    async def _not_a_stream(self, response: aiohttp.ClientResponse) -> ModelError:
        body = await self._body(response)
        if faults.said_in(body).message:
            return self._named(faults.refused(200, response.headers, body, _now_ms()))
        return self._error("protocol", f"sent {response.content_type} instead of a stream")

    def _unanswered(self, error: Exception) -> ModelError:
        """The error of a request that got no answer; before the connection stood, nobody billed."""
        what = self._what(error)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            secs = self._limits.connect_secs
            return self._error("timeout", f"no connection after {secs:g} s", billed=False)
        if isinstance(error, aiohttp.ClientConnectorError):
            bad = isinstance(error, aiohttp.ClientConnectorCertificateError)
            return self._error("network", what, billed=False, retryable=not bad)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return self._error("network", f"the proxy says {error.status}", billed=False)
        if isinstance(error, aiohttp.ClientResponseError):
            return self._error("protocol", "its response is not HTTP")
        if isinstance(error, aiohttp.InvalidURL):
            return self._error("bad_request", what, billed=False)
        return self._error("network", what)

    def _error(self, kind: ModelErrorKind, text: str, **more: bool) -> ModelError:
        return self._named(ModelError(text, kind=kind, **more))

    def _named(self, error: ModelError) -> ModelError:
        """The error with the server's name before it and without keys."""
        server = self._post.server
        error.message = server.clean(f"{server.shown}: {error.message}")
        error.args = (error.message,)
        return error

    @staticmethod
    def _what(error: Exception) -> str:
        return one_line(str(error), 200) or type(error).__name__


def _split(url: str) -> tuple[str, str]:
    """Scheme and host of a base URL. Raises UsageError."""
    shown = one_line(_USER_INFO.sub("//", url), 200)
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"the base URL {shown} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(f"the base URL {shown} must be http://HOST... or https://HOST...")
    return parts.scheme, host


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host, if it names one."""
    if hosts.loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


def _now_ms() -> int:
    return int(time.time() * 1000)
