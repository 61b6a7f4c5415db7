"""Engine: how many commands a second become durable, and how soon, beside raw sqlite3.

Each submitter is a worker that asks for a call and records its answer, again and again: two
commands, two events, each durable before the next. Beside it the least that can be done: rows of
the same size in the same table, committed together by one thread, decided by nobody. What the
store alone takes is in store.py.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _run import USAGE, a_run, said, spawn
from _table import show
from store import Raw

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId, CallId, worker_id
from leadhand.domain.manifest import Settings
from leadhand.engine.conductor import rare_collections
from leadhand.model import Request
from leadhand.models.scripted import Reply

SIZES = (1, 100, 1_000)
TIMES = 3
SECS = 2.0
WORDS = "The next file to look at is the one that the last result names. " * 4
ANSWER = '[{"type":"text","text":"' + WORDS + '"}]'

Deed = Callable[[int], Awaitable[object]]
Numbers = tuple[float, float, float]


class GroupCommit:
    """Rows of many tasks, committed together by a thread as soon as the last commit is done."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._raw = self._thread.submit(Raw, path).result()
        self._rows: list[tuple[int, int, int, str, str, bytes]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._seq, self._work = 0, asyncio.Event()
        self._writer = asyncio.create_task(self._write())

    async def add(self, actor: str, data: bytes) -> None:
        """Add a row; returns once it is durable."""
        self._seq += 1
        self._rows.append((self._seq, self._seq, self._seq, actor, "TurnRecorded", data))
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._work.set()
        await waiter

    async def _write(self) -> None:
        while await self._work.wait():
            self._work.clear()
            rows, self._rows, waiters, self._waiters = self._rows, [], self._waiters, []
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._raw.append, rows)
            for waiter in waiters:
                waiter.set_result(None)

    async def close(self) -> None:
        """Stop."""
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._thread.submit(self._raw.database.close)
        self._thread.shutdown()


async def press(submitters: int, deed: Deed) -> Numbers:
    """Let so many do one deed after another; deeds a second, median and 99th latency in ms."""
    latencies: list[float] = []
    end = time.perf_counter() + SECS

    async def one(number: int) -> None:
        while (began := time.perf_counter()) < end:
            await deed(number)
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    with rare_collections():
        async with asyncio.timeout(SECS + 60):
            await asyncio.gather(*map(one, range(submitters)))
    rate = len(latencies) / (time.perf_counter() - began)
    latencies.sort()
    ranks = (len(latencies) // 2, len(latencies) * 99 // 100)
    return rate, latencies[ranks[0]] * 1000, latencies[ranks[1]] * 1000


async def never(request: Request) -> Reply:
    """No session runs here."""
    return said("")


async def through_engine(submitters: int) -> tuple[Numbers, int]:
    """The numbers of Engine.submit on SqliteStore, and the mean size of its events."""
    async with a_run(never) as live:
        await spawn(live, submitters, Settings(max_turns=1_000_000_000))
        spawned = live.engine.run.seq
        calls = [0] * submitters
        workers = [worker_id(ROOT, number + 1) for number in range(submitters)]

        async def deed(number: int) -> None:
            actor: ActorId = workers[number]
            turn, second = divmod(calls[number], 2)
            calls[number] += 1
            call = CallId(f"{actor}:1.{turn}")
            if second:
                command: c.Command = c.RecordTurn(
                    actor, call, ANSWER, USAGE, "end_turn", words=WORDS
                )
            else:
                command = c.AdmitCall(actor, call, 600)
            await live.engine.submit(command)

        numbers = await press(submitters, deed)
        rows = await live.store.read(live.run_id, spawned, None, 20_000)
        return numbers, sum(len(row.data) for row in rows) // len(rows)


async def through_raw(submitters: int, size: int) -> Numbers:
    """The numbers of raw sqlite3 with the same group commit."""
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        raw, data = GroupCommit(Path(folder) / "raw.db"), b"x" * size

        async def deed(number: int) -> None:
            await raw.add(f"root/W{number + 1}", data)

        try:
            return await press(submitters, deed)
        finally:
            await raw.close()


async def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    rows, size = [], 0
    for submitters in SIZES:
        ours, raws = [], []
        for _ in range(times):
            numbers, size = await through_engine(submitters)
            ours.append(numbers)
            raws.append(await through_raw(submitters, size))
        (rate, p50, p99), raw = max(ours), max(raws)
        cells = (f"{each:,.1f}" for each in (p50, p99, raw[1], raw[2]))
        engine50, engine99, raw50, raw99 = cells
        ratio = f"{rate / raw[0]:.2f}"
        engine = (f"{rate:,.0f}", engine50, engine99)
        rows.append((f"{submitters:,}", *engine, f"{raw[0]:,.0f}", raw50, raw99, ratio))
    show(
        f"Durable commands a second; the best of {times} times {SECS:.0f} s, in turns; "
        f"{size} bytes an event",
        ("submitters", "engine/s", "p50 ms", "p99 ms", "raw/s", "p50 ms", "p99 ms", "ratio"),
        rows,
    )


if __name__ == "__main__":
    asyncio.run(main())
