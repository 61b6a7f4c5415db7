"""Http models: streaming calls a second over HTTP, against bare aiohttp making the same requests.

Bare aiohttp sends the same bytes and only reads what comes. The answers are those of the model
server, played back by a process of its own that does nothing else, so that the client is what is
measured: as one burst, and event by event as a real provider sends them. Beside the wall clock,
which others on the machine disturb, the processor time of a call is shown.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any, NamedTuple

import aiohttp
from _table import against, show

from leadhand.model import Message, Model, Prose, Request, ToolSchema
from leadhand.models import anthropic, openai, openai_responses
from leadhand.models.http import Http, Server
from leadhand.models.scripted import counted
from leadhand.models.wire import encode
from leadhand.testing.dialects import anthropic as says_anthropic
from leadhand.testing.dialects import openai_chat as says_chat
from leadhand.testing.dialects import openai_responses as says_responses
from leadhand.testing.dialects.saying import Dialect, Said
from leadhand.testing.step import Step

AIM = 0.7
TIMES = 3
CALLS = 2_000
PARALLEL = (100, 1_000)
ANSWER = Step(
    text="I have looked at the three files that you named, and this is what I found. " * 8,
    calls=(("Read", {"file_path": "/work/a.py"}), ("Grep", {"pattern": "def .*", "path": "src"})),
    thinking="First the files, then the words in them. " * 6,
)
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
)

# What each client appends to its base URL.
PATHS = {
    "Anthropic Messages": "/v1/messages",
    "OpenAI Chat": "/chat/completions",
    "OpenAI Responses": "/responses",
}

Call = Callable[[], Awaitable[None]]


class Case(NamedTuple):
    """One dialect: the client, what the server says, the model's name."""

    make: Callable[[Http, Server], Model]
    says: Dialect
    written: Callable[[Request], dict[str, Any]]
    model: str
    headers: dict[str, str]


CASES = {
    "Anthropic Messages": Case(
        anthropic.AnthropicModel,
        says_anthropic.DIALECT,
        anthropic.written,
        "anthropic:claude-haiku-4-5",
        {"anthropic-version": anthropic.VERSION, "x-api-key": "k" * 40},
    ),
    "OpenAI Chat": Case(
        openai.OpenAiChatModel,
        says_chat.DIALECT,
        lambda request: openai.written(request, "max_tokens"),
        "openai-chat:local",
        {"Authorization": f"Bearer {'k' * 40}"},
    ),
    "OpenAI Responses": Case(
        openai_responses.OpenAiModel,
        says_responses.DIALECT,
        openai_responses.written,
        "openai:gpt-5",
        {"Authorization": f"Bearer {'k' * 40}"},
    ),
}


class Playback(asyncio.Protocol):
    """Answers each request on a connection with the same events."""

    def __init__(self, events: list[bytes], trickle: bool) -> None:
        chunks = [b"%x\r\n%s\r\n" % (len(event), event) for event in events] + [b"0\r\n\r\n"]
        self._chunks = [HEAD, *chunks] if trickle else [HEAD + b"".join(chunks)]
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._got = body[length:]
            self._send(0)

    def _send(self, number: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(self._chunks[number])
        if number + 1 < len(self._chunks):
            asyncio.get_running_loop().call_soon(self._send, number + 1)


async def serve(name: str, trickle: bool) -> None:
    """Play one case back until the parent is gone."""
    case = CASES[name]
    request = asked(case)
    said = Said(request, ANSWER, counted(request, []), "seed")
    events = list(case.says.stream(said))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Playback(events, trickle), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def playing(name: str, trickle: bool) -> Iterator[str]:
    """The address of a process that plays a case back."""
    command = [sys.executable, __file__, "--serve", name, "trickle" if trickle else "burst"]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def asked(case: Case) -> Request:
    """A request of ordinary size."""
    tool = ToolSchema("Read", "Reads a file. " * 10, {"type": "object", "properties": {}})
    return Request(
        model=case.model,
        system="You are a worker. " * 60,
        messages=[Message("user", [Prose("Look at the files. " * 30)])],
        tools=[tool] * 6,
        max_output_tokens=4_096,
        actor_id="root/W1",
        call_id="root/W1:1.1@9",
    )


async def many(call: Call, count: int, parallel: int) -> tuple[float, float]:
    """Wall and processor seconds of so many calls, so many at a time."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await call()

    wall, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(parallel)))
    return time.perf_counter() - wall, time.process_time() - processor


async def measure(name: str, url: str, parallel: int) -> tuple[list[float], list[float]]:
    """The best wall and processor seconds of bare aiohttp and of our client, taken in turns."""
    case = CASES[name]
    request = asked(case)
    body = encode(case.written(request))
    headers = {"Content-Type": "application/json", **case.headers}
    base = url + case.says.path.removesuffix(PATHS[name])
    model = case.make(Http(), Server(base, case.headers))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def bare() -> None:
            async with session.post(f"{url}{case.says.path}", data=body) as response:
                async for _ in response.content.iter_any():
                    pass

        async def ours() -> None:
            answer = await model.answer(request, lambda text: None)
            assert answer.stop_reason == "tool_use"

        for call in (bare, ours):
            await many(call, parallel, parallel)
        found = [[await many(call, CALLS, parallel) for call in (bare, ours)] for _ in range(TIMES)]
    return (
        [min(times[who][0] for times in found) for who in (0, 1)],
        [min(times[who][1] for times in found) for who in (0, 1)],
    )


async def main() -> None:
    rows = []
    for name in CASES:
        for trickle in (False, True):
            for parallel in PARALLEL:
                with playing(name, trickle) as url:
                    wall, processor = await measure(name, url, parallel)
                ratio = wall[0] / wall[1]
                rows.append(
                    [
                        f"{name}, {'event by event' if trickle else 'in a burst'}",
                        f"{parallel:,}",
                        f"{CALLS / wall[0]:,.0f}",
                        f"{CALLS / wall[1]:,.0f}",
                        f"{ratio:.2f}",
                        f"{processor[0] / CALLS * 1000:.2f} ms",
                        f"{processor[1] / CALLS * 1000:.2f} ms",
                        f"{processor[0] / processor[1]:.2f}",
                        against(ratio, AIM, more_is_better=True),
                    ]
                )
    header = "answer, parallel, bare/s, ours/s, ratio, bare cpu, ours cpu, ratio, aim 0.7".split(
        ", "
    )
    show("Streaming calls over HTTP (best of 3)", header, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(sys.argv[2], sys.argv[3] == "trickle"))
    else:
        asyncio.run(main())
