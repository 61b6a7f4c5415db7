"""Sharing: durable writes of the shared store, and how soon a wait for an entry is over.

    PYTHONPATH=src python benchmarks/sharing.py [--secs 3] [--waits 500]

On SqliteStore, through the tools as actors call them: a write is done when its commit is durable.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence

from _run import a_run, said, spawn
from _table import show

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.engine.log import Stamped
from leadhand.run_blobs import RunBlobs
from leadhand.tool import Caller
from leadhand.tools.store import KvCas, KvSet, KvWait, store_tools
from leadhand.wiring import LiveRun

WRITERS = (1, 10, 100)
SHORT, LONG = "x" * 200, "x" * 100_000


class Team:
    """The actors of a run, who call the tools of the store."""

    def __init__(self, live: LiveRun, size: int) -> None:
        self.live, self.calls = live, 0
        self.tools = {tool.name: tool.handler for tool in store_tools(live.engine)}
        self.actors = [ActorId(f"{ROOT}/W{number + 1}") for number in range(size)]
        self.blobs = RunBlobs(live.store, live.run_id, live.secrets)

    async def call(self, actor: ActorId, tool: str, args: object) -> object:
        """What one tool call gives."""
        self.calls += 1
        caller = Caller(
            actor, "worker", CallId(f"c{self.calls}"), self.live.folder.path, (), (), {},
            self.blobs, self.live.processes,
        )  # fmt: skip
        return await self.tools[tool](caller, args)


async def writes(size: int, secs: float, value: str, *, compares: bool = False) -> list[float]:
    """How long each write took, of so many writers at a time."""
    took: list[float] = []
    async with a_run(lambda request: said("")) as live:
        await spawn(live, size)
        team, end = Team(live, size), time.perf_counter() + secs

        async def write(actor: ActorId) -> None:
            version = 0
            path = f"/shared/{actor.replace('/', '.')}"
            while (start := time.perf_counter()) < end:
                # No two are the same, since the same blob is kept once.
                other = f"{actor} {version} {value}"
                if compares:
                    await team.call(actor, "kv_cas", KvCas(path, version, other))
                else:
                    await team.call(actor, "kv_set", KvSet(path, other))
                took.append(time.perf_counter() - start)
                version += 1

        await asyncio.gather(*map(write, team.actors))
    return took


async def waits(size: int, times: int) -> tuple[list[float], list[float]]:
    """How long after the call of kv_set, and after its event was durable, each of so many waits
    for that entry was over."""
    from_call: list[float] = []
    from_event: list[float] = []
    async with a_run(lambda request: said("")) as live:
        await spawn(live, size)
        team = Team(live, size)
        durable, opened = 0.0, 0
        all_wait = asyncio.Event()

        def heard(events: Sequence[Stamped]) -> None:
            nonlocal durable, opened
            if any(isinstance(each.event, e.EntryPut) for each in events):
                durable = time.perf_counter()
            opened += sum(isinstance(each.event, e.WaitOpened) for each in events)
            if opened == size:
                all_wait.set()

        live.engine.listen(heard)

        async def wait(actor: ActorId, version: int) -> float:
            await team.call(actor, "kv_wait", KvWait("/shared/go", version))
            return time.perf_counter()

        for version in range(1, times // size + 1):
            waiting = [asyncio.create_task(wait(actor, version)) for actor in team.actors]
            await all_wait.wait()
            all_wait.clear()
            opened = 0
            start = time.perf_counter()
            await team.call(ROOT, "kv_set", KvSet("/shared/go", version))
            for ended in await asyncio.gather(*waiting):
                from_call.append(ended - start)
                from_event.append(ended - durable)
    return from_call, from_event


def ms(secs: list[float], percent: int) -> str:
    return f"{sorted(secs)[len(secs) * percent // 100] * 1000:.2f}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--secs", type=float, default=3.0, help="time for each line of writes")
    parser.add_argument("--waits", type=int, default=500, help="waits for each line of waits")
    given = parser.parse_args()
    rows = []
    for title, value, compares in (
        ("kv_set, 200 bytes", SHORT, False),
        ("kv_cas, 200 bytes", SHORT, True),
        ("kv_set, 100 kB (a blob)", LONG, False),
    ):
        for size in WRITERS:
            took = await writes(size, given.secs, value, compares=compares)
            per_sec = f"{len(took) / given.secs:,.0f}"
            rows.append([title, str(size), per_sec, ms(took, 50), ms(took, 99)])
    show("Durable writes", ["what", "writers", "per s", "p50 ms", "p99 ms"], rows)
    rows = []
    for size in WRITERS:
        from_call, from_event = await waits(size, given.waits)
        for title, found in (("call of kv_set", from_call), ("durable event", from_event)):
            rows.append([f"{title} -> kv_wait over", str(size), ms(found, 50), ms(found, 99)])
    show("Waits for an entry", ["from", "waiters", "p50 ms", "p99 ms"], rows)


if __name__ == "__main__":
    asyncio.run(main())
