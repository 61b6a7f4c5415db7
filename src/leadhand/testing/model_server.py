"""Model server: a loopback server that plays a script in the providers' own dialects.

It speaks Anthropic Messages, OpenAI Chat Completions and OpenAI Responses, streaming and not, and
fails on demand: see `step.Step`. In a test: `async with model_server(script) as server:
server.url`. As a process: `python -m leadhand.testing.model_server --port N`.
"""

import asyncio
import hashlib
import sys
import time
from argparse import ArgumentParser
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Struct

from leadhand.domain.money import Usage
from leadhand.errors import ModelError, ModelErrorKind
from leadhand.model import Block, Prose, Request, ToolUse
from leadhand.models.scripted import PREFIX, Script, absolute, counted, load_script, replied
from leadhand.testing.dialects import anthropic, openai_chat, openai_responses
from leadhand.testing.dialects.saying import Dialect, Json, Said, digest, refuse
from leadhand.testing.step import Step, as_step, from_prompt

SEEN_MAX = 10_000
BODY_MAX = 64 * 1024 * 1024
KEYS = ("authorization", "x-api-key", "api-key", "cookie", "proxy-authorization")
DIALECTS = (anthropic.DIALECT, openai_chat.DIALECT, openai_responses.DIALECT)
# Who asks, as our own clients, other agents and Claude Code say it.
ACTOR = ("X-Leadhand-Actor", "X-Agent-Id", "X-Claude-Code-Session-Id")
# What a script's ModelError looks like to a client that is not told more.
STATUSES: dict[ModelErrorKind, tuple[int, str]] = {
    "auth": (401, ""),
    "bad_request": (400, ""),
    "context_exceeded": (400, "context_length_exceeded"),
    "overloaded": (529, ""),
    "protocol": (400, ""),
    "quota": (402, ""),
    "rate_limited": (429, ""),
    "server": (500, ""),
    "timeout": (504, ""),
}


class Seen(Struct):
    """A request that came. ended: answered, refused, dropped by the script, or left by the client;
    empty while it is being answered. digest: of the body. peer: the other end of its connection."""

    method: str
    path: str
    headers: dict[str, str]
    digest: str
    actor: str = ""
    ended: str = ""
    events: int = 0
    peer: str = ""
    began_at: float = 0.0


Respond = Callable[[Dialect, web.Request, bytes, Seen], Awaitable[web.StreamResponse]]


