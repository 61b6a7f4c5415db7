"""Conductor: lets the world do what is due, and tells the engine what the world did."""

import asyncio
import gc
import heapq
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain.due import affected, due, timers
from leadhand.domain.ids import ActorId
from leadhand.domain.rules.run import over
from leadhand.engine.engine import Engine
from leadhand.engine.log import Stamped
from leadhand.errors import Bug, StoreError, WorkspaceError
from leadhand.refusals import Refused

FULL_PASS_MS = 60_000
PARKED_SECS = 60.0
END_SECS = 5.0
NEW_OBJECTS_MAX = 50_000

Session = Callable[[ActorId], Coroutine[Any, Any, None]]
# Lets an actor's commands stand still (True) or go on (False).
Still = Callable[[ActorId, bool], Coroutine[Any, Any, None]]
# Removes a settled actor's workspace, or says why it stays.
Tidy = Callable[[ActorId], Coroutine[Any, Any, str]]


async def nothing_to_check(actor: ActorId) -> None:
    """Checks where no actor's work is to be."""
    raise Bug(f"{actor} has nothing to check")


async def nothing_to_tidy(actor: ActorId) -> str:
    """Tidies up where no actor has a workspace of its own."""
    raise Bug(f"{actor} has no workspace")


async def nothing_to_still(actor: ActorId, frozen: bool) -> None:
    """Freezes where no actor has commands."""


