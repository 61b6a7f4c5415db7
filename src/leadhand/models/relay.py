"""Relay: passes a client's own request on, and the answer back, reading along what it holds.

Law: what the provider sends is what the client gets, byte for byte, and nothing of it is lost here.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import aiohttp
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from leadhand.domain.manifest import Dialect
from leadhand.errors import ModelError
from leadhand.model import Answer, Outlet, Relay, Request
from leadhand.models import wire
from leadhand.models.http import END_SECS, Http, Post, Server, Talk
from leadhand.models.sse import END, Events

COUNT_SECS = 10.0
# What a client may see of a response's headers.
SHOWN = frozenset(
    "content-type cache-control retry-after retry-after-ms x-should-retry request-id "
    "x-request-id x-reasoning-included".split()
)
SHOWN_BEGIN = ("anthropic-", "x-ratelimit-", "openai-", "x-codex-")

# The events that an answer in one piece would have been.
Whole = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]
_whole = msgspec.json.Decoder(dict[str, Any])


class Reading(Protocol):
    """Reads the events of an answer. begun: whether it may cost something. acts: whether a tool
    call of it is whole."""

    begun: bool
    acts: bool

    def take(self, data: bytes) -> bool:
        """Take one event; whether the answer is complete. Raises ModelError."""
        ...

    def answer(self, request: Request, body: bytes) -> Answer:
        """The whole answer. Raises ModelError."""
        ...


class Passing(Talk):
    """One request that is passed on, and its response."""

    def __init__(self, outlet: Outlet, *rest: Any) -> None:
        super().__init__(*rest)
        self._outlet = outlet

    async def stream(self, reading: Reading) -> None:
        """Pass the events on as they come. Raises ModelError."""
        response = self._answered()
        if response.content_type in ("text/html", "application/json"):
            raise await self._not_a_stream(response)
        events, over = Events(self._limits.event_bytes), False
        early: list[bytes] = []
        while chunk := await self._read():
            early.append(chunk)
            try:
                over = self._enough(reading.take, events, chunk)
            except ModelError:
                self._broken(b"".join(early), begun=reading.begun)
                raise
            if over or reading.begun:
                # Before it has begun, it may still be refused at no cost and asked again.
                self._outlet.take(b"".join(early), acts=over or reading.acts)
                early = []
            if over:
                break
            self._by(self._limits.silence_secs, "its next word")
        if over:
            await self._rest()
        elif self._enough(reading.take, events, END):
            self._outlet.take(b"".join(early), acts=True)
            self._done = True
        else:
            self._outlet.take(b"".join(early), acts=False)
            raise self._error("stream_cut", "the answer ended before it was complete")

    async def piece(self, reading: Reading, whole: Whole) -> None:
        """Pass on an answer that comes in one piece. Raises ModelError."""
        self._answered()
        body = await self.whole()
        try:
            for event in whole(_whole.decode(body)):
                if reading.take(wire.encode(event)):
                    break
        except (ModelError, *wire.UNREADABLE) as error:
            fault = error if isinstance(error, ModelError) else None
            fault = fault or ModelError("its answer cannot be read", kind="protocol")
            self._broken(body, begun=False)
            raise self._named(fault) from None
        self._outlet.take(body, acts=True)

    def _answered(self) -> aiohttp.ClientResponse:
        assert self._response is not None
        self._outlet.begin(shown(self._response.headers))
        return self._response

    def _broken(self, early: bytes, *, begun: bool) -> None:
        """Give the client what it would have got: where nothing has been passed on, it may also be
        asked again."""
        if begun:
            self._outlet.take(early, acts=False)
        else:
            assert self._response is not None
            self._outlet.declined(200, shown(self._response.headers), early)

    async def _rest(self) -> None:
        """Pass on what follows a complete answer: its end mark."""
        assert self._response is not None
        content = self._response.content
        with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout(END_SECS):
                while not content.at_eof():
                    if data := await content.readany():
                        self._outlet.take(data, acts=True)
        self._done = content.at_eof()

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = await super()._body(response)
        clean = self._post.server.clean(body.decode(errors="surrogateescape"))
        self._outlet.declined(
            response.status, shown(response.headers), clean.encode(errors="surrogateescape")
        )
        return body


class Spoken(Struct, frozen=True):
    """What of a dialect it takes to pass requests on. reading: is given what takes the words of
    an answer as they come. path: below the server's URL; counter: that
    of its counter of tokens, and counted: what of a body that may be given; empty for none."""

    dialect: Dialect
    path: str
    reading: Callable[[Callable[[str], None]], Reading]
    whole: Whole
    counter: str = ""
    counted: frozenset[str] = frozenset()


async def relayed(
    http: Http, server: Server, spoken: Spoken, relay: Relay, outlet: Outlet
) -> Answer:
    """Pass a request on and its answer back; see `model.Relayed.relay`."""
    reading = spoken.reading(outlet.words)
    request = Request(
        model=relay.model,
        system="",
        messages=[],
        tools=[],
        max_output_tokens=relay.max_output_tokens,
        actor_id=relay.actor_id,
        call_id=relay.call_id,
    )

    async def talked(talk: Passing) -> None:
        await (talk.stream(reading) if relay.stream else talk.piece(reading, spoken.whole))

    if plain := wire.at_list_price(server.host):
        relay = replace(relay, body=wire.encode(_whole.decode(relay.body) | plain))
    await http.relay(posted(server, spoken.path, relay), partial(Passing, outlet), talked)
    return reading.answer(request, relay.body)


async def counted(http: Http, server: Server, spoken: Spoken, relay: Relay) -> bytes | None:
    """What the provider's counter says of a request; see `model.Relayed.relay_count`."""
    if not spoken.counter:
        return None
    try:
        given = _whole.decode(relay.body)
        body = wire.encode({key: given[key] for key in given if key in spoken.counted})
        post = posted(server, spoken.counter, replace(relay, body=body))
        return await http.fetch(post, COUNT_SECS)
    except (ModelError, *wire.UNREADABLE):
        return None


def posted(server: Server, path: str, relay: Relay) -> Post:
    """A relayed request as it is sent."""
    return Post(
        server,
        path,
        relay.body,
        relay.actor_id,
        relay.call_id,
        relay.max_output_tokens,
        relay.headers,
    )


def shown(headers: Any) -> dict[str, str]:
    """The headers of a response that a client may see."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() in SHOWN or name.lower().startswith(SHOWN_BEGIN)
    }
