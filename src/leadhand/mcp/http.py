"""Http: the door on loopback: who has no token of an actor gets no further than here.

Law: the token says who it is. Whoever is turned away is recorded, and what it showed is not.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from leadhand.domain.ids import ActorId
from leadhand.errors import HarnessError
from leadhand.harness import Door
from leadhand.mcp.desk import Desk
from leadhand.mcp.identity import Context
from leadhand.mcp.served import PROGRESS_SECS, server
from leadhand.stores.codec import Secrets
from leadhand.tokens import Tokens

HOST, PATH = "127.0.0.1", "/mcp"
ACTOR = "leadhand.actor"
SESSION = "mcp-session-id"
TOKEN_MAX = 1_000
STOP_SECS = 5.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
# Told whose request begins (True) or is over (False).
Seen = Callable[[ActorId, bool], None]


class Guard:
    """Lets requests through whose host is ours and whose token is an actor's."""

    def __init__(self, app: Asgi, desk: Desk, tokens: Tokens, port: int, seen: Seen) -> None:
        self._app, self._desk, self._tokens, self._seen = app, desk, tokens, seen
        self._hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}
        self.sessions: dict[str, ActorId] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._foreign(headers)
        if refusal:
            await self._turn_away(scope, receive, send, "", refusal, 403)
            return
        actor, refusal = self._known(headers)
        if refusal:
            await self._turn_away(scope, receive, send, actor, refusal, 401)
            return
        session = headers.get(SESSION, "")
        if self.sessions.get(session, actor) != actor:
            why = "it used the session of another actor"
            await self._turn_away(scope, receive, send, actor, why, 404)
            return
        scope[ACTOR] = actor
        self._seen(actor, True)
        try:
            await self._app(scope, receive, self._noting(ActorId(actor), send))
        finally:
            self._seen(actor, False)
            if scope["method"] == "DELETE":
                self.sessions.pop(session, None)

    def _foreign(self, headers: Headers) -> str:
        """Why a request may come from a web page rather than from a client of ours."""
        if headers.get("host", "") not in self._hosts:
            return "its Host is not ours"
        origin = headers.get("origin")
        return "its Origin is not ours" if origin and origin not in self._origins else ""

    def _known(self, headers: Headers) -> tuple[ActorId, str]:
        """Whose token it is, or why it is nobody's."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            return ActorId(""), "it has no token"
        if len(token) > TOKEN_MAX:
            return ActorId(""), "its token is nobody's"
        actor = self._tokens.holder(token)
        if actor is not None:
            return actor, ""
        former = self._tokens.former(token)
        if former is not None:
            return former, f"its token was that of {former} and holds no longer"
        return ActorId(""), "its token is nobody's"

    def _noting(self, actor: ActorId, send: Send) -> Send:
        """Note whose a session is that begins with an answer."""

        async def noted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                for name, value in message.get("headers", ()):
                    if name.lower() == SESSION.encode():
                        self.sessions[value.decode()] = actor
            await send(message)

        return noted

    async def _turn_away(
        self, scope: Scope, receive: Receive, send: Send, actor: str, why: str, status: int
    ) -> None:
        await self._desk.deny(actor, "", why)
        body = {"error": {"code": "denied", "message": why}}
        asks = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        await JSONResponse(body, status, asks)(scope, receive, send)


class Deaf(uvicorn.Server):
    """A server that leaves signals to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class HttpDoors:
    """The doors of one run: one server on a port of this machine, one token for each actor."""

    def __init__(
        self,
        desk: Desk,
        secrets: Secrets,
        seen: Seen,
        progress_secs: float = PROGRESS_SECS,
        tokens: Tokens | None = None,
    ) -> None:
        """seen: is told of each request of an actor. secrets: keep every token out of the log.
        tokens: those of the run, where they open other doors too."""
        self.desk, self.tokens = desk, tokens or Tokens()
        secrets.expect_tokens()
        self._seen, self._progress_secs = seen, progress_secs
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://{HOST}:{self.port}{PATH}"

    async def open(self, actor: ActorId) -> Door:
        """See `harness.Doors.open`."""
        await self.start()
        return Door(self.url, self.tokens.issue(actor))

    def close(self, actor: ActorId) -> None:
        """See `harness.Doors.close`."""
        self.tokens.revoke(actor)

    async def start(self, port: int = 0) -> None:
        """Listen, on this port or on any that is free. Raises HarnessError."""
        async with self._starting:
            if self._server is not None:
                return
            # asyncio lets small answers go at once only where the socket says that it is TCP's.
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((HOST, port or self.port))
            except OSError as error:
                listening.close()
                raise HarnessError(f"cannot listen on {HOST}:{port}: {error}") from error
            self.port = listening.getsockname()[1]
            config = uvicorn.Config(
                self._app(),
                log_config=None,
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=1,
                ws="none",
            )
            self._server = Deaf(config)
            serving = self._server.serve(sockets=[listening])
            self._serving = asyncio.create_task(serving, name="mcp")
            while not self._server.started:
                if self._serving.done():
                    raise HarnessError("the MCP server did not start")
                await asyncio.sleep(0.005)

    def _app(self) -> Asgi:
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        # The guard has looked at Host and Origin before.
        served = server(self.desk, identity, self._progress_secs)
        app = served.streamable_http_app(streamable_http_path=PATH, transport_security=security)
        self.guard = Guard(app, self.desk, self.tokens, self.port, self._seen)
        return self.guard

    async def stop(self) -> None:
        """Listen no longer; the tokens stay, so that it may start again."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait([self._serving], timeout=STOP_SECS)
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self._server = self._serving = None


def identity(context: Context) -> tuple[ActorId, str]:
    """Whose request it is: as its guard has found."""
    request = context.request
    assert request is not None
    return request.scope[ACTOR], request.headers.get(SESSION, "")