class ModelServer:
    """Plays a script to everybody who asks. Made by `model_server`.

    seen: the requests to answer; counts: those to count tokens.
    """

    def __init__(
        self, script: Script, *, counter: Script | None = None, record: Path | None = None
    ) -> None:
        """counter: what counts tokens where not this server itself: it says `usage.input`, or
        `figures`, or `body` as it stands, and fails as any step does. record: a file that a line of
        JSON is added to for each request."""
        self.script, self.counter, self.record = script, counter, record
        self.url = ""
        self.seen: deque[Seen] = deque(maxlen=SEEN_MAX)
        self.counts: deque[Seen] = deque(maxlen=SEEN_MAX)
        self.bodies: deque[Any] = deque(maxlen=0)
        self._changed = asyncio.Event()
        self._app = web.Application(client_max_size=BODY_MAX)
        for dialect in DIALECTS:
            self._app.router.add_post(dialect.path, self._handler(dialect, self._answer, self.seen))
            if dialect.counter is not None:
                handler = self._handler(dialect, self._count, self.counts)
                self._app.router.add_post(dialect.counter.path, handler)
        self._app.router.add_get("/v1/models", self._models)
        self._app.router.add_route("*", "/", self._root)

    @property
    def openai_url(self) -> str:
        """The base URL as OpenAI's clients want it."""
        return f"{self.url}/v1"

    @property
    def busy(self) -> int:
        """How many requests are being answered."""
        return sum(not seen.ended for seen in (*self.seen, *self.counts))

    def keep_bodies(self, count: int = 1_000) -> None:
        """Keep the last bodies, as JSON, in `bodies`."""
        self.bodies = deque(maxlen=count)

    async def until_asked(self, count: int = 1) -> None:
        """Wait until so many requests have come."""
        while len(self.seen) < count:
            self._changed.clear()
            await self._changed.wait()

    async def until_idle(self) -> None:
        """Wait until no request is being answered."""
        while self.busy:
            self._changed.clear()
            await self._changed.wait()

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one."""
        # A handler learns at once that its client has left, even where it only waits.
        self._runner = web.AppRunner(
            self._app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening and drop who is still being answered."""
        await self._runner.cleanup()

    def _handler(self, dialect: Dialect, respond: Respond, log: deque[Seen]) -> Any:
        async def handler(http: web.Request) -> web.StreamResponse:
            data = await http.read()
            seen = _seen(http, data)
            log.append(seen)
            self._changed.set()
            try:
                response = await respond(dialect, http, data, seen)
            except asyncio.CancelledError:
                seen.ended = "left"
                raise
            except ConnectionError:
                # The client has just left; raised, this would be logged as a fault of the server.
                response = self._drop(http, seen, "left")
            finally:
                seen.ended = seen.ended or "failed"
                self._end(seen)
            return response

        return handler

    def _end(self, seen: Seen) -> None:
        self._changed.set()
        if self.record is not None:
            with self.record.open("ab") as file:
                file.write(msgspec.json.encode(seen) + b"\n")

    async def _answer(
        self, dialect: Dialect, http: web.Request, data: bytes, seen: Seen
    ) -> web.StreamResponse:
        try:
            body, request = self._heard(dialect.hear, http, data)
            self.bodies.append(body)
            step = as_step(await replied(self.script, request))
        except ModelError as error:
            if error.kind not in STATUSES:
                return self._drop(http, seen)
            return _refusal(dialect, _refusing(error), seen)
        if step.delay_secs:
            await asyncio.sleep(step.delay_secs)
        if step.status != 200:
            return _refusal(dialect, step, seen)
        said = _said(request, step, body)
        if body.get("stream"):
            return await self._stream(http, dialect.stream(said), step, seen)
        seen.ended = "answered"
        whole = msgspec.json.encode(dialect.whole(said))
        return web.json_response(body=whole, headers=step.headers)

    def _heard(
        self, hear: Callable[[Json], Request], http: web.Request, data: bytes
    ) -> tuple[Json, Request]:
        """The body and what it asks. Raises ModelError."""
        try:
            body = msgspec.json.decode(data)
            request = hear(body)
        except (msgspec.MsgspecError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise refuse(f"this server cannot read that: {error!r}") from error
        call = unquote(http.headers.get("X-Leadhand-Call", ""))
        return body, msgspec.structs.replace(request, actor_id=_actor(http.headers), call_id=call)

    async def _stream(
        self, http: web.Request, events: Iterator[bytes], step: Step, seen: Seen
    ) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers | step.headers)
        await response.prepare(http)
        left = step.drop_after_bytes
        for number, event in enumerate(events):
            if number == step.drop_after:
                return self._drop(http, seen)
            if number == step.silent_after:
                await asyncio.get_running_loop().create_future()
            if number and step.chunk_delay_secs:
                await asyncio.sleep(step.chunk_delay_secs)
            data = step.garbage.encode() if number == 1 and step.garbage else event
            if left is not None:
                data, left = data[:left], left - len(data)
            await response.write(data)
            seen.events += 1
            if left is not None and left <= 0:
                return self._drop(http, seen)
        await response.write_eof()
        seen.ended = "answered"
        return response

    def _drop(self, http: web.Request, seen: Seen, ended: str = "dropped") -> web.StreamResponse:
        """Close the connection in the middle."""
        seen.ended = ended
        if http.transport is not None:
            http.transport.close()
        return web.Response()

    async def _count(
        self, dialect: Dialect, http: web.Request, data: bytes, seen: Seen
    ) -> web.StreamResponse:
        assert dialect.counter is not None
        try:
            _, request = self._heard(dialect.counter.hear, http, data)
            step = as_step(await replied(self.counter, request)) if self.counter else Step()
        except ModelError as error:
            if error.kind not in STATUSES:
                return self._drop(http, seen)
            return _refusal(dialect, _refusing(error), seen)
        if step.delay_secs:
            await asyncio.sleep(step.delay_secs)
        if step.status != 200 or step.body is not None:
            return _refusal(dialect, step, seen)
        seen.ended = "answered"
        usage = step.usage or counted(request, [])
        figures = {"input_tokens": usage.input, **step.figures}
        return web.json_response(dialect.counter.answer | figures, headers=step.headers)

    async def _models(self, http: web.Request) -> web.Response:
        model = {"id": "scripted", "type": "model", "object": "model", "display_name": "Scripted"}
        return web.json_response({"object": "list", "data": [model], "has_more": False})

    async def _root(self, http: web.Request) -> web.Response:
        return web.Response(text="leadhand model server\n")


