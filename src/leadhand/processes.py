"""Processes: the child processes of one run, marked, bounded, and swept when their owner dies.

No child is started before the run's keeper is, and each carries LEADHAND_RUN, LEADHAND_ACTOR and
LEADHAND_CALL. What a call leaves behind is killed when the call ends.
"""

import asyncio
import fcntl
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from leadhand.domain.variables import expanded
from leadhand.errors import Bug, HarnessError
from leadhand.keeper import KEEPER_MARK, RUN_MARK, kill_marked, sweep, ticks_now
from leadhand.spool import Drain, Spool
from leadhand.standstill import Freezer, Limit, tidy_groups

ACTOR_MARK = "LEADHAND_ACTOR"
CALL_MARK = "LEADHAND_CALL"
LOCK_NAME = "keeper.lock"
GRACE_SECS = 2.0
_REAP_SECS = 10.0
_LOCK_SECS = 30.0
_CLOSE_SECS = 15.0
_POLL_SECS = 0.005

# Everything else stays behind: an environment is full of keys under names nobody foresees.
_INHERITED = frozenset(
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TERM TZ TMPDIR "
    "SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS "
    "GIT_SSL_CAINFO GIT_SSL_CAPATH PIP_CERT CARGO_HTTP_CAINFO AWS_CA_BUNDLE".split()
)


class Finished(Struct, frozen=True):
    """How a command ended.

    exit_code: negative for the signal that ended it, None when we ended it. output: stdout and
    stderr as they came; where `dropped_bytes` of its middle were not kept, a line says so.
    total_bytes: all that was written.
    """

    exit_code: int | None
    output: bytes
    total_bytes: int
    dropped_bytes: int
    timed_out: bool
    duration_ms: int