class Conductor:
    """Performs the effects of one run until it is finished or suspended."""

    def __init__(
        self,
        engine: Engine,
        session: Session,
        tidy: Tidy = nothing_to_tidy,
        still: Still = nothing_to_still,
        check: Session = nothing_to_check,
    ) -> None:
        """check: finds out whether what an actor claims holds; ended and repeated as a session."""
        self._engine, self._session, self._tidy, self._still = engine, session, tidy, still
        self._check = check
        # Whose commands stand still, or are about to; and the last change of each on its way.
        self._frozen: dict[ActorId, None] = {}
        self._stilling: dict[ActorId, asyncio.Task[None]] = {}
        self._sessions: dict[ActorId, asyncio.Task[None]] = {}
        self._tidying: dict[ActorId, asyncio.Task[None]] = {}
        self._stopping: set[ActorId] = set()
        # A dict for a set: what is due is performed in the same order in every process.
        self._touched: dict[ActorId, None] = {}
        self._timers: list[tuple[int, str]] = []
        self._scheduled: dict[str, int] = {}
        self._next_full_pass = 0
        self._wake = asyncio.Event()
        self._suspending = self._leaving = False
        engine.listen(self._heard)

    def suspend(self) -> None:
        """End every session, settle nothing, and let `run` return."""
        self._suspending = True
        self._wake.set()

    async def run(self) -> bool:
        """Go on until the run is finished (True) or suspended (False). Raises StoreError."""
        with rare_collections():
            try:
                return await self._go_on()
            finally:
                await self._end_sessions()

    async def _go_on(self) -> bool:
        while not self._suspending:
            self._wake.clear()
            await self._step()
            if over(self._engine.run) and not self._sessions:
                await self._engine.flush()
                return True
            if not self._suspending:
                await self._sleep()
        return False

    async def _step(self) -> None:
        now = self._engine.now()
        while self._timers and self._timers[0][0] <= now.run_ms:
            instant, name = heapq.heappop(self._timers)
            if self._scheduled.get(name) == instant:
                del self._scheduled[name]
                self._touched[ActorId(name)] = None
        full = now.run_ms >= self._next_full_pass
        if full:
            self._next_full_pass = now.run_ms + FULL_PASS_MS
        touched, self._touched = self._touched, {}
        alive, frozen = self._sessions.keys(), self._frozen.keys()
        effects = due(self._engine.run, alive, now, None if full else touched, frozen)
        for actor in [*self._engine.run.actors] if full else touched:
            self._schedule(actor, timers(self._engine.run, actor), now.run_ms)
        self._schedule("", timers(self._engine.run, None), now.run_ms)
        if effects:
            await self._engine.flush()
            for effect in effects:
                await self._perform(effect)

    def _schedule(self, name: str, instants: Iterator[int], now_ms: int) -> None:
        """Keep the next instant of an actor, or of the run; an earlier one replaces it."""
        coming = min((instant for instant in instants if instant > now_ms), default=None)
        if coming is not None and coming < self._scheduled.get(name, coming + 1):
            self._scheduled[name] = coming
            heapq.heappush(self._timers, (coming, name))

    async def _sleep(self) -> None:
        until = self._next_full_pass
        if self._timers:
            until = min(until, self._timers[0][0])
        now, parked = self._engine.now(), self._engine.run.parked
        seconds = max(0.0, (until - now.run_ms) / 1000)
        if parked is not None:
            # Only the wall clock goes on, and may be moved.
            goes_on = parked.until and self._engine.run.drain_until is None
            left = (parked.until - now.wall_ms) / 1000 if goes_on else PARKED_SECS
            seconds = min(max(0.0, left), PARKED_SECS)
        if self._engine.failure is not None:
            raise StoreError(self._engine.failure.message)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + 0.001):
                await self._wake.wait()

    async def _perform(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Launch(actor):
                # One that goes on while its workspace is tidied up begins when that is done.
                if actor not in self._tidying:
                    self._start(actor, self._session, "session")
            case fx.Check(actor):
                self._start(actor, self._check, "checks")
            case fx.Stop(actor):
                if actor in self._sessions and actor not in self._stopping:
                    self._stopping.add(actor)
                    self._sessions[actor].cancel()
            case fx.Freeze(actor):
                self._frozen[actor] = None
                self._change(actor, frozen=True)
            case fx.Thaw(actor):
                self._frozen.pop(actor, None)
                self._change(actor, frozen=False)
            case fx.Tidy(actor):
                if actor not in self._tidying:
                    task = asyncio.create_task(self._tidied(actor), name=f"tidying {actor}")
                    self._tidying[actor] = task
                    task.add_done_callback(lambda task: self._tidied_up(actor))
            case fx.Submit(command):
                with suppress(Refused):
                    await self._engine.submit(command)
            case fx.Suspend():
                self.suspend()

    def _change(self, actor: ActorId, *, frozen: bool) -> None:
        """Let an actor's commands stand still or go on, after what was asked of it before."""
        before = self._stilling.get(actor)

        async def change() -> None:
            if before is not None:
                await asyncio.wait([before])
            # What cannot be stopped goes on, as it would have without us.
            with suppress(OSError):
                await self._still(actor, frozen)

        task = asyncio.create_task(change(), name=f"standing still: {actor}")
        self._stilling[actor] = task
        task.add_done_callback(lambda task: self._changed(actor, task))

    def _changed(self, actor: ActorId, task: asyncio.Task[None]) -> None:
        if self._stilling.get(actor) is task:
            del self._stilling[actor]

    def _start(self, actor: ActorId, deed: Session, what: str) -> None:
        if actor not in self._sessions:
            task = asyncio.create_task(self._attempt(actor, deed, what), name=f"{what} {actor}")
            self._sessions[actor] = task
            # Also called for one that was cancelled before its first step.
            task.add_done_callback(lambda task: self._ended(actor))

    async def _attempt(self, actor: ActorId, deed: Session, what: str) -> None:
        """Run one session, or the checks after it; whatever they raise is a crash of their own,
        nobody else's."""
        error = f"its {what} ended without a result"
        begun = self._engine.run.actors.get(actor)
        try:
            await deed(actor)
        except asyncio.CancelledError:
            error = f"its {what} was cancelled from within"
        except Exception as raised:  # noqa: BLE001 (the harness may be anybody's code)
            cause = first_cause(raised)
            error = said(cause)
        one = self._engine.run.actors.get(actor)
        if one is None or one is not begun:
            # It has settled, and may have begun another stint meanwhile.
            return
        # Whom a Stop cancels is ending or halting; the session of a claimed one is over.
        # `Task.cancelling` would not do: before 3.13 a broken TaskGroup leaves it raised.
        claimed = deed is not self._check and one.duty.claimed_at is not None
        meant = one.ending is not None or one.halting or claimed
        if not self._leaving and not meant:
            with suppress(StoreError):
                await self._engine.submit(c.RecordCrash(actor, error))

    async def _tidied(self, actor: ActorId) -> None:
        """Tidy up after an actor; what goes wrong in that leaves its workspace as it is."""
        try:
            why = await self._tidy(actor)
        except Exception as raised:  # noqa: BLE001 (nothing of it may hold up the end of the run)
            cause = first_cause(raised)
            why = f"it could not be removed: {said(cause)}"
        with suppress(StoreError):
            await self._engine.submit(c.RecordTidied(actor, why))

    def _tidied_up(self, actor: ActorId) -> None:
        self._tidying.pop(actor, None)
        self._touched[actor] = None
        self._wake.set()

    def _ended(self, actor: ActorId) -> None:
        self._sessions.pop(actor, None)
        self._stopping.discard(actor)
        self._touched[actor] = None
        self._wake.set()

    async def _end_sessions(self) -> None:
        self._leaving = True
        while tasks := [*self._sessions.values(), *self._tidying.values()]:
            for task in tasks:
                task.cancel()
            # One that does not hear is told again.
            await asyncio.wait(tasks, timeout=END_SECS)
            await asyncio.sleep(0)
        if self._stilling:
            await asyncio.wait([*self._stilling.values()], timeout=END_SECS)

    def _heard(self, events: Sequence[Stamped]) -> None:
        for stamped in events:
            if stamped.event.actor:
                self._touched |= dict.fromkeys(affected(self._engine.run, stamped.event.actor))
        self._wake.set()


def said(error: BaseException) -> str:
    """An error in words; what we say ourselves needs no name."""
    return str(error) if isinstance(error, WorkspaceError) else f"{type(error).__name__}: {error}"


def first_cause(error: BaseException) -> BaseException:
    """The first error of a group, which says more than the group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the interpreter look for garbage in cycles less often while a run goes on."""
    # A turn makes many small objects and few cycles. At Python's own threshold (700) a quarter of
    # the time of a thousand actors went into looking at them again and again, at 10,000 a tenth.
    before = gc.get_threshold()
    if not 0 < before[0] < NEW_OBJECTS_MAX:
        yield
        return
    gc.set_threshold(NEW_OBJECTS_MAX, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
