"""Actors: how many workers a second, all at once, durable, on an in-process scripted model.

Each worker takes two model calls and one tool call, through conductor, harness, gateway and
SqliteStore, seven events in all. Time runs from the first spawn to the last settlement.

- workers alone: spawned by commands; the tool gives a text at once; nothing beside the log.
- with projections: transcripts, summary.jsonl and summary.json are kept beside it.
- whole dispatch: as `leadhand dispatch` runs it. The lead spawns each by a tool call and waits
  for each by another, the worker's tool reads a file, words are shown as they come; the time
  is that of the whole run.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from _run import REPORT, Settled, a_run, bare_conductor, is_lead, said, spawn
from _table import against, show

from leadhand.engine.projections import Projections
from leadhand.model import Request
from leadhand.models.scripted import Reply, ScriptedModel

SIZES = (10, 100, 1_000)
TIMES = 7
AIM = 1_000.0

Cost = tuple[float, float]


class Parts:
    """The script of a run whose workers are spawned from outside: its lead waits for them."""

    def __init__(self) -> None:
        self.done = asyncio.Event()

    async def reply(self, request: Request) -> Reply:
        """A note and a word; the lead's report once all have settled."""
        if is_lead(request.actor_id):
            await self.done.wait()
            return said(REPORT)
        if len(request.messages) == 1:
            return said("Noting it.", ("Note", {"text": "a part of the work"}))
        return said("The part is done.")


async def by_commands(count: int, *, projections: bool) -> Cost:
    """Seconds, and seconds of processor, of workers that are spawned by commands."""
    script = Parts()
    model = ScriptedModel(script.reply)
    async with a_run(script.reply) as live:
        files = Projections(live.engine, live.folder)
        if projections:
            await files.start()
        running = asyncio.create_task(bare_conductor(live, lambda name: model).run())
        settled = Settled(live, count)
        await asyncio.sleep(0.05)
        began = time.perf_counter(), time.process_time()
        await spawn(live, count)
        await settled.all.wait()
        cost = time.perf_counter() - began[0], time.process_time() - began[1]
        script.done.set()
        await running
        if projections:
            await files.close()
        return cost


class Dispatch:
    """The script of a whole dispatch: the lead spawns all workers, waits for each, reports."""

    def __init__(self, count: int) -> None:
        self.count = count

    def reply(self, request: Request) -> Reply:
        """Workers read a small file; the lead takes three turns."""
        turn = sum(message.role == "assistant" for message in request.messages)
        if not is_lead(request.actor_id):
            if turn == 0:
                return said("Reading it.", ("Read", {"file_path": "note.txt"}))
            return said("The part is done.")
        if turn == 0:
            prompts = [{"prompt": f"Do part {number}."} for number in range(self.count)]
            return said("Starting.", *(("spawn_worker", args) for args in prompts))
        if turn == 1:
            ids = [f"root/W{number + 1}" for number in range(self.count)]
            return said("Waiting.", *(("wait_actor", {"worker_id": each}) for each in ids))
        return said(REPORT)


async def dispatched(count: int) -> Cost:
    """Seconds, and seconds of processor, of a whole dispatch."""
    async with a_run(Dispatch(count).reply) as live:
        began = time.perf_counter(), time.process_time()
        assert await live.go()
        cost = time.perf_counter() - began[0], time.process_time() - began[1]
        assert live.engine.run.status == "succeeded"
        return cost


KINDS: dict[str, Callable[[int], Awaitable[Cost]]] = {
    "workers alone": lambda count: by_commands(count, projections=False),
    "with projections": lambda count: by_commands(count, projections=True),
    "whole dispatch": dispatched,
}


async def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    rows = []
    for count in SIZES:
        costs: dict[str, list[Cost]] = {kind: [] for kind in KINDS}
        for _ in range(times):
            for kind, measure in KINDS.items():
                costs[kind].append(await measure(count))
        for kind, found in costs.items():
            rate = count / min(secs for secs, _ in found)
            processor = min(secs for _, secs in found) / count * 1000
            aim = against(rate, AIM, more_is_better=True) if count == SIZES[-1] else ""
            rows.append((kind, f"{count:,}", f"{rate:,.0f}", f"{processor:.2f}", aim))
    header = ("", "at once", "actors/s", "CPU ms each", f"aim {AIM:,.0f}/s")
    show(f"Actors a second; the best of {times} times, in turns", header, rows)


if __name__ == "__main__":
    asyncio.run(main())
