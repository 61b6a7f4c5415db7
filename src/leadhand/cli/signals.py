"""Signals: what Ctrl-C, SIGTERM and SIGHUP do to a run: drain it, then stop it, then let go.

Law: whatever signal comes how often, the run can be continued by `resume`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

from leadhand.domain import commands as c
from leadhand.errors import StoreError
from leadhand.refusals import Refused
from leadhand.wiring import LiveRun

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DRAIN, SUSPEND = 1, 2
_SHOW_CURSOR = "\x1b[?25h"


class Signals:
    """While entered, the signals are the run's. count: how many came."""

    def __init__(self, live: LiveRun, tell: Callable[[str], None], resume: str) -> None:
        """tell: says to the user what happens. resume: the command that continues the run."""
        self.count = 0
        self._live, self._tell, self._resume = live, tell, resume
        self._loop = asyncio.get_running_loop()
        self._before: dict[int, signal._HANDLER] = {}
        self._draining: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        for number in HEARD:
            # What our parent had us ignore (nohup, a shell's background) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        # Called between two bytecodes, also where a model's own code keeps the loop from turning.
        self.count += 1
        if self.count > SUSPEND:
            with suppress(OSError):
                os.write(2, (_SHOW_CURSOR if os.isatty(2) else "").encode() + b"\n")
            os._exit(130)
        self._loop.call_soon_threadsafe(self._act, self.count)

    def _act(self, count: int) -> None:
        if count == DRAIN:
            self._draining = asyncio.create_task(self._drain())
            self._tell(
                "draining: nothing new starts, everybody was told to wrap up; press Ctrl-C again "
                f"to stop now. `{self._resume}` continues"
            )
        else:
            self._live.conductor().suspend()
            self._tell(f"stopping now. `{self._resume}` continues")

    async def _drain(self) -> None:
        with suppress(Refused, StoreError):
            await self._live.engine.submit(c.DrainRun())


def to_stderr(message: str) -> None:
    """Tell the user where no tree is shown."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()
