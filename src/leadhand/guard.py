"""Guard: starts the keeper of a run before its first child, and holds its pipe and its lock."""

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

from leadhand.errors import Bug, HarnessError
from leadhand.keeper import KEEPER_MARK, sweep
from leadhand.standstill import tidy_groups

LOCK_NAME = "keeper.lock"
LOCK_SECS = 30.0
CLOSE_SECS = 15.0
_POLL_SECS = 0.005


class Guard:
    """Who holds the keeper of a run. `folder` holds the keeper's lock."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self._run_id = run_id
        self._lock_path = folder / LOCK_NAME
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._starting = asyncio.Lock()
        self._closed = False

    async def ensure(self) -> None:
        """See that the keeper lives. Raises HarnessError where the run is closed."""
        async with self._starting:
            self.must_be_open()
            if self._keeper is not None:
                if self._keeper.poll() is None:
                    return
                os.close(self._pipe)
                self._keeper = None
            lock = await self._lock(LOCK_SECS)
            try:
                self._start(lock)
            finally:
                os.close(lock)

    def must_be_open(self) -> None:
        """Raise HarnessError where the run is closed."""
        if self._closed:
            raise HarnessError("The run is closed: no process is started.", retryable=False)

    async def adopt(self, timeout_secs: float) -> int:
        """Wait until the keeper of a dead owner is done, then sweep once more.

        Gives how many processes were still to kill. Raises HarnessError when the keeper does not
        end in time.
        """
        if self._keeper is not None:
            raise Bug("A run is adopted before its first child is started.")
        lock = await self._lock(timeout_secs)
        try:
            swept = await asyncio.to_thread(sweep, self._run_id)
            tidy_groups(self._run_id)
            return swept
        finally:
            os.close(lock)

    async def close(self) -> None:
        """Let the keeper kill what is left of the run, and end. It is started no more."""
        self._closed = True
        async with self._starting:
            keeper, self._keeper = self._keeper, None
            if keeper is not None:
                os.close(self._pipe)
                code = await _ended(keeper, CLOSE_SECS)
                if code != 0:
                    await asyncio.to_thread(sweep, self._run_id)

    def _start(self, lock: int) -> None:
        """Hand the lock over with the keeper's birth, so that it is never free in between."""
        # The keeper must not carry the mark of an outer run, whose sweep would kill it too early.
        passed = ("PATH", "LD_LIBRARY_PATH", "HOME")
        env = {name: os.environ[name] for name in passed if name in os.environ}
        read_end, write_end = os.pipe()
        program = str(Path(__file__).with_name("keeper.py"))
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", program, self._run_id, str(lock)],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                cwd="/",
                env=env | {KEEPER_MARK: self._run_id},
                start_new_session=True,
            )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        self._pipe = write_end

    async def _lock(self, timeout_secs: float) -> int:
        """The keeper's lock, as an open file."""
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for _ in range(max(1, round(timeout_secs / _POLL_SECS))):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(_POLL_SECS)
                else:
                    return lock
            raise HarnessError(
                f"The keeper of the run's last owner still holds {self._lock_path} after "
                f"{timeout_secs:.0f} s: its processes cannot be killed, or it is stopped."
            )
        except BaseException:
            os.close(lock)
            raise


async def _ended(keeper: subprocess.Popen[bytes], timeout_secs: float) -> int:
    """The exit code of a keeper, which is killed when it takes too long."""
    for _ in range(round(timeout_secs / _POLL_SECS)):
        code = keeper.poll()
        if code is not None:
            return code
        await asyncio.sleep(_POLL_SECS)
    keeper.kill()
    return keeper.wait()
