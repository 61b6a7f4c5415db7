"""Pipes: our ends of a child's stdin, stdout and stderr, which never block and never grow.

They are ours and no transport's: a transport would wait until the last holder has closed the other
end, who may be a stranger that the child started.
"""

import asyncio
import os
from collections import deque
from typing import Protocol

from leadhand.errors import HarnessError

LINE_BYTES_MAX = 67_108_864
_DRAIN_SECS = 0.25
_READ_BYTES = 65_536
_PIPE_MAX_BYTES = 1_048_576
_AHEAD_BYTES = 1_048_576
# What a line costs beside its bytes, so that empty ones are not for nothing.
_LINE_COST = 64


class Sink(Protocol):
    """Where what a pipe gives goes."""

    def write(self, data: bytes) -> None:
        """Take the next bytes; none at its end."""
        ...


class Drain:
    """The read end of a pipe, read as it comes whether or not anyone waits."""

    def __init__(self, fd: int, sink: Sink) -> None:
        self._fd, self._sink = fd, sink
        self._loop = asyncio.get_running_loop()
        self._held = self._ending = False
        self.ended = asyncio.Event()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self.read)

    def hold(self) -> None:
        """Read nothing for now: the child waits once its pipe is full."""
        if not self._held and not self._ending and not self.ended.is_set():
            self._held = True
            self._loop.remove_reader(self._fd)

    def go_on(self) -> None:
        """Read again."""
        if self._held and not self.ended.is_set():
            self._held = False
            self._loop.add_reader(self._fd, self.read)

    def read(self) -> bool:
        """Read once; False when there is nothing now."""
        if self.ended.is_set():
            return False
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._sink.write(data)
        else:
            self.close()
        return bool(data)

    def read_what_is_there(self) -> None:
        """Read what a pipe can hold, and no more where its writers go on; it is held no more."""
        self._ending = True
        self.go_on()
        for _ in range(_PIPE_MAX_BYTES // _READ_BYTES):
            if not self.read():
                return

    async def rest(self) -> None:
        """Read to the end, or for a moment where someone out of reach holds the other end."""
        try:
            async with asyncio.timeout(_DRAIN_SECS):
                await self.ended.wait()
        except TimeoutError:
            self.close()

    def close(self) -> None:
        """Read no more."""
        if not self.ended.is_set():
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self.ended.set()
            self._sink.write(b"")


class Lines:
    """A pipe's lines, one after the other, however long the child waits for them to be read."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._part = bytearray()
        # None stands for a line that was too long.
        self._whole: deque[bytes | None] = deque()
        self._unread = 0
        self._skipping = self._ended = False
        self._news = asyncio.Event()
        self.drain: Drain | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes; none at its end."""
        if not data:
            self._ended = True
            if self._part or self._skipping:
                self._finish()
        else:
            first, *others = data.split(b"\n")
            self._grow(first)
            for other in others:
                self._finish()
                self._grow(other)
        if self._whole or self._ended:
            self._news.set()
        if self._unread > _AHEAD_BYTES and self.drain is not None:
            self.drain.hold()

    async def read(self) -> bytes | None:
        """The next line, without its end; the last may have had none. None when there is none any
        more. Raises HarnessError in place of a line that is too long, and goes on after it."""
        while not self._whole:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        line = self._whole.popleft()
        self._unread -= len(line or b"") + _LINE_COST
        if self._unread <= _AHEAD_BYTES // 2 and self.drain is not None:
            self.drain.go_on()
        if line is None:
            raise HarnessError(
                f"A line of more than {self._bytes_max} bytes was written and passed over.",
                retryable=False,
            )
        return line

    def _grow(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._part) + len(piece) > self._bytes_max:
            self._skipping, self._part = True, bytearray()
        else:
            self._part += piece

    def _finish(self) -> None:
        line = None if self._skipping else bytes(self._part)
        self._whole.append(line)
        self._unread += len(line or b"") + _LINE_COST
        self._skipping, self._part = False, bytearray()


class Tail:
    """The last bytes of a pipe."""

    def __init__(self, keep: int) -> None:
        self._keep = max(1, keep)
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data
        if len(self._data) > 2 * self._keep + _READ_BYTES:
            del self._data[: -self._keep]

    @property
    def text(self) -> str:
        """What they say."""
        return bytes(self._data[-self._keep :]).decode(errors="replace")


class Feed:
    """The write end of a child's stdin, written as it is read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")
        self._turn = asyncio.Lock()
        self._clear = asyncio.Event()
        self._clear.set()
        self.closed = False
        os.set_blocking(fd, False)

    async def write(self, data: bytes) -> None:
        """Write it all. Where its waiter is cancelled the rest is written all the same: half a
        line would spoil the next. Raises HarnessError where nobody reads any more."""
        async with self._turn:
            await self._clear.wait()
            self._must_be_open()
            self._rest = memoryview(data)
            self._push()
            if self._rest:
                self._clear.clear()
                self._loop.add_writer(self._fd, self._push)
            await self._clear.wait()
            self._must_be_open()

    def _must_be_open(self) -> None:
        if self.closed:
            raise HarnessError("The child's stdin is closed: it ended, or reads no more.")

    def _push(self) -> None:
        try:
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not self._rest and not self._clear.is_set():
            self._loop.remove_writer(self._fd)
            self._clear.set()

    def close(self) -> None:
        """Write no more, and let the child see the end."""
        if not self.closed:
            self.closed = True
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._rest = memoryview(b"")
            self._clear.set()
