"""Clock: time that jumps to the next timer as soon as nobody has anything left to do.

Under `run`, asyncio.sleep, timeouts and timers cost no real time and happen in the same order each
time. Nothing outside the loop can wake it: sockets, pipes and child processes do not work here,
and what is given to a thread is done at once in the loop's own.
"""

import asyncio
import math
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

from leadhand.domain.clock import Now

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

WALL_MS = 1_700_000_000_000
_LOOKS_BETWEEN = 256


class Deadlock(AssertionError):
    """Everyone waits for something that can never come: nothing is ready and no timer is set."""


class TookTooLong(AssertionError):
    """The real time that was allowed is over."""


class _Jump(selectors.SelectSelector):
    """What a loop sleeps in: here it does not sleep, the loop's time moves on."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._jump(timeout)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual; it begins at 0.

    real_secs: how much real time may pass until it gives up; None for no limit.
    """

    def __init__(self, real_secs: float | None = None) -> None:
        self._now = 0.0
        self._real_deadline = None if real_secs is None else time.monotonic() + real_secs
        self._looks = 0
        self._idle: list[Callable[[float], None]] = []
        super().__init__(_Jump(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def when_idle(self, look: Callable[[float], None]) -> None:
        """Call this before each jump, with its seconds: nobody can do anything in between."""
        self._idle.append(look)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Do a thread's work at once, since a real thread knows nothing of virtual time."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (it belongs to whoever waits for the thread)
            done.set_exception(error)
        return done

    def _jump(self, timeout: float | None) -> None:
        self._looks += 1
        if self._real_deadline is not None and self._looks % _LOOKS_BETWEEN == 0:
            if time.monotonic() > self._real_deadline:
                self._real_deadline = None
                raise TookTooLong(f"not over at virtual second {self._now:.3f}")
        if timeout is not None and timeout <= 0:
            return
        for look in self._idle:
            look(math.inf if timeout is None else timeout)
        if timeout is None:
            waiting = sorted(task.get_name() for task in asyncio.all_tasks(self))
            raise Deadlock(
                f"at virtual second {self._now:.3f} nothing is ready and no timer is set; "
                f"waiting: {', '.join(waiting)}"
            )
        # Far from 0 a short time can be less than the smallest step of a float.
        self._now = max(self._now + timeout, math.nextafter(self._now, math.inf))


class JumpingClock:
    """The two hands of now, told by a JumpingLoop; the wall can be moved on demand."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wall_ms: int = WALL_MS) -> None:
        self._loop, self._wall_ms = loop, wall_ms
        self._base, self._started = 0, loop.time()

    def resume(self, run_ms: int) -> None:
        """Let the run's hand go on from here."""
        self._base, self._started = run_ms, self._loop.time()

    def now(self) -> Now:
        """The time."""
        run_ms = self._base + int((self._loop.time() - self._started) * 1000)
        return Now(self._wall_ms + int(self._loop.time() * 1000), run_ms)

    def move_wall(self, ms: int) -> None:
        """Let the wall clock jump, forward or back, as an operator or a time server may."""
        self._wall_ms += ms


def run(main: Coroutine[Any, Any, T], real_secs: float | None = None) -> T:
    """Run a coroutine to its end in virtual time, as asyncio.run does in real time.

    Raises Deadlock, TookTooLong.
    """
    runner = asyncio.Runner(loop_factory=lambda: JumpingLoop(real_secs))
    try:
        result = runner.run(main)
    except BaseException:
        # What is left may wait for each other for ever: the first error is the one to tell.
        runner.get_loop().set_exception_handler(lambda loop, context: None)
        with suppress(Deadlock, TookTooLong):
            runner.close()
        raise
    runner.close()
    return result
