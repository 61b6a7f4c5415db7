"""Child: a process that lives on, written to and read from; and what every command is."""

import asyncio
import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from leadhand.errors import Bug, HarnessError
from leadhand.keeper import ticks_now
from leadhand.pipes import Drain, Feed, Lines, Sink, Tail
from leadhand.standstill import Limit

CALL_MARK = "LEADHAND_CALL"
GRACE_SECS = 2.0
WRITE_SECS = 30.0


class Command:
    """One command on its way: its marks, its first process, and our ends of its pipes."""

    def __init__(self, mark: str, actor_id: str) -> None:
        self.mark, self.actor_id = mark, actor_id
        self.limit = Limit()
        self.since = ticks_now()
        self.process: asyncio.subprocess.Process | None = None
        self.drains: list[Drain] = []
        self.feed: Feed | None = None
        self.asked = asyncio.Event()
        self.grace_secs = GRACE_SECS
        self._its_ends: list[int] = []

    @property
    def whole_mark(self) -> str:
        """What its processes carry."""
        return f"{CALL_MARK}={self.mark}"

    @property
    def session(self) -> int:
        """The session of its first process; 0 where there is none."""
        return self.process.pid if self.process is not None else 0

    @property
    def first(self) -> asyncio.subprocess.Process:
        """Its first process, which has been started."""
        if self.process is None:
            raise Bug("A command has no process before it is started.")
        return self.process

    def drain(self, sink: Sink) -> int:
        """A pipe whose words go to a sink: the end that the process writes to."""
        read_end, write_end = os.pipe()
        self._its_ends.append(write_end)
        self.drains.append(Drain(read_end, sink))
        return write_end

    def feeding(self) -> int:
        """A pipe that the process is written through: the end that it reads."""
        read_end, write_end = os.pipe()
        self._its_ends.append(read_end)
        self.feed = Feed(write_end)
        return read_end

    def close_its_ends(self) -> None:
        """Leave the process's ends of the pipes to the process."""
        while self._its_ends:
            os.close(self._its_ends.pop())

    def close(self) -> None:
        """Close all that is open."""
        self.close_its_ends()
        for drain in self.drains:
            drain.close()
        if self.feed is not None:
            self.feed.close()


class Child:
    """A process that lives on. Used in `async with`, it is ended with the block.

    When it exits, for whatever reason, all that it started is killed.
    """

    def __init__(
        self, command: Command, lines: Lines, tail: Tail, over: "asyncio.Task[None]"
    ) -> None:
        self._command, self._lines, self._tail, self._over = command, lines, tail, over

    @property
    def pid(self) -> int:
        """Of its first process, which leads a session of its own."""
        return self._command.first.pid

    @property
    def returncode(self) -> int | None:
        """How it ended: negative for a signal; None while it lives."""
        return self._command.first.returncode

    @property
    def errors(self) -> str:
        """The last that it wrote to stderr."""
        return self._tail.text

    async def write(self, data: bytes, timeout_secs: float = WRITE_SECS) -> None:
        """Write to its stdin, and wait until all of it is taken into the pipe.

        Time in which the child stands still does not count. Raises HarnessError where it does not
        read in time (a part may then be in its pipe, the rest follows when it reads), or no more.
        """
        feed = self._command.feed
        assert feed is not None
        try:
            async with self._command.limit.running(timeout_secs):
                await feed.write(data)
        except TimeoutError as error:
            raise HarnessError(
                f"The child did not read its stdin for {timeout_secs:g} s."
            ) from error

    def close_stdin(self) -> None:
        """Let it read the end of its stdin. What was not taken yet is lost."""
        if self._command.feed is not None:
            self._command.feed.close()

    async def readline(self) -> bytes | None:
        """The next line of its stdout, without its end; None when there is none any more.

        It may live on after that. What it wrote before it ended is still given. Raises HarnessError
        once in place of each line that is longer than is allowed, and goes on after it.
        """
        return await self._lines.read()

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of its stdout; see `readline`."""
        while (line := await self.readline()) is not None:
            yield line

    async def wait(self) -> int | None:
        """Wait until nothing is left of it; gives its return code."""
        await asyncio.shield(self._over)
        return self.returncode

    async def end(self, grace_secs: float = GRACE_SECS) -> int | None:
        """Close its stdin, ask it to end (SIGTERM), and after some grace kill it.

        When this returns, or is cancelled and a moment has passed, nothing of it is left. Gives its
        return code.
        """
        self.close_stdin()
        self._command.grace_secs = grace_secs
        self._command.asked.set()
        return await self.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end()
