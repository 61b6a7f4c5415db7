"""Pace: how many calls a provider takes at a time, and when it takes none; shared by all actors.

Law: a provider that says "too many" is asked by fewer, later, by everyone; never again at once.
Additive increase, multiplicative decrease, as TCP has it (RFC 5681): the limit doubles with each
round of answers until the provider complains, is halved then, and grows by one with each round.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random

from leadhand.errors import ModelError

# Calls at a time before a provider has said what it bears.
START = 256.0
# How long a call may wait for a provider that answers nobody; one that asks for more is a quota.
PATIENCE_SECS = 900.0
BACKOFF_SECS = 1.0
BACKOFF_MAX_SECS = 60.0
# What a provider asks for that says "at once" is not believed.
BREAK_MIN_SECS = 0.1
JITTER = 0.2
# A shorter wait is not worth an event.
TELL_SECS = 1.0
# For how long a quota is believed whose reset nobody knows.
QUOTA_SECS = 60.0

Told = Callable[[str, float], Awaitable[None]]
WallMs = Callable[[], int]


class Lane:
    """One provider, account and model. Times are the event loop's, in seconds. answered_at: when
    the provider last answered anybody."""

    def __init__(self, dice: Random, wall_ms: WallMs) -> None:
        self.limit, self.busy, self.answered_at = START, 0, 0.0
        self._dice, self._wall_ms = dice, wall_ms
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._slow_start = True
        self._not_before, self._cut_at = 0.0, -math.inf
        self._complaints = 0
        self._why = ""
        self._quota: ModelError | None = None
        self._quota_until_ms = 0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, told: Told) -> float:
        """Wait for a place; the instant from which on it is taken. Leave it with `leave`.

        told: is given what a longer wait is for, and its seconds. Raises ModelError where the
        quota is known to be used up.
        """
        loop, again = asyncio.get_running_loop(), False
        while True:
            self._refuse()
            if (again or not self._waiting) and self._open(loop.time()):
                self.busy += 1
                return loop.time()
            await self._place(loop, None if again else told)
            if loop.time() >= self._not_before and self._quota is None:
                return loop.time()
            # Something came between the place and who took it: its turn is still the next.
            self.leave()
            again = True

    async def _place(self, loop: asyncio.AbstractEventLoop, told: Told | None) -> None:
        """Wait in the line for a place; without `told` at its head."""
        place: asyncio.Future[None] = loop.create_future()
        if told is None:
            self._waiting.appendleft(place)
        else:
            self._waiting.append(place)
        self._plan(loop)
        try:
            if told is not None:
                await self._told(loop, place, told)
            await place
        except BaseException:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave()
            elif place in self._waiting:
                self._waiting.remove(place)
            raise

    async def _told(
        self, loop: asyncio.AbstractEventLoop, place: asyncio.Future[None], told: Told
    ) -> None:
        """Say what a longer wait is for."""
        secs = self._not_before - loop.time()
        if secs <= TELL_SECS:
            await asyncio.wait([place], timeout=TELL_SECS)
            secs = self._not_before - loop.time()
        if not place.done():
            await told(self._reason(secs > 0), max(secs, TELL_SECS))

    def leave(self) -> None:
        """Give the place to the next."""
        self.busy -= 1
        self._pump(asyncio.get_running_loop())

    def answered(self) -> None:
        """The provider has answered: it may bear more."""
        self._complaints, self.answered_at = 0, asyncio.get_running_loop().time()
        if self._waiting or self.busy >= self.limit - 1:
            self.limit += 1.0 if self._slow_start else 1.0 / self.limit

    def complained(self, error: ModelError, entered: float) -> None:
        """The provider was asked too much: halve the limit, and take a break.

        entered: when the call got its place. Calls that left before the last cut tell nothing new.
        """
        now = asyncio.get_running_loop().time()
        if entered > self._cut_at:
            self.limit = max(1.0, min(self.limit, self.busy) / 2)
            self._cut_at, self._slow_start = now, False
            self._complaints += 1
        secs = error.retry_after_secs
        if secs is None:
            secs = min(BACKOFF_MAX_SECS, BACKOFF_SECS * 2.0 ** (self._complaints - 1))
        secs = max(secs, BREAK_MIN_SECS) * (1 + JITTER * self._dice.random())
        self._not_before = max(self._not_before, now + secs)
        self._why = "is overloaded" if error.kind == "overloaded" else "limits the rate of calls"

    def exhausted(self, error: ModelError) -> None:
        """No quota is left: nobody else asks before it comes back."""
        self._quota = error
        self._quota_until_ms = error.resets_at or self._wall_ms() + int(QUOTA_SECS * 1000)
        waiting, self._waiting = self._waiting, deque()
        for place in waiting:
            if not place.done():
                place.set_exception(self._refusal(error))

    def reopen(self) -> None:
        """Forget the quota: somebody knows that it is worth asking again."""
        self._quota = None

    def _refuse(self) -> None:
        if self._quota is None:
            return
        if self._wall_ms() >= self._quota_until_ms:
            self._quota = None
            return
        raise self._refusal(self._quota)

    @staticmethod
    def _refusal(error: ModelError) -> ModelError:
        """The same error for one who did not even ask."""
        return ModelError(error.message, kind="quota", billed=False, resets_at=error.resets_at)

    def _reason(self, paused: bool) -> str:
        if paused:
            return f"its provider, which {self._why}"
        calls = int(self.limit)
        return f"its turn: its provider takes {calls} call{'s' * (calls != 1)} at a time"

    def _open(self, now: float) -> bool:
        return now >= self._not_before and self.busy < int(self.limit)

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let in as many as may enter now."""
        while self._waiting and self._open(loop.time()):
            place = self._waiting.popleft()
            if not place.done():
                self.busy += 1
                place.set_result(None)
        self._plan(loop)

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again when the break is over; otherwise a place that is left is what lets in."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._not_before > loop.time():
            self._timer = loop.call_at(self._not_before, self._pump, loop)


class Governor:
    """The lanes of this process, made as they are first taken."""

    def __init__(self, seed: int | None = None, wall_ms: WallMs | None = None) -> None:
        """seed: of the jitter; by default it differs from process to process. wall_ms: tells the
        wall clock, in milliseconds."""
        self._dice, self._wall_ms = Random(seed), wall_ms or _wall_ms
        self._lanes: dict[str, Lane] = {}

    def lane(self, name: str) -> Lane:
        """The lane of this name."""
        found = self._lanes.get(name)
        if found is None:
            found = self._lanes[name] = Lane(self._dice, self._wall_ms)
        return found

    def reopen(self) -> None:
        """Let every lane be asked again, as a run that goes on wants it."""
        for lane in self._lanes.values():
            lane.reopen()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
