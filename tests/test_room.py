"""Room: agents start one after the other where there is memory for them, and say what they lack."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadhand.domain.ids import ActorId
from leadhand.room import (
    STARTS_MAX,
    NoRoom,
    Rooms,
    Taken,
    Wanted,
    free_mb,
    lacking,
    resident_mb,
)

W1 = ActorId("root/W1")
WANTED = Wanted(300, 500)


@pytest.mark.parametrize(
    ("taken", "lacks"),
    [
        (Taken(800, 0, 0, 0), ""),
        (Taken(799, 0, 0, 0), "memory: 799 MB are free, and an agent of 300 MB is to leave 500 MB"),
        (Taken(1_000, 300, 1, 5), "memory: 700 MB are free"),
        (Taken(10, 300, 1, 1), "memory: 0 MB are free"),
        (Taken(99_999, 0, STARTS_MAX, 9), f"its turn to start: {STARTS_MAX} agents start"),
        (Taken(99_999, 0, STARTS_MAX - 1, 9), ""),
    ],
)
def test_a_start_lacks_what_it_would_take_below_the_floor(taken: Taken, lacks: str) -> None:
    found = lacking(WANTED, taken)
    assert found.startswith(lacks)
    assert bool(found) == bool(lacks)


def test_a_number_of_processes_is_a_bound() -> None:
    wanted = Wanted(300, 500, processes_max=2)
    assert lacking(wanted, Taken(99_999, 0, 0, 1)) == ""
    assert lacking(wanted, Taken(99_999, 0, 0, 2)).startswith("an agent to end")


def test_many_who_start_at_once_do_not_look_at_the_same_memory() -> None:
    async def story() -> tuple[int, list[str]]:
        rooms, most, told = Rooms(lambda: 1_200), 0, []
        busy: set[int] = set()

        async def tell(why: str) -> None:
            told.append(why)

        async def one(number: int) -> None:
            nonlocal most
            async with rooms.place(W1, WANTED, 30, tell) as ready:
                busy.add(number)
                most = max(most, len(busy))
                await asyncio.sleep(0.01)
                busy.discard(number)
                ready()

        await asyncio.gather(*map(one, range(6)))
        return most, told

    most, told = asyncio.run(story())
    # Of 1,200 MB 500 stay free: that is room for two of 300 at a time.
    assert most == 2
    assert told
    assert all(each.startswith("memory: ") for each in told)


def test_who_waits_too_long_is_told_for_what() -> None:
    async def story() -> list[str]:
        told = []

        async def tell(why: str) -> None:
            told.append(why)

        async with Rooms(lambda: 0).place(W1, WANTED, 0.3, tell):
            raise AssertionError("there is no room")

    with pytest.raises(NoRoom, match=r"root/W1 could not start within 0.3 s: it waited for memory"):
        asyncio.run(story())


def test_a_place_is_given_back_whatever_happens() -> None:
    async def story() -> None:
        rooms, wanted = Rooms(lambda: 9_999), Wanted(300, 500, processes_max=1)

        async def tell(why: str) -> None:
            raise AssertionError(why)

        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with rooms.place(W1, wanted, 1, tell):
                    raise ZeroDivisionError

    asyncio.run(story())


def test_the_free_memory_is_that_of_the_narrowest_group(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2097152 kB\nOther:\n")
    assert free_mb(proc, groups) == 2_048
    (proc / "self" / "cgroup").write_text("0::/outer/inner\n")
    inner = groups / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("1\n")
    assert free_mb(proc, groups) == 2_048
    (inner.parent / "memory.max").write_text(f"{1024 * 1024 * 1024}\n")
    (inner.parent / "memory.current").write_text(f"{624 * 1024 * 1024}\n")
    assert free_mb(proc, groups) == 400
    assert free_mb() > 0


def test_what_a_process_and_its_children_take_is_seen() -> None:
    eat = "import sys, time; found = bytearray(80_000_000); print(1, flush=True); time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {eat!r}])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert resident_mb(process.pid) >= 80
        finally:
            for pid in (*children(process.pid), process.pid):
                subprocess.run(["kill", "-9", str(pid)], check=False)
    time.sleep(0.1)
    assert resident_mb(process.pid) == 0


def children(pid: int) -> list[int]:
    """The children of a process."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return list(map(int, found.split()))