def clean_environment(base: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """What a child may see of its parent's environment, and the manifest's own entries.

    Only names on a short list pass (PATH, HOME, language, certificates ...); no key does. An
    entry's ${LEADHAND_...} is read from the parent's environment here and nowhere before.
    """
    kept = {
        name: value for name, value in base.items() if name in _INHERITED or name.startswith("LC_")
    }
    kept.setdefault("PATH", os.defpath)
    return kept | {name: expanded(text, base, every=True) for name, text in extra.items()}


class _Doomed(NamedTuple):
    """A call whose processes have to go."""

    mark: str
    session: int
    since: int
    gone: asyncio.Future[None]


class _Call:
    """One command on its way."""

    def __init__(self, mark: str, actor_id: str, spool: Spool) -> None:
        self.mark, self.actor_id, self.spool = mark, actor_id, spool
        self.limit = Limit()
        self.since = ticks_now()
        self.process: asyncio.subprocess.Process | None = None
        self.drain: Drain | None = None
        self.output = b""
        self.dropped = 0

    @property
    def whole_mark(self) -> str:
        """What its processes carry."""
        return f"{CALL_MARK}={self.mark}"

    @property
    def session(self) -> int:
        """The session of its first process; 0 where there is none."""
        return self.process.pid if self.process is not None else 0


class Processes:
    """The child processes of one run. `folder` holds the keeper's lock."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self._lock_path = folder / LOCK_NAME
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._starting = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._doomed: list[_Doomed] = []
        self._killing: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._calls: dict[str, _Call] = {}
        self._freezer = Freezer(run_id)
        self._live = 0
        self._closed = False

    async def run(
        self,
        argv: Sequence[str],
        *,
        actor_id: str,
        cwd: Path,
        env: Mapping[str, str],
        timeout_secs: float,
        keep_bytes: int,
        stdin: int = subprocess.DEVNULL,
        with_errors: bool = True,
    ) -> Finished:
        """Run a command to its end, or until timeout_secs; then nothing of it is left.

        A command that leaves a child in the background is over when it exits; the child is
        killed. On timeout or cancellation the command is asked to end (SIGTERM), then killed.
        keep_bytes: how much of the output is kept, at most 16 MiB. with_errors: stderr is part of
        it. Raises OSError where the program cannot be started, HarnessError where the run is
        closed.
        """
        await self._ensure_keeper()
        mark = f"{os.getpid()}.{time.time_ns()}.{next(self._numbers)}"
        call = self._calls[mark] = _Call(mark, actor_id, Spool(keep_bytes))
        begun = time.monotonic()
        timed_out = False
        self._live += 1
        try:
            try:
                await self._start(call, argv, actor_id, cwd, env, stdin, with_errors)
                assert call.process is not None
                async with asyncio.timeout(timeout_secs) as call.limit.timeout:
                    await self._freezer.join(actor_id, call)
                    await call.process.wait()
            except TimeoutError:
                timed_out = True
            finally:
                call.limit.timeout = None
                await self._end(call)
        finally:
            self._live -= 1
            del self._calls[mark]
        assert call.process is not None
        return Finished(
            exit_code=None if timed_out else call.process.returncode,
            output=call.output,
            total_bytes=call.spool.total,
            dropped_bytes=call.dropped,
            timed_out=timed_out,
            duration_ms=round((time.monotonic() - begun) * 1000),
        )

    async def freeze(self, actor_id: str) -> None:
        """Let an actor's commands stand still, with all that they have started, and their time."""
        await self._freezer.freeze(actor_id, self._of(actor_id))

    async def thaw(self, actor_id: str) -> None:
        """Let an actor's commands go on."""
        await self._freezer.thaw(actor_id, self._of(actor_id))

    def _of(self, actor_id: str) -> list[_Call]:
        return [each for each in self._calls.values() if each.actor_id == actor_id]

    async def adopt(self, timeout_secs: float = _LOCK_SECS) -> int:
        """Wait until the keeper of a dead owner is done, then sweep once more.

        For a new owner, before its first child. Gives how many processes it still had to kill.
        Raises HarnessError when the keeper does not end in time.
        """
        if self._keeper is not None:
            raise Bug("A run is adopted before its first child is started.")
        lock = await self._lock(timeout_secs)
        try:
            swept = await asyncio.to_thread(sweep, self.run_id)
            tidy_groups(self.run_id)
            return swept
        finally:
            os.close(lock)

    async def close(self) -> None:
        """Kill what is left of this run and end its keeper. Nothing can be started after."""
        self._closed = True
        async with self._starting:
            keeper, self._keeper = self._keeper, None
            if keeper is not None:
                os.close(self._pipe)
                code = await _ended(keeper, _CLOSE_SECS)
                if code != 0:
                    await asyncio.to_thread(sweep, self.run_id)
        await self._freezer.close()
        for _ in range(round(_CLOSE_SECS / _POLL_SECS)):
            if self._live == 0 and not self._ending:
                break
            await asyncio.sleep(_POLL_SECS)

    async def _ensure_keeper(self) -> None:
        async with self._starting:
            if self._closed:
                raise HarnessError("The run is closed: no process is started.", retryable=False)
            if self._keeper is not None:
                if self._keeper.poll() is None:
                    return
                os.close(self._pipe)
                self._keeper = None
            lock = await self._lock(_LOCK_SECS)
            try:
                self._start_keeper(lock)
            finally:
                os.close(lock)

    def _start_keeper(self, lock: int) -> None:
        """Hand the lock over with the keeper's birth, so that it is never free in between."""
        # The keeper must not carry the mark of an outer run, whose sweep would kill it too early.
        passed = ("PATH", "LD_LIBRARY_PATH", "HOME")
        env = {name: os.environ[name] for name in passed if name in os.environ}
        read_end, write_end = os.pipe()
        program = str(Path(__file__).with_name("keeper.py"))
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", program, self.run_id, str(lock)],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                cwd="/",
                env=env | {KEEPER_MARK: self.run_id},
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

    async def _start(
        self,
        call: _Call,
        argv: Sequence[str],
        actor_id: str,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int,
        with_errors: bool,
    ) -> None:
        marks = {RUN_MARK: self.run_id, ACTOR_MARK: actor_id, CALL_MARK: call.mark}
        read_end, write_end = os.pipe()
        # The pipe is ours, not the transport's: a transport would wait for its last holder.
        call.drain = Drain(read_end, call.spool)
        try:
            start = asyncio.ensure_future(
                asyncio.create_subprocess_exec(
                    *argv,
                    stdin=stdin,
                    stdout=write_end,
                    stderr=write_end if with_errors else subprocess.DEVNULL,
                    cwd=cwd,
                    env={**env, **marks},
                    start_new_session=True,
                )
            )
            try:
                call.process = await asyncio.shield(start)
            except asyncio.CancelledError:
                # A birth is not cut in half: the child that it gives is ended like any other.
                with suppress(OSError):
                    call.process = await start
                raise
        finally:
            os.close(write_end)

    async def _end(self, call: _Call) -> None:
        """Leave nothing of a call, even when whoever waits for it is cancelled again."""
        task = asyncio.create_task(self._stop(call))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)

    async def _stop(self, call: _Call) -> None:
        process, drain = call.process, call.drain
        try:
            if process is not None and process.returncode is None:
                # What stands still does not hear that it shall end.
                await self.thaw(call.actor_id)
                await _ask_to_end(process)
            if drain is not None:
                drain.read_what_is_there()
            await self._kill(call)
            if process is not None and process.returncode is None:
                await _wait(process, _REAP_SECS)
            if drain is not None:
                await drain.rest()
            call.output, call.dropped = call.spool.read()
        finally:
            if drain is not None:
                drain.close()
            call.spool.close()

    async def _kill(self, call: _Call) -> None:
        """Kill what a call left. Calls that end together share one look through /proc."""
        gone = asyncio.get_running_loop().create_future()
        self._doomed.append(_Doomed(call.whole_mark, call.session, call.since, gone))
        if self._killing is None or self._killing.done():
            self._killing = asyncio.create_task(self._kill_doomed())
        await gone

    async def _kill_doomed(self) -> None:
        while self._doomed:
            batch, self._doomed = self._doomed, []
            marks = {doomed.mark for doomed in batch}
            sessions = {doomed.session for doomed in batch} - {0}
            try:
                since = min(doomed.since for doomed in batch)
                await asyncio.to_thread(kill_marked, marks, sessions, since)
            finally:
                for doomed in batch:
                    if not doomed.gone.done():
                        doomed.gone.set_result(None)


async def _ask_to_end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the group of a command that still runs, some grace, SIGKILL."""
    _signal_group(process, signal.SIGTERM)
    if not await _wait(process, GRACE_SECS):
        _signal_group(process, signal.SIGKILL)


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # A group's number is nobody else's while its leader waits to be reaped.
    if process.returncode is None:
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


async def _wait(process: asyncio.subprocess.Process, timeout_secs: float) -> bool:
    try:
        async with asyncio.timeout(timeout_secs):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _ended(keeper: subprocess.Popen[bytes], timeout_secs: float) -> int:
    """The exit code of a keeper, which is killed when it takes too long."""
    for _ in range(round(timeout_secs / _POLL_SECS)):
        code = keeper.poll()
        if code is not None:
            return code
        await asyncio.sleep(_POLL_SECS)
    keeper.kill()
    return keeper.wait()
