"""Fold: how fast a run of a million events is opened, and what of it the fold itself takes.

The log is made by the rules from the commands of a long dispatch: eight workers at a time, twelve
turns each, tool results of a kilobyte. `python benchmarks/fold.py 100000` makes a shorter one.
"""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
from _run import MODEL, manifest
from _table import show

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.decide import decide
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.money import Usage
from leadhand.domain.state import Run
from leadhand.engine.clock import SystemClock
from leadhand.engine.engine import Engine
from leadhand.model import Prose, ToolUse
from leadhand.store import Row
from leadhand.stores import codec
from leadhand.stores.sqlite import SqliteStore

EVENTS = 1_000_000
WAVE, TURNS = 8, 12
RESULT = "a line of some file, as tools show it\n" * 27
WORDS = "The next file to look at is the one that the last result names. " * 4
RUN = "bench"


def a_turn(actor: ActorId, number: int, last: bool) -> Iterator[c.Command]:
    """An admission with the last result, and an answer that calls a tool unless it is the last."""
    call, tool = CallId(f"{actor}:{number}"), CallId(f"{actor}:{number}.0")
    before = CallId(f"{actor}:{number - 1}.0")
    results = (c.RecordToolResult(actor, before, RESULT),) if number else ()
    yield c.AdmitCall(actor, call, 1_000, results)
    blocks = [Prose(WORDS), *(() if last else (ToolUse(tool, "Read", {"file_path": "a.py"}),))]
    answer = msgspec.json.encode(blocks).decode()
    intents = () if last else (e.Intent(tool, "Read", "reads", "Read src/some/file.py"),)
    usage = Usage(input=400, output=90, cache_read=900 * number)
    yield c.RecordTurn(actor, call, answer, usage, "tool_use", intents, WORDS)


def a_wave(number: int) -> Iterator[c.Command]:
    """Eight workers from their spawn to their end, turn by turn beside each other."""
    first = number * WAVE
    for each in range(first + 1, first + WAVE + 1):
        yield c.SpawnActor(ROOT, CallId(f"spawn {each}"), f"Do part {each}. " * 20)
    workers = [ActorId(f"{ROOT}/W{each}") for each in range(first + 1, first + WAVE + 1)]
    for turn in range(TURNS):
        for worker in workers:
            yield from a_turn(worker, turn, turn == TURNS - 1)
    for worker in workers:
        yield c.RecordExit(worker, "completed", WORDS)


def rows_of(count: int) -> Iterator[Row]:
    """The rows of a log of at least so many events."""
    run, now_ms, wave = Run(), 0, 0
    start: list[c.Command] = [c.OwnRun(1, "bench"), c.StartRun(RUN, manifest(Path.cwd()))]
    while run.seq < count:
        for command in [*start, *a_wave(wave)]:
            now_ms += 5
            now = Now(1_800_000_000_000 + now_ms, now_ms)
            for event in decide(run, command, now):
                evolve(run, event, At(run.seq + 1, now))
                kind, data = type(event).__name__, codec.encode(event)
                yield Row(run.seq, now.wall_ms, now.run_ms, event.actor, kind, data)
        start, wave = [], wave + 1


async def write(store: SqliteStore, count: int) -> int:
    """Write the log; how many events it has."""
    await store.create(RUN, "")
    await store.own(RUN, "the benchmark")
    written, page = 0, list[Row]()

    async def append() -> None:
        nonlocal written
        await store.append(RUN, 1, written, page, {}, b"")
        written += len(page)
        page.clear()

    for row in rows_of(count):
        page.append(row)
        if len(page) == 5_000:
            await append()
    await append()
    await store.release(RUN)
    return written


async def opened(store: SqliteStore) -> tuple[float, Run]:
    """Seconds until the run can be worked on, as `resume` opens it, and its state."""
    began = time.perf_counter()
    engine = await Engine.open(store, RUN, SystemClock(), "the benchmark")
    secs = time.perf_counter() - began
    await engine.close()
    return secs, engine.run


async def owned(store: SqliteStore) -> float:
    """Seconds to take ownership, which reads the whole file once to see that it is not damaged."""
    began = time.perf_counter()
    await store.own(RUN, "the benchmark")
    secs = time.perf_counter() - began
    await store.release(RUN)
    return secs


async def parts(store: SqliteStore) -> tuple[float, float, float]:
    """Seconds to read, decode and fold all events, each by itself."""
    run, after, spent = Run(), 0, [0.0, 0.0, 0.0]
    while True:
        times = [time.perf_counter()]
        rows = await store.read(RUN, after, None, 2_000)
        times.append(time.perf_counter())
        events = [codec.decode(row.data) for row in rows]
        times.append(time.perf_counter())
        for row, event in zip(rows, events, strict=True):
            evolve(run, event, At(row.seq, Now(row.wall_ms, row.run_ms)))
        times.append(time.perf_counter())
        lasted = (end - start for start, end in pairwise(times))
        spent = [sum(each) for each in zip(spent, lasted, strict=True)]
        if len(rows) < 2_000:
            return spent[0], spent[1], spent[2]
        after = rows[-1].seq


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        store = SqliteStore(Path(folder))
        count = await write(store, count)
        size = (Path(folder) / RUN / "run.db").stat().st_size / 2**20
        own = await owned(store)
        secs, run = await opened(store)
        read, decode, fold = await parts(store)
        await store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = {
        "open it (Engine.open)": secs,
        "  own it: lock, epoch, is the file whole": own,
        "  read the rows": read,
        "  decode them": decode,
        "  fold them (evolve)": fold,
    }
    title = f"{count:,} events of {len(run.records):,} workers, {size:,.0f} MiB on disk ({MODEL})"
    rows = [
        (name, f"{each:.1f}", f"{count / each:,.0f}", f"{each / count * 1e6:.1f}")
        for name, each in lines.items()
    ]
    show(title, ("", "secs", "events/s", "us/event"), rows)
    print(f"peak memory of this process: {peak:,.0f} MiB (the writing of the log included)")


if __name__ == "__main__":
    asyncio.run(main())
