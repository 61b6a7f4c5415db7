"""Clock: reads the machine's clocks into the two hands of now."""

import time
from typing import Protocol

from leadhand.domain.clock import Now


class Clock(Protocol):
    """What tells the engine the time."""

    def resume(self, run_ms: int) -> None:
        """Let the run's hand go on from here."""
        ...

    def now(self) -> Now:
        """The time."""
        ...


class SystemClock:
    """The machine's own clocks. A jump of the wall clock does not move the run's hand."""

    def __init__(self) -> None:
        self._base = 0
        self._started = time.monotonic_ns()

    def resume(self, run_ms: int) -> None:
        """Let the run's hand go on from here."""
        self._base = run_ms
        self._started = time.monotonic_ns()

    def now(self) -> Now:
        """The time."""
        run_ms = self._base + (time.monotonic_ns() - self._started) // 1_000_000
        return Now(time.time_ns() // 1_000_000, run_ms)
