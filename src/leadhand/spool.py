"""Spool: the output of a command, read as it comes and kept within a bound."""

import asyncio
import os
import tempfile

KEEP_BYTES_MAX = 16_777_216
_DRAIN_SECS = 0.25
_READ_BYTES = 65_536
_PIPE_MAX_BYTES = 1_048_576
_IN_MEMORY_BYTES = 262_144


class Spool:
    """The output of a command: its first and last bytes up to `keep`, in a nameless file."""

    def __init__(self, keep: int) -> None:
        self.total = 0
        self._keep = max(2, min(keep, KEEP_BYTES_MAX))
        self._half = self._keep // 2
        self._full = False
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Take the next bytes. A full disk drops them."""
        view = memoryview(data)
        while view:
            at, ring = self.total, self._keep - self._half
            place = at if at < self._half else self._half + (at - self._half) % ring
            room = (self._half if at < self._half else self._keep) - place
            self._put(place, view[:room])
            self.total += len(view[:room])
            view = view[room:]

    def _put(self, place: int, data: memoryview) -> None:
        try:
            self._file.seek(place)
            self._file.write(data)
        except OSError:
            self._full = True

    def read(self) -> tuple[bytes, int]:
        """What was kept, and how many bytes of its middle were not."""
        if self._full:
            note = b"[the output was lost: the disk for temporary files is full]\n"
            return note, self.total
        self._file.seek(0)
        kept = self._file.read()
        dropped = self.total - len(kept)
        if dropped <= 0:
            return kept, 0
        cut = self._half + (self.total - self._half) % (self._keep - self._half)
        note = f"\n[... {dropped} bytes were dropped here ...]\n".encode()
        return kept[: self._half] + note + kept[cut:] + kept[self._half : cut], dropped

    def close(self) -> None:
        """Forget it all."""
        self._file.close()


class Drain:
    """The read end of a command's output, read as it comes whether or not anyone waits."""

    def __init__(self, fd: int, spool: Spool) -> None:
        self._fd, self._spool = fd, spool
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self.read)

    def read(self) -> bool:
        """Read once; False when there is nothing now."""
        if self.ended.is_set():
            return False
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return False
        self._spool.write(data)
        if not data:
            self.close()
        return bool(data)

    def read_what_is_there(self) -> None:
        """Read what a pipe can hold, and no more where its writers go on."""
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
