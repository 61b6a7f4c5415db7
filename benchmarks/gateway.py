"""Gateway: what the model door adds to a request and to an event of its answer, and its rate.

    PYTHONPATH=src python benchmarks/gateway.py [--secs 5]

Over HTTP on loopback, against a provider in a process of its own, on SqliteStore; the clients are a
process too. Each request takes two commits, which the requests of all clients share. What a request
and a chunk take to the provider itself is measured beside it.
"""

import argparse
import asyncio
import json
import sys
import time

import aiohttp
from _run import a_run_with, spawn
from _table import against, show

from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Settings
from leadhand.model_wiring import make_models

CLIENTS = (1, 20, 200)
CHUNKS = 400
WORD = "word " * 8
MODEL = "anthropic:claude-haiku-4-5"
# The aims: what a request and a chunk may take longer, of one client; requests a second of all.
AIM_REQUEST_MS, AIM_CHUNK_US = 10.0, 100.0
AIM_PER_SEC = {1: 50.0, 20: 200.0, 200: 200.0}
BODY = {
    "model": "claude-haiku-4-5",
    "max_tokens": 500,
    "stream": True,
    "messages": [{"role": "user", "content": "Go."}],
}


async def asks(url: str, tokens: list[str], secs: float) -> list[float]:
    """How long each request took, of a client for each token, each asking as fast as it can."""
    took: list[float] = []
    body = json.dumps(BODY).encode()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(token: str) -> None:
            headers = {"x-api-key": token, "Content-Type": "application/json"}
            end = time.perf_counter() + secs
            while (start := time.perf_counter()) < end:
                async with session.post(f"{url}/v1/messages", data=body, headers=headers) as answer:
                    given = await answer.read()
                if answer.status != 200 or b"message_stop" not in given:
                    raise SystemExit(f"{answer.status}: {given.decode()[:500]}")
                took.append(time.perf_counter() - start)

        await asyncio.gather(*map(client, tokens))
    return sorted(took)


async def client(url: str, tokens: list[str], secs: float) -> list[float]:
    """The same in a process of its own."""
    told = {"url": url, "tokens": tokens, "secs": secs, "messages": BODY["messages"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--client",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(told).encode())
    found: list[float] = json.loads(out)
    return found


async def measured(size: int, words: int, secs: float) -> tuple[list[float], list[float]]:
    """How long requests took at the door and at the provider itself, of so many clients and
    words of each answer."""
    steps = json.dumps([{"text": WORD * words, "usage": {"input": 9, "output": 9}}])
    BODY["messages"] = [{"role": "user", "content": f"```script\n{steps}\n```"}]
    provider = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "leadhand.testing.model_server", stdout=asyncio.subprocess.PIPE
    )
    assert provider.stdout is not None
    url = (await provider.stdout.readline()).decode().strip()
    environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k" * 40}
    try:
        async with a_run_with(make_models(environ), MODEL, environ) as live:
            await spawn(live, size, Settings(max_turns=1_000_000))
            door = live.model_door()
            await door.start()
            tokens = [live.tokens.issue(ActorId(f"{ROOT}/W{each + 1}")) for each in range(size)]
            through = await client(door.url, tokens, secs)
            direct = await client(url, tokens, secs)
            await door.stop()
    finally:
        provider.terminate()
        await provider.wait()
    return through, direct


def main(secs: float) -> None:
    """Measure, and print a table."""
    rows, medians = [], {}
    for words, size in ((1, 1), (CHUNKS, 1), (1, CLIENTS[1]), (1, CLIENTS[2])):
        through, direct = asyncio.run(measured(size, words, secs))
        ours, theirs = through[len(through) // 2], direct[len(direct) // 2]
        medians[words, size] = ours - theirs
        rate = len(through) / secs
        aim = against(rate, AIM_PER_SEC[size], more_is_better=True) if words == 1 else ""
        row = (
            f"{rate:,.0f}",
            f"{len(direct) / secs:,.0f}",
            f"{ours * 1e3:,.2f}",
            f"{theirs * 1e3:,.2f}",
            aim,
        )
        events = "a word" if words == 1 else "200 events"
        rows.append((f"{size} clients, {events}", *row))
    header = ("the model door", "requests/s", "direct", "median ms", "direct", "aim")
    show("Requests at the model door (HTTP)", header, rows)
    request = medians[1, 1] * 1e3
    chunk = (medians[CHUNKS, 1] - medians[1, 1]) / 200 * 1e6
    added = [
        ("a request", f"{request:,.2f} ms", against(request, AIM_REQUEST_MS)),
        ("an event of 200", f"{chunk:,.1f} us", against(max(chunk, 0.1), AIM_CHUNK_US)),
    ]
    show("What the door adds", ("to", "more", "aim"), added)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secs", type=float, default=5.0)
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        given_ = json.load(sys.stdin)
        BODY["messages"] = given_.get("messages", BODY["messages"])
        print(json.dumps(asyncio.run(asks(given_["url"], given_["tokens"], given_["secs"]))))
    else:
        main(asked.secs)
