"""Playback: a model server in a process of its own that only plays what was prepared for it.

It looks at who asks and how many answers the conversation has, and no further, so that it is not
what limits a benchmark.
"""

import asyncio
import ssl
import sys
from asyncio import sslproto
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage
from leadhand.model import Request
from leadhand.testing.dialects import anthropic
from leadhand.testing.dialects.saying import Said
from leadhand.testing.step import Step

BACKLOG = 4_096
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
)
TURN = b'"role":"assistant"'
LEAD = b"x-leadhand-actor: %s\r\n" % ROOT.encode()

Events = list[bytes]


class Play(Struct, frozen=True):
    """What is played: the events of each turn, of the lead's if it has its own. After the last
    turn the last one again; where there is none, the request stays open.

    trickle: event by event instead of in one burst. latency_secs: before the first. cert: a PEM
    file of key and certificate, for TLS.
    """

    turns: list[Events]
    lead: list[Events] | None = None
    trickle: bool = False
    latency_secs: float = 0.0
    cert: str = ""


class _Parts(Struct, frozen=True):
    """Answers as they are written: the pieces of each turn."""

    turns: list[list[bytes]]
    lead: list[list[bytes]]


class _Connection(asyncio.Protocol):
    """Answers the requests of one connection, one after another."""

    def __init__(self, parts: _Parts, play: Play, asked: list[int]) -> None:
        """asked: its one number is how many requests have come."""
        self._parts, self._latency_secs, self._asked = parts, play.latency_secs, asked
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        head = head.lower() + b"\r\n"
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._got = body[length:]
        self._asked[0] += 1
        turns = self._parts.lead if LEAD in head else self._parts.turns
        if not turns:
            return
        pieces = turns[min(body.count(TURN), len(turns) - 1)]
        if self._latency_secs:
            asyncio.get_running_loop().call_later(self._latency_secs, self._send, pieces, 0)
        else:
            self._send(pieces, 0)

    def _send(self, pieces: Sequence[bytes], number: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(pieces[number])
        if number + 1 < len(pieces):
            asyncio.get_running_loop().call_soon(self._send, pieces, number + 1)


class Player:
    """The process that plays, as the benchmark sees it."""

    def __init__(self, process: "Popen[bytes]", play: Play) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.url = f"{'https' if play.cert else 'http'}://127.0.0.1:{self._ask(play)}"

    def asked(self) -> int:
        """How many requests have come so far."""
        return self._ask(None)

    def _ask(self, what: Play | None) -> int:
        self._in.write(msgspec.json.encode(what) + b"\n")
        self._in.flush()
        return int(self._out.readline())


@contextmanager
def playing(play: Play) -> Iterator[Player]:
    """A process that plays this to everybody who asks."""
    with Popen([sys.executable, __file__], stdin=PIPE, stdout=PIPE) as process:
        # It ends with its input, which is closed here.
        yield Player(process, play)


def answers(model: str, steps: Sequence[Step]) -> list[Events]:
    """The events of a conversation's turns, as Anthropic's servers send them."""
    request = Request(model, "", [], [], 1, "", "")
    usage = Usage(input=900, output=60)
    said = (Said(request, step, usage, f"turn {number}") for number, step in enumerate(steps))
    return [list(anthropic.stream(each)) for each in said]


def written(turns: Sequence[Events], trickle: bool) -> list[list[bytes]]:
    """The turns in chunks of HTTP, to be written one by one or at once."""
    found = []
    for events in turns:
        chunks = [b"%x\r\n%s\r\n" % (len(event), event) for event in events]
        chunks.append(b"0\r\n\r\n")
        found.append([HEAD, *chunks] if trickle else [HEAD + b"".join(chunks)])
    return found


async def serve() -> None:
    """Play what the first line of the input says; tell how many have asked at each further one,
    until the benchmark is gone."""
    play = msgspec.json.decode(sys.stdin.buffer.readline(), type=Play)
    turns = written(play.turns, play.trickle)
    lead = turns if play.lead is None else written(play.lead, play.trickle)
    parts, asked, tls = _Parts(turns, lead), [0], None
    if play.cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(play.cert)
        # At 256 KiB for each connection, the server would take what the client is measured at.
        sslproto.SSLProtocol.max_size = 16 * 1024  # type: ignore[misc]
    loop = asyncio.get_running_loop()

    def connection() -> asyncio.Protocol:
        return _Connection(parts, play, asked)

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=tls, backlog=BACKLOG)
    told: Any = server.sockets[0].getsockname()[1]
    while True:
        print(told, flush=True)
        if not await loop.run_in_executor(None, sys.stdin.buffer.readline):
            return
        told = asked[0]


if __name__ == "__main__":
    asyncio.run(serve())
