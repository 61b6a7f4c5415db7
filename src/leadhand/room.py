"""Room: whether this machine has room for one more agent's process, and who is waiting for it.

Law: no agent is started below the floor of free memory. What one is expected to take counts as
taken from the moment it may start until it is ready, so that many do not look at the same memory.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from leadhand.domain.ids import ActorId

# How many agents may be starting at a time: each takes about a second of a core.
STARTS_MAX = 4
LOOK_SECS = 0.2
MB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")

Told = Callable[[str], Awaitable[None]]


class NoRoom(Exception):
    """There was no room in time. Its text says what there was too little of."""


class Wanted(Struct, frozen=True):
    """What a start asks for. expected_mb: what the process is expected to take. floor_mb: what is
    to stay free; processes_max: of agents at a time, if that is bounded."""

    expected_mb: int
    floor_mb: int
    processes_max: int | None = None


class Taken(Struct, frozen=True):
    """What is taken already. free_mb: memory that is free now; promised_mb: to agents that are
    starting; starting, running: agents."""

    free_mb: int
    promised_mb: int
    starting: int
    running: int


def lacking(wanted: Wanted, taken: Taken) -> str:
    """What a start lacks, in words; empty where it may go ahead."""
    if wanted.processes_max is not None and taken.running >= wanted.processes_max:
        return f"an agent to end: max_agent_processes lets {wanted.processes_max} run at a time"
    if taken.starting >= STARTS_MAX:
        return f"its turn to start: {STARTS_MAX} agents start at a time"
    need = wanted.expected_mb + wanted.floor_mb
    free = taken.free_mb - taken.promised_mb
    if free < need:
        return (
            f"memory: {max(0, free):,} MB are free, and an agent of {wanted.expected_mb:,} MB is "
            f"to leave {wanted.floor_mb:,} MB"
        )
    return ""


class Rooms:
    """The room of this machine, as the runs of this process share it."""

    def __init__(self, free_mb: Callable[[], int]) -> None:
        self._free_mb = free_mb
        self._starting: dict[object, int] = {}
        self._running = 0

    @asynccontextmanager
    async def place(
        self, actor: ActorId, wanted: Wanted, secs: float, told: Told
    ) -> AsyncIterator[Callable[[], None]]:
        """A place for an agent's process, while it is entered; gives what is to be called once it
        is ready. told: is given what it waits for, whenever that is something else. Raises NoRoom
        after so many seconds."""
        await self._enter(actor, wanted, secs, told)
        one = object()
        self._running += 1
        self._starting[one] = wanted.expected_mb
        try:
            # From then on what it takes is seen in what is free.
            yield lambda: self._ready(one)
        finally:
            self._starting.pop(one, None)
            self._running -= 1

    def _ready(self, one: object) -> None:
        self._starting.pop(one, None)

    async def _enter(self, actor: ActorId, wanted: Wanted, secs: float, told: Told) -> None:
        loop = asyncio.get_running_loop()
        end, said = loop.time() + secs, ""
        while lacks := lacking(wanted, self._taken()):
            kind = lacks.partition(":")[0]
            if kind != said:
                said = kind
                await told(lacks)
                continue
            if loop.time() >= end:
                raise NoRoom(f"{actor} could not start within {secs:g} s: it waited for {lacks}")
            await asyncio.sleep(LOOK_SECS)

    def _taken(self) -> Taken:
        promised = sum(self._starting.values())
        return Taken(self._free_mb(), promised, len(self._starting), self._running)


def free_mb(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """The memory that may be taken now without pushing others out: of the machine, or of the
    control group of this process, where that is less."""
    lines = (proc / "meminfo").read_text().splitlines()
    found = {name: int(rest.split()[0]) // 1024 for name, _, rest in _pairs(lines)}
    free = found.get("MemAvailable", 0)
    for limit, used in _groups(proc, cgroup):
        free = min(free, max(0, limit - used) // MB)
    return free


def _pairs(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    for line in lines:
        name, colon, rest = line.partition(":")
        if rest.split():
            yield name, colon, rest


def _groups(proc: Path, cgroup: Path) -> Iterator[tuple[int, int]]:
    """The limits of this process's control group and those above it, with what they use."""
    try:
        own = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    path = next((line[3:] for line in own if line.startswith("0::")), "")
    folder = cgroup / path.lstrip("/")
    while folder.is_relative_to(cgroup):
        try:
            limit = (folder / "memory.max").read_text().strip()
            used = int((folder / "memory.current").read_text())
            if limit != "max":
                yield int(limit), used
        except (OSError, ValueError):
            pass
        if folder == cgroup:
            return
        folder = folder.parent


def resident_mb(pid: int, proc: Path = Path("/proc")) -> int:
    """The memory that a process and those that it started take. What has left its parents is not
    seen."""
    total, left = 0, [pid]
    for each in left:
        try:
            pages = int((proc / str(each) / "statm").read_text().split()[1])
            total += pages * PAGE
            for task in (proc / str(each) / "task").iterdir():
                left += map(int, (task / "children").read_text().split())
        except (OSError, ValueError, IndexError):
            continue
    return total // MB
