"""Courier: tells each sink what the log says it is to be told, one notice after another.

Law: no sink holds up or fails a run, and what is told is durable first. What was sent and not
recorded is sent again, by the same id.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.state import Pending
from leadhand.engine.engine import Engine
from leadhand.engine.log import Stamped
from leadhand.errors import NotifyError, StoreError
from leadhand.notifier import Notice, Notifier
from leadhand.views.notice import notice

SEND_SECS = 10.0
# A run that ends waits so long for its last notices; what is left is its next owner's.
END_SECS = 3.0
BACKOFF_SECS, BACKOFF_MAX_SECS = 1.0, 600.0


class Made(Protocol):
    """Gives the notifier of a sink by its number. Raises NotifyError where it cannot be told."""

    def __call__(self, sink: int) -> Notifier: ...


class Courier:
    """The sinks of one run. Use: `start`, and `close` when the run is over or let go of."""

    def __init__(
        self,
        engine: Engine,
        made: Made,
        clean: Callable[[Notice], Notice],
        *,
        backoff_secs: float = BACKOFF_SECS,
        send_secs: float = SEND_SECS,
    ) -> None:
        """clean: takes secrets out of what is told."""
        self._engine, self._made, self._clean = engine, made, clean
        self._backoff_secs, self._send_secs = backoff_secs, send_secs
        self._rounds: list[_Round] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Tell from now on."""
        manifest = self._engine.run.manifest
        for number in range(len(manifest.notifications) if manifest else 0):
            self._rounds.append(_Round(number))
            task = asyncio.create_task(self._serve(self._rounds[-1]), name=f"sink {number}")
            self._tasks.append(task)
        if self._tasks:
            self._engine.listen(self._heard)

    async def close(self, secs: float = END_SECS) -> None:
        """Let the last notices out, for a few seconds at most, and stop."""
        if not self._tasks:
            return
        deadline = asyncio.get_running_loop().time() + secs
        for each in self._rounds:
            each.deadline = deadline
            each.resting.clear()
            each.changed.set()
            each.closing.set()
        resting = [
            asyncio.ensure_future(each.resting.wait())
            for each, task in zip(self._rounds, self._tasks, strict=True)
            if not task.done()
        ]
        if resting:
            await asyncio.wait(resting, timeout=secs)
        for waiting in (*resting, *self._tasks):
            waiting.cancel()
        await asyncio.gather(*resting, *self._tasks, return_exceptions=True)

    def _heard(self, events: Sequence[Stamped]) -> None:
        # Most events leave nothing to tell, and wake nobody.
        for each in self._rounds if self._engine.run.outbox.pending else ():
            each.changed.set()

    async def _serve(self, round_: "_Round") -> None:
        with suppress(StoreError):
            while self._engine.failure is None:
                round_.changed.clear()
                found = self._next(round_.number)
                if found is None:
                    round_.resting.set()
                    await round_.changed.wait()
                elif (wait := self._wait(round_, found[1])) > 0:
                    if round_.beyond(wait):
                        break
                    await round_.pause(wait)
                else:
                    await self._attempt(round_, *found)
        round_.resting.set()

    def _next(self, sink: int) -> tuple[str, Pending] | None:
        """The oldest notice that a sink was not told of."""
        pending = self._engine.run.outbox.pending.items()
        return next(((key, each) for key, each in pending if each.sink == sink), None)

    def _wait(self, round_: "_Round", found: Pending) -> float:
        """How long to wait before a notice, in seconds."""
        asked = (found.until - self._engine.now().wall_ms) / 1000
        return max(0.0, asked, round_.ready_at - asyncio.get_running_loop().time())

    async def _attempt(self, round_: "_Round", key: str, found: Pending) -> None:
        """Tell a sink once, and record what came of it. Raises StoreError."""
        told = await self._composed(key, found)
        error: NotifyError | None = None
        try:
            async with asyncio.timeout(self._send_secs):
                await self._made(found.sink).send(told)
        except TimeoutError:
            error = NotifyError(f"no answer within {self._send_secs:g} s")
        except NotifyError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 (no notifier may fail a run)
            # Its words may hold the URL.
            error = NotifyError(f"it broke ({type(raised).__name__})")
        if error is None:
            round_.failures, round_.ready_at = 0, 0.0
            await self._engine.submit(c.RecordDelivered(key))
            return
        until = 0
        if error.retryable:
            round_.failures += 1
            most = min(self._backoff_secs * 2 ** (round_.failures - 1), BACKOFF_MAX_SECS)
            pause = most * random.uniform(0.5, 1.0)
            round_.ready_at = asyncio.get_running_loop().time() + pause
        if error.retryable and error.retry_after_secs is not None:
            until = self._engine.now().wall_ms + round(error.retry_after_secs * 1000)
        await self._engine.submit(
            c.RecordUndelivered(key, error.message, until, final=not error.retryable)
        )

    async def _composed(self, key: str, found: Pending) -> Notice:
        """What a sink is told. Raises StoreError."""
        run = self._engine.run
        event = await self._engine.event(found.seq)
        report = None
        if isinstance(event, e.RunFinished) and run.outbox.report:
            checked = await self._engine.event(run.outbox.report)
            report = checked.report if isinstance(checked, e.ReportChecked) else None
        return self._clean(notice(run, key, found, event, report))


class _Round:
    """How far one sink is. ready_at: the loop's time before which it is not tried. deadline: when
    the run stops waiting for it, once it is closing. resting: there is nothing to tell it."""

    def __init__(self, number: int) -> None:
        self.number, self.failures = number, 0
        self.ready_at, self.deadline = 0.0, float("inf")
        self.changed, self.closing, self.resting = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def beyond(self, wait: float) -> bool:
        """Whether a wait ends after the deadline."""
        return asyncio.get_running_loop().time() + wait > self.deadline

    async def pause(self, secs: float) -> None:
        """Wait, until the run closes at most; then it is to be asked again how long."""
        if self.closing.is_set():
            await asyncio.sleep(secs)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(secs):
                await self.closing.wait()
