"""Store: what a durable step costs in SqliteStore, beside a minimal loop over raw sqlite3.

    PYTHONPATH=src python benchmarks/store.py [--dir DIR] [--secs 2]

N rows wait and are committed together; their latency is that of the commit. Both sides take
turns, commit by commit, so that a slow moment of the disk hits both.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from leadhand.store import Letter, Row
from leadhand.stores.sqlite import SqliteStore
from leadhand.stores.sqlite_file import RUN_SCHEMA

SIZES = (1, 100, 1000)
ACTORS = 50
DATA = b'{"type":"TurnRecorded","text":"' + b"x" * 200 + b'"}'
HEAD = b"h" * 300


def rows_after(seq: int, count: int) -> list[Row]:
    numbers = range(seq + 1, seq + count + 1)
    return [Row(n, n, n, f"root/W{n % ACTORS}", "TurnRecorded", DATA) for n in numbers]


class Raw:
    """The same schema and the same durability in as little code as sqlite3 lets us."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.executescript(RUN_SCHEMA)
        self.database.execute("INSERT INTO run VALUES (1, 'raw', 1, x'')")

    def append(self, rows: list[tuple[int, int, int, str, str, bytes]]) -> None:
        self.database.execute("BEGIN IMMEDIATE")
        self.database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.database.execute("UPDATE run SET head = ?", (HEAD,))
        self.database.execute("COMMIT")


class Times:
    """How long each of many deeds took."""

    def __init__(self) -> None:
        self.secs: list[float] = []

    def per_sec(self) -> float:
        return len(self.secs) / sum(self.secs)

    def ms(self, percent: int) -> float:
        return sorted(self.secs)[len(self.secs) * percent // 100] * 1000


async def compare(folder: Path, size: int, secs: float) -> tuple[Times, Times]:
    store = SqliteStore(folder / f"runs-{size}")
    await store.create("run", "")
    await store.own("run", "the benchmark")
    raw = Raw(folder / f"raw-{size}.db")
    ours, theirs = Times(), Times()
    seq, end = 0, time.perf_counter() + secs
    while time.perf_counter() < end:
        rows = rows_after(seq, size)
        start = time.perf_counter()
        await store.append("run", 1, seq, rows, {}, HEAD)
        ours.secs.append(time.perf_counter() - start)
        plain = [(r.seq, r.wall_ms, r.run_ms, r.actor, r.kind, r.data) for r in rows]
        start = time.perf_counter()
        raw.append(plain)
        theirs.secs.append(time.perf_counter() - start)
        seq += size
    await store.close()
    raw.database.close()
    return ours, theirs


async def measure(deed: Callable[[int], Awaitable[object]], secs: float) -> Times:
    times = Times()
    end = time.perf_counter() + secs
    while time.perf_counter() < end:
        start = time.perf_counter()
        await deed(len(times.secs))
        times.secs.append(time.perf_counter() - start)
    return times


async def measure_the_rest(folder: Path, secs: float) -> dict[str, Times]:
    store = SqliteStore(folder / "runs-rest")
    await store.create("run", "")
    await store.own("run", "the benchmark")
    for start in range(0, 20_000, 1000):
        await store.append("run", 1, start, rows_after(start, 1000), {}, HEAD)

    def letter(number: int) -> Letter:
        return Letter(str(number), DATA, "the benchmark", number)

    found = {
        "read, 1 row": await measure(lambda n: store.read("run", n, limit=1), secs),
        "read, 1,000 rows": await measure(lambda n: store.read("run", n % 10_000), secs),
        "read, 30 of an actor": await measure(
            lambda n: store.read("run", 0, f"root/W{n % ACTORS}", 30), secs
        ),
        "head": await measure(lambda _: store.head("run"), secs),
        "take, nothing there": await measure(lambda _: store.take("run"), secs),
        "submit": await measure(lambda n: store.submit("run", letter(n)), secs),
        "put_blob, 100 KiB": await measure(
            lambda n: store.put_blob("run", b"%08d" % n * 12_800), secs
        ),
        "create a run": await measure(lambda n: store.create(f"run-{n}", ""), secs),
    }
    await store.close()
    return found


async def measure_beside_a_busy_loop(folder: Path, secs: float) -> dict[str, Times]:
    store = SqliteStore(folder / "runs-busy")
    await store.create("run", "")
    await store.own("run", "the benchmark")
    last = 0

    async def append(size: int) -> None:
        nonlocal last
        await store.append("run", 1, last, rows_after(last, size), {}, HEAD)
        last += size

    async def spin() -> None:
        while True:
            sum(range(2000))
            await asyncio.sleep(0)

    await append(2000)
    spinning = asyncio.create_task(spin())
    found = {
        "append, 1 row": await measure(lambda _: append(1), secs),
        "append, 100 rows": await measure(lambda _: append(100), secs),
        "read, 1,000 rows": await measure(lambda _: store.read("run"), secs),
    }
    spinning.cancel()
    await store.close()
    return found


def print_table(title: str, found: dict[str, Times]) -> None:
    print(f"\n{title:>28} {'per s':>10} {'p50 ms':>10} {'p99 ms':>10}")
    for what, times in found.items():
        print(f"{what:>28} {times.per_sec():>10,.0f} {times.ms(50):>10.2f} {times.ms(99):>10.2f}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dir", type=Path, help="where to write; another disk, another result")
    parser.add_argument("--secs", type=float, default=2.0, help="time for each line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir, prefix="leadhand-benchmark-") as name:
        columns = f" {'rows/s':>10} {'p50 ms':>10} {'p99 ms':>10} |" * 2
        print(f"{'rows per':>8} | {'SqliteStore':^32} | {'raw sqlite3':^32} | rows/s")
        print(f"{'commit':>8} |{columns}  ratio")
        for size in SIZES:
            ours, raw = await compare(Path(name), size, given.secs * 2)
            cells = [
                f"{times.per_sec() * size:>10,.0f} {times.ms(50):>10.2f} {times.ms(99):>10.2f}"
                for times in (ours, raw)
            ]
            ratio = ours.per_sec() / raw.per_sec()
            print(f"{size:>8} | {cells[0]} | {cells[1]} | {ratio:>6.2f}")
        rest = await measure_the_rest(Path(name), given.secs / 4)
        print_table("the rest, one after another", rest)
        busy = await measure_beside_a_busy_loop(Path(name), given.secs)
        print_table("beside a busy event loop", busy)


if __name__ == "__main__":
    asyncio.run(main())
