"""Outside: the harness of a lead whose session is an MCP client outside this process.

The session lasts while the client is there, and settles when it calls finish or stays away.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId
from leadhand.errors import ModelError
from leadhand.harness import Harness, Owner
from leadhand.model import Request

GRACE_SECS = 900.0
# How long a call that has ended the session may take to be answered.
END_SECS = 2.0
GONE = "its MCP client went away and did not come back within {secs} s"

End = Callable[[ActorId, float], Awaitable[None]]


def nobody(request: Request) -> str:
    """Stands for the model of such a lead where one is asked for: it is never called."""
    raise ModelError("this run is led by an MCP client, not by a model", kind="bad_request")


class Presence:
    """Whether the client is there: it is in the middle of something, or was until lately."""

    def __init__(self, grace_secs: float = GRACE_SECS) -> None:
        self.grace_secs = grace_secs
        self._busy, self._last = 0, time.monotonic()

    def seen(self, actor: ActorId, begins: bool) -> None:
        """A request begins, or is over."""
        self._busy += 1 if begins else -1
        self._last = time.monotonic()

    def left(self) -> float:
        """How long it may still stay away."""
        if self._busy:
            return max(1.0, self.grace_secs)
        return self.grace_secs - (time.monotonic() - self._last)

    def gone(self) -> None:
        """It is known not to come back."""
        self._busy, self._last = 0, time.monotonic() - self.grace_secs


async def nothing_to_end(actor: ActorId, secs: float) -> None:
    """Ends calls where there are none."""


class OutsideHarness:
    """Holds the session of a lead whose turns are taken elsewhere; others run sessions as usual.

    end: ends what the client still calls; there is something once a door was opened.
    """

    def __init__(self, owner: Owner, presence: Presence, others: Harness) -> None:
        self._owner, self._presence, self._others = owner, presence, others
        self.end: End = nothing_to_end

    async def run(self, actor: ActorId) -> None:
        """See `harness.Harness.run`."""
        if actor != ROOT:
            await self._others.run(actor)
            return
        try:
            await self._hold(actor)
        except asyncio.CancelledError:
            await self.end(actor, 0.0)
            raise
        await self.end(actor, END_SECS)

    async def _hold(self, actor: ActorId) -> None:
        """Hold until the actor settles or is to halt, or its client stays away."""
        begun = self._owner.run.actors.get(actor)
        with self._owner.watching(actor, "") as changed:
            while True:
                changed.clear()
                one = self._owner.run.actors.get(actor)
                if one is None or one is not begun or one.ending is not None or one.halting:
                    return
                left = self._presence.left()
                if left <= 0:
                    error = GONE.format(secs=round(self._presence.grace_secs))
                    await self._owner.submit(c.RecordExit(actor, "failed", error=error))
                    return
                # A client that goes away wakes nobody.
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, 1.0)):
                        await changed.wait()