@asynccontextmanager
async def model_server(
    script: Script = from_prompt,
    *,
    port: int = 0,
    counter: Script | None = None,
    record: Path | None = None,
) -> AsyncIterator[ModelServer]:
    """A server that plays this script; without one, the scripts that the prompts hold."""
    server = ModelServer(script, counter=counter, record=record)
    await server.start(port)
    try:
        yield server
    finally:
        await server.stop()


def _seen(http: web.Request, data: bytes) -> Seen:
    headers = {
        name: "[key]" if name.lower() in KEYS else value for name, value in http.headers.items()
    }
    return Seen(
        http.method,
        http.path_qs,
        headers,
        hashlib.sha256(data).hexdigest(),
        _actor(http.headers),
        peer=str(http.transport.get_extra_info("peername")) if http.transport else "",
        began_at=time.time(),
    )


def _actor(headers: Mapping[str, str]) -> str:
    return unquote(next((headers[name] for name in ACTOR if name in headers), ""))


def _said(request: Request, step: Step, body: Json) -> Said:
    blocks: list[Block] = [Prose(step.text)] if step.text else []
    for name, args in step.calls:
        blocks.append(ToolUse("", name, {"": args}))
    usage: Usage = step.usage or counted(request, blocks)
    wants = bool((body.get("stream_options") or {}).get("include_usage"))
    return Said(request, step, usage, digest(body), wants, body)


def _refusing(error: ModelError) -> Step:
    """The refusal that a client makes the same error of."""
    status, code = STATUSES[error.kind]
    headers = {}
    if error.retry_after_secs is not None:
        headers["retry-after"] = f"{error.retry_after_secs:g}"
    return Step(status=status, error=code, text=error.message, headers=headers)


def _refusal(dialect: Dialect, step: Step, seen: Seen) -> web.Response:
    seen.ended = "refused"
    if step.body is not None:
        return web.Response(
            status=step.status, text=step.body, headers={"Content-Type": "text/html"} | step.headers
        )
    message = step.text or "the script says so"
    body = dialect.error(step.status, step.error, message)
    return web.json_response(body, status=step.status, headers=step.headers)


def main(arguments: list[str] | None = None) -> None:
    """Serve until the process is ended; the first line printed is the URL."""
    parser = ArgumentParser(prog="python -m leadhand.testing.model_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--script", help="FILE.py:FUNCTION or FILE.jsonl; else from the prompts")
    parser.add_argument("--record", type=Path, help="a file for a line of JSON for each request")
    given = parser.parse_args(arguments)
    script: Script = from_prompt
    if given.script:
        script = load_script(absolute(f"{PREFIX}{given.script}", Path.cwd()))

    async def serve() -> None:
        async with model_server(script, port=given.port, record=given.record) as server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            await asyncio.get_running_loop().create_future()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
