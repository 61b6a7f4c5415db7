"""Processes: the child processes of one run, marked, bounded, and swept when their owner dies.

No child is started before the run's keeper is, and each carries LEADHAND_RUN, LEADHAND_ACTOR and
LEADHAND_CALL. What a call leaves behind is killed when the call ends.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from leadhand.child import CALL_MARK, Child, Command
from leadhand.domain.variables import expanded
from leadhand.guard import CLOSE_SECS, LOCK_SECS, Guard
from leadhand.keeper import RUN_MARK, kill_marked
from leadhand.pipes import LINE_BYTES_MAX, Lines, Tail
from leadhand.spool import Spool
from leadhand.standstill import Freezer

ACTOR_MARK = "LEADHAND_ACTOR"
ERRORS_BYTES = 65_536
_REAP_SECS = 10.0
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


class Processes:
    """The child processes of one run. `folder` holds the keeper's lock."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self._guard = Guard(run_id, folder)
        self._numbers = itertools.count(1)
        self._doomed: list[_Doomed] = []
        self._killing: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Command] = {}
        self._freezer = Freezer(run_id)

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
        await self._guard.ensure()
        command = self._command(actor_id)
        spool = Spool(keep_bytes)
        begun = time.monotonic()
        timed_out = False
        try:
            try:
                out = command.drain(spool)
                errors = out if with_errors else subprocess.DEVNULL
                await self._start(command, argv, cwd, env, (stdin, out, errors))
                async with command.limit.running(timeout_secs):
                    await self._freezer.join(actor_id, command)
                    await command.first.wait()
            except TimeoutError:
                timed_out = True
            finally:
                await self._end(command)
            output, dropped = spool.read()
        finally:
            spool.close()
        return Finished(
            exit_code=None if timed_out else command.first.returncode,
            output=output,
            total_bytes=spool.total,
            dropped_bytes=dropped,
            timed_out=timed_out,
            duration_ms=round((time.monotonic() - begun) * 1000),
        )

    async def open(
        self,
        argv: Sequence[str],
        *,
        actor_id: str,
        cwd: Path,
        env: Mapping[str, str],
        line_bytes_max: int = LINE_BYTES_MAX,
        errors_bytes: int = ERRORS_BYTES,
    ) -> Child:
        """Start a child that is written to and read from while it lives; see `Child`.

        It lives until it exits, is ended, or the run is closed; then nothing that it started is
        left. Raises OSError where the program cannot be started, HarnessError where the run is
        closed.
        """
        await self._guard.ensure()
        command = self._command(actor_id)
        lines, tail = Lines(line_bytes_max), Tail(errors_bytes)
        try:
            out = command.drain(lines)
            lines.drain = command.drains[-1]
            errors = command.drain(tail)
            await self._start(command, argv, cwd, env, (command.feeding(), out, errors))
            await self._freezer.join(actor_id, command)
        except BaseException:
            await self._end(command)
            raise
        over = self._until_done(asyncio.create_task(self._watch(command)))
        return Child(command, lines, tail, over)

    async def freeze(self, actor_id: str) -> None:
        """Let an actor's commands stand still, with all that they have started, and their time."""
        await self._freezer.freeze(actor_id, self._of(actor_id))

    async def thaw(self, actor_id: str) -> None:
        """Let an actor's commands go on."""
        await self._freezer.thaw(actor_id, self._of(actor_id))

    def _of(self, actor_id: str) -> list[Command]:
        return [each for each in self._commands.values() if each.actor_id == actor_id]

    async def adopt(self, timeout_secs: float = LOCK_SECS) -> int:
        """Wait until the keeper of a dead owner is done, then sweep once more.

        For a new owner, before its first child. Gives how many processes it still had to kill.
        Raises HarnessError when the keeper does not end in time.
        """
        return await self._guard.adopt(timeout_secs)

    async def close(self) -> None:
        """Kill what is left of this run and end its keeper. Nothing can be started after."""
        await self._guard.close()
        await self._freezer.close()
        for _ in range(round(CLOSE_SECS / _POLL_SECS)):
            if not self._commands and not self._ending:
                break
            await asyncio.sleep(_POLL_SECS)

    def _command(self, actor_id: str) -> Command:
        mark = f"{os.getpid()}.{time.time_ns()}.{next(self._numbers)}"
        command = self._commands[mark] = Command(mark, actor_id)
        return command

    async def _start(
        self,
        command: Command,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        streams: tuple[int, int, int],
    ) -> None:
        """Start the first process of a command on these: its stdin, stdout and stderr."""
        marks = {RUN_MARK: self.run_id, ACTOR_MARK: command.actor_id, CALL_MARK: command.mark}
        try:
            start = asyncio.ensure_future(
                asyncio.create_subprocess_exec(
                    *argv,
                    stdin=streams[0],
                    stdout=streams[1],
                    stderr=streams[2],
                    cwd=cwd,
                    env={**env, **marks},
                    start_new_session=True,
                )
            )
            try:
                command.process = await asyncio.shield(start)
            except asyncio.CancelledError:
                # A birth is not cut in half: the child that it gives is ended like any other.
                with suppress(OSError):
                    command.process = await start
                raise
        finally:
            command.close_its_ends()
        # What is born while the run is closed may have been missed by the sweep.
        self._guard.must_be_open()

    async def _watch(self, command: Command) -> None:
        """See a child to its end, which it may be asked for."""
        exits = asyncio.create_task(command.first.wait())
        asked = asyncio.create_task(command.asked.wait())
        try:
            await asyncio.wait({exits, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            exits.cancel()
            asked.cancel()
            await self._stop(command)

    async def _end(self, command: Command) -> None:
        """Leave nothing of a command, even when whoever waits for it is cancelled again."""
        await asyncio.shield(self._until_done(asyncio.create_task(self._stop(command))))

    def _until_done(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _stop(self, command: Command) -> None:
        process = command.process
        try:
            if process is not None and process.returncode is None:
                # What stands still does not hear that it shall end.
                await self.thaw(command.actor_id)
                await _ask_to_end(process, command.grace_secs)
            for drain in command.drains:
                drain.read_what_is_there()
            await self._kill(command)
            if process is not None and process.returncode is None:
                await _wait(process, _REAP_SECS)
            for drain in command.drains:
                await drain.rest()
        finally:
            command.close()
            del self._commands[command.mark]

    async def _kill(self, command: Command) -> None:
        """Kill what a command left. Those that end together share one look through /proc."""
        gone = asyncio.get_running_loop().create_future()
        self._doomed.append(_Doomed(command.whole_mark, command.session, command.since, gone))
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


async def _ask_to_end(process: asyncio.subprocess.Process, grace_secs: float) -> None:
    """SIGTERM to the group of a command that still runs, some grace, SIGKILL."""
    _signal_group(process, signal.SIGTERM)
    if not await _wait(process, grace_secs):
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
