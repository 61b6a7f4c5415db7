"""Http models: streaming calls a second over HTTP, against bare aiohttp making the same requests.

Bare aiohttp sends the same bytes and only reads what comes. The answers are those of the model
server, played back by a process of its own that does nothing else, so that the client is what is
measured: as one burst, and event by event as a real provider sends them. Beside the wall clock,
which others on the machine disturb, the processor time of a call is shown.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
from _playback import Play, playing
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


def played(case: Case, trickle: bool) -> Play:
    """The answer of a case for the server to play."""
    request = asked(case)
    said = Said(request, ANSWER, counted(request, []), "seed")
    return Play([list(case.says.stream(said))], trickle=trickle)


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


async def measure(
    case: Case, path: str, url: str, parallel: int
) -> tuple[list[float], list[float]]:
    """The best wall and processor seconds of bare aiohttp and of our client, taken in turns.

    path: what the client appends to its base URL.
    """
    request = asked(case)
    body = encode(case.written(request))
    headers = {"Content-Type": "application/json", **case.headers}
    base = url + case.says.path.removesuffix(path)
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
    for name, case in CASES.items():
        for trickle in (False, True):
            for parallel in PARALLEL:
                with playing(played(case, trickle)) as player:
                    wall, processor = await measure(case, PATHS[name], player.url, parallel)
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
    asyncio.run(main())
