"""Standstill: lets processes stand still with all that they have started, and go on.

Each is stopped (SIGSTOP) until no new descendant shows. Where a cgroup of version 2 can be made
they then wait in one that is frozen (cgroup.freeze), so that nobody's SIGCONT wakes them; elsewhere
they stay stopped.
"""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from leadhand.keeper import Seen, send_signal, stop_marked

PREFIX = "leadhand."
FROZEN_SECS = 2.0
_POLL_SECS = 0.002


class Limit:
    """The time of a command, which stands still with it."""

    def __init__(self) -> None:
        self._left: dict[asyncio.Timeout, float | None] = {}
        self._held = False

    @asynccontextmanager
    async def running(self, secs: float) -> AsyncIterator[None]:
        """So long at most, not counting the time in which the command stands still."""
        async with asyncio.timeout(secs) as timeout:
            self._left[timeout] = None
            if self._held:
                self._stop(timeout)
            try:
                yield
            finally:
                del self._left[timeout]

    def hold(self) -> None:
        """Let it stand still."""
        self._held = True
        for timeout in self._left:
            self._stop(timeout)

    def release(self) -> None:
        """Let it go on."""
        self._held = False
        for timeout, left in self._left.items():
            if left is not None:
                timeout.reschedule(asyncio.get_running_loop().time() + left)
                self._left[timeout] = None

    def _stop(self, timeout: asyncio.Timeout) -> None:
        when = timeout.when()
        if when is not None and not timeout.expired():
            self._left[timeout] = when - asyncio.get_running_loop().time()
            timeout.reschedule(None)


class Command(Protocol):
    """A command whose processes can stand still: by what they carry, and since when (ticks)."""

    since: int
    limit: Limit

    @property
    def whole_mark(self) -> str:
        """What its processes carry."""
        ...

    @property
    def session(self) -> int:
        """The session of its first process; 0 where there is none."""
        ...


class Freezer:
    """Whose commands stand still, and what of them does."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._still: dict[str, list[Standing]] = {}
        self._turning = asyncio.Lock()
        self._numbers = itertools.count(1)

    async def freeze(self, actor_id: str, commands: Sequence[Command]) -> None:
        """Let an actor's commands stand still."""
        if actor_id not in self._still:
            self._still[actor_id] = []
            await self._hold(actor_id, commands)

    async def join(self, actor_id: str, command: Command) -> None:
        """Let a command that has just begun stand still, if those of its actor do."""
        if actor_id in self._still:
            await self._hold(actor_id, [command])

    async def thaw(self, actor_id: str, commands: Sequence[Command] = ()) -> None:
        """Let an actor's commands go on."""
        if actor_id not in self._still:
            return
        async with self._turning:
            for standing in self._still.pop(actor_id, ()):
                await asyncio.to_thread(go_on, standing)
        for command in commands:
            command.limit.release()

    async def close(self) -> None:
        """Let all go on."""
        for actor_id in [*self._still]:
            await self.thaw(actor_id)

    async def _hold(self, actor_id: str, commands: Sequence[Command]) -> None:
        async with self._turning:
            if not commands or actor_id not in self._still:
                return
            for command in commands:
                command.limit.hold()
            marks = {each.whole_mark for each in commands}
            sessions = {each.session for each in commands} - {0}
            since = min(each.since for each in commands)
            name = f"{self._run_id}.{os.getpid()}.{next(self._numbers)}"
            standing = await asyncio.to_thread(stand_still, marks, sessions, since, name)
            self._still[actor_id].append(standing)


class Standing(Struct, frozen=True):
    """Processes that stand still. group: the frozen cgroup that they are in, if they are."""

    processes: tuple[Seen, ...]
    group: Path | None = None


def stand_still(
    marks: Collection[str], sessions: Collection[int], since: int, name: str
) -> Standing:
    """Let what carries a mark (NAME=value) or is in a session stand still, and its descendants.

    since: as for `keeper.kill_marked`. name: makes the cgroup's name, unique on this machine.
    """
    stopped = stop_marked(marks, sessions, since)
    group = None
    if stopped:
        with suppress(OSError):
            group = frozen_group(name, stopped)
    if group is not None:
        for each in stopped:
            send_signal(each, signal.SIGCONT)
    return Standing(tuple(stopped), group)


def go_on(standing: Standing) -> None:
    """Let processes go on that stand still; what has ended meanwhile is passed over."""
    if standing.group is not None:
        with suppress(OSError):
            dissolve(standing.group)
    for each in standing.processes:
        send_signal(each, signal.SIGCONT)


def frozen_group(name: str, processes: Collection[Seen]) -> Path | None:
    """A frozen cgroup with these processes; None where one is not ours to move. Raises OSError
    where none can be made; then all is as it was."""
    own = own_group()
    if own is None:
        return None
    home = own_path("/proc/self/cgroup")
    if any(own_path(f"/proc/{each.pid}/cgroup") not in (home, "") for each in processes):
        return None
    group = own / f"{PREFIX}{name}"
    group.mkdir()
    try:
        for each in processes:
            with suppress(ProcessLookupError):
                (group / "cgroup.procs").write_text(str(each.pid))
        (group / "cgroup.freeze").write_text("1")
        deadline = time.monotonic() + FROZEN_SECS
        while "frozen 1" not in (group / "cgroup.events").read_text():
            if time.monotonic() > deadline:
                raise TimeoutError("the cgroup does not freeze")
            time.sleep(_POLL_SECS)
    except OSError:
        with suppress(OSError):
            dissolve(group)
        raise
    return group


def dissolve(group: Path) -> None:
    """Let the processes of a group go on where they were, and remove it. Raises OSError."""
    with suppress(FileNotFoundError):
        (group / "cgroup.freeze").write_text("0")
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(pid)
        deadline = time.monotonic() + FROZEN_SECS
        while True:
            try:
                group.rmdir()
            except OSError:
                # One that is ending leaves it a moment later.
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECS)
            else:
                return


def tidy_groups(run_id: str) -> None:
    """Remove the groups that a dead owner of a run has left; nobody is in them any more."""
    own = own_group()
    if own is not None:
        with suppress(OSError):
            for group in [*own.glob(f"{PREFIX}{run_id}.*")]:
                dissolve(group)


def own_group() -> Path | None:
    """The folder of this process's own cgroup, where there are cgroups of version 2 and it may
    make more."""
    path = own_path("/proc/self/cgroup")
    for root, mount in mounts():
        if path == root or path.startswith(root.rstrip("/") + "/"):
            group = Path(mount + path.removeprefix(root.rstrip("/")))
            if (group / "cgroup.procs").exists() and os.access(group, os.W_OK):
                return group
    return None


def own_path(file: str) -> str:
    """The path of a process in the hierarchy of version 2; empty where there is none."""
    with suppress(OSError):
        for line in Path(file).read_text().splitlines():
            if line.startswith("0::"):
                return line.removeprefix("0::")
    return ""


def mounts() -> Iterator[tuple[str, str]]:
    """Where the hierarchy of version 2 is mounted: the root of the mount in it, and the place."""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place, _, kind = line.partition(" - ")
            if kind.split(" ", 1)[0] == "cgroup2":
                fields = place.split(" ")
                yield fields[3], fields[4]
