"""Roads: how a server that is not ours is reached: a child's pipes, or HTTP.

Law: what comes from there is bounded; what goes there is the server's own environment and headers,
and nothing of anybody else's.
"""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import anyio
import httpx2
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from leadhand.child import Child
from leadhand.domain import hosts
from leadhand.domain.manifest import McpServer
from leadhand.domain.text import one_line
from leadhand.endpoints import filled, headers_of, url_of
from leadhand.errors import HarnessError
from leadhand.processes import Processes, clean_environment

# The longest answer, and what it may come to in memory.
ANSWER_BYTES_MAX = 33_554_432
ERRORS_SHOWN = 300
DIAL_SECS = 10.0
READ_SECS = 300.0
SESSION = "mcp-session-id"


class Road(Protocol):
    """One way to a server, which is taken once. lost: set when it leads nowhere any more; fresh:
    whether what was asked last was not even heard, since the server knows the session no more."""

    lost: asyncio.Event
    fresh: bool

    def streams(self) -> AbstractAsyncContextManager[TransportStreams]:
        """The messages from there and to there, while it is entered. Raises OSError,
        HarnessError, ValueError where the server cannot be started or asked."""
        ...

    def last_words(self) -> str:
        """What the server said of itself last; empty where that is not known."""
        ...


class Pipes:
    """The road to a program of this machine: a child of the run, marked as all its children."""

    def __init__(self, server: McpServer, processes: Processes, environ: Mapping[str, str]) -> None:
        self._server, self._processes, self._environ = server, processes, environ
        self.lost, self.fresh = asyncio.Event(), False
        self._child: Child | None = None

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[TransportStreams]:
        """See `Road.streams`."""
        server = self._server
        for text in server.env.values():
            filled(text, self._environ)
        child = self._child = await self._processes.open(
            [server.command, *server.args],
            actor_id=f"mcp:{server.name}",
            cwd=Path(server.directory or "."),
            env=clean_environment(self._environ, server.env),
            line_bytes_max=ANSWER_BYTES_MAX,
        )
        into, reading = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        writing, out_of = anyio.create_memory_object_stream[SessionMessage](0)
        async with child, into, reading, writing, out_of:
            tasks = [
                asyncio.create_task(self._read(child, into), name=f"{server.name}: out"),
                asyncio.create_task(self._write(child, out_of), name=f"{server.name}: in"),
            ]
            try:
                yield reading, writing
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(
        self, child: Child, into: "MemoryObjectSendStream[SessionMessage | Exception]"
    ) -> None:
        try:
            async for line in child.lines():
                try:
                    found = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    # Some print there what is meant for people.
                    continue
                await into.send(SessionMessage(found))
        except (HarnessError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        finally:
            self.lost.set()
            into.close()

    async def _write(self, child: Child, out_of: MemoryObjectReceiveStream[SessionMessage]) -> None:
        try:
            async for each in out_of:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                await child.write(text.encode(errors="replace") + b"\n")
        except (HarnessError, anyio.ClosedResourceError):
            self.lost.set()

    def last_words(self) -> str:
        """See `Road.last_words`."""
        if self._child is None:
            return ""
        return one_line(self._child.errors.strip()[-ERRORS_SHOWN:], ERRORS_SHOWN)


class Http:
    """The road to a server that listens somewhere."""

    def __init__(self, server: McpServer, environ: Mapping[str, str]) -> None:
        self._server, self._environ = server, environ
        self.lost, self.fresh = asyncio.Event(), False

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[TransportStreams]:
        """See `Road.streams`."""
        url = url_of(self._server, self._environ)
        read = max(READ_SECS, self._server.timeout_secs + DIAL_SECS)
        client = httpx2.AsyncClient(
            headers=headers_of(self._server, self._environ),
            timeout=httpx2.Timeout(DIAL_SECS, read=read),
            transport=Bounded(proxy_of(url), self._refused),
        )
        async with (
            client,
            streamable_http_client(
                url, http_client=client, max_sse_event_size=ANSWER_BYTES_MAX
            ) as both,
        ):
            yield both

    def _refused(self) -> None:
        self.fresh = True
        self.lost.set()

    def last_words(self) -> str:
        """See `Road.last_words`."""
        return ""


class Bounded(httpx2.AsyncHTTPTransport):
    """HTTP whose answers have an end. forgotten: told when the server does not know a session."""

    def __init__(self, proxy: str | None, forgotten: Callable[[], None]) -> None:
        super().__init__(proxy=proxy)
        self._forgotten = forgotten

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        request.headers["accept-encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("its answer is packed, though that was not asked for")
        if response.status_code == 404 and SESSION in request.headers:
            self._forgotten()
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Counted(response.stream)
        return response


class Counted(httpx2.AsyncByteStream):
    """A body of at most so many bytes."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = 0
        async for part in self._body:
            total += len(part)
            if total > ANSWER_BYTES_MAX:
                raise httpx2.StreamError(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
            yield part

    async def aclose(self) -> None:
        """Close it."""
        await self._body.aclose()


def proxy_of(url: str) -> str | None:
    """The proxy that this process's environment names for a URL; none for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if hosts.loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def road_to(processes: Processes, environ: Mapping[str, str]) -> Callable[[McpServer], Road]:
    """What makes a way to a server, for one run. environ: what its variables stand for."""

    def road(server: McpServer) -> Road:
        return Pipes(server, processes, environ) if server.command else Http(server, environ)

    return road
