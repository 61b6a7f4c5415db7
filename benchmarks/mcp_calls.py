"""Mcp calls: tool calls a second over MCP, and how long each takes, of 1, 100 and 500 clients.

    PYTHONPATH=src python benchmarks/mcp_calls.py [--secs 5]

Over HTTP on loopback with a token for each client, on SqliteStore. The clients are a process of
their own that sends what MCP clients of 2026-07-28 send and only reads the answers. Every call is
begun and answered in the log, so each takes two commits, which the calls of all clients share.
"""

import argparse
import asyncio
import json
import sys
import time

import aiohttp
from _run import a_run, said, spawn
from _table import against, show

from leadhand.domain.ids import ROOT, ActorId

CLIENTS = (1, 100, 500)
AIM_PER_SEC = {1: 100.0, 100: 300.0, 500: 300.0}
VERSION = "2026-07-28"
TOOL = "kv_get"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": TOOL, "arguments": {"path": "/shared/n"}, "_meta": META},
}


async def calls(url: str, tokens: list[str], secs: float) -> list[float]:
    """How long each call took, of a client for each token, each calling as fast as it can."""
    took: list[float] = []
    body = json.dumps(CALL).encode()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(token: str) -> None:
            headers = {
                "Authorization": f"Bearer {token}",
                "Accept": "application/json, text/event-stream",
                "Content-Type": "application/json",
                "MCP-Protocol-Version": VERSION,
                "Mcp-Method": "tools/call",
                "Mcp-Name": TOOL,
            }
            end = time.perf_counter() + secs
            while (start := time.perf_counter()) < end:
                async with session.post(url, data=body, headers=headers) as answer:
                    given = await answer.read()
                if answer.status != 200 or b'"isError":true' in given:
                    raise SystemExit(f"{answer.status}: {given.decode()[:500]}")
                took.append(time.perf_counter() - start)

        await asyncio.gather(*map(client, tokens))
    return took


async def measured(size: int, secs: float) -> list[float]:
    """The same in a process of its own, against a run of so many workers."""
    async with a_run(lambda request: said("")) as live:
        await spawn(live, size)
        doors = live.doors()
        opened = [await doors.open(ActorId(f"{ROOT}/W{number + 1}")) for number in range(size)]
        told = {"url": opened[0].url, "tokens": [each.token for each in opened], "secs": secs}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--client",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(json.dumps(told).encode())
        await live.desk().leave()
        await doors.stop()
    found: list[float] = json.loads(out)
    return found


def main(secs: float) -> None:
    """Measure, and print a table."""
    rows = []
    for size in CLIENTS:
        took = sorted(asyncio.run(measured(size, secs)))
        rate = len(took) / secs
        median, last = took[len(took) // 2], took[len(took) * 99 // 100]
        aim = against(rate, AIM_PER_SEC[size], more_is_better=True)
        row = (f"{rate:,.0f}", f"{median * 1e3:,.1f}", f"{last * 1e3:,.1f}", aim)
        rows.append((f"{size} clients", *row))
    header = ("tool calls over MCP", "calls/s", "median ms", "p99 ms", "aim")
    show("Tool calls over MCP (HTTP)", header, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secs", type=float, default=5.0)
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        given_ = json.load(sys.stdin)
        print(json.dumps(asyncio.run(calls(given_["url"], given_["tokens"], given_["secs"]))))
    else:
        main(asked.secs)
