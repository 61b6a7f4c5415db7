"""Given: given these events, when this command comes, then those events follow; for rules.

    given(*events).when(command).then(ActorSettled)
    given(*events).when(command).refused(MaxWorkersExceeded)

Only the pure domain runs. Every invariant is checked after every event.
"""

from collections.abc import Sequence

from leadhand.domain.clock import At, Now
from leadhand.domain.commands import Command
from leadhand.domain.decide import decide
from leadhand.domain.events import Event
from leadhand.domain.evolve import evolve
from leadhand.domain.invariants import broken
from leadhand.domain.state import Run
from leadhand.refusals import Refused


class Given:
    """A run in which these events have happened, and the time it is there (milliseconds)."""

    def __init__(self, run: Run, now: Now) -> None:
        self.run, self.now = run, now

    def at(self, run_ms: int) -> "Given":
        """The same run at this time."""
        return Given(self.run, Now(self.now.wall_ms + run_ms - self.now.run_ms, run_ms))

    def when(self, *commands: Command, at: int | None = None) -> "When":
        """What the last of these commands leads to, now or at this time (run_ms); the others must
        not be refused."""
        if at is not None:
            return self.at(at).when(*commands)
        for command in commands[:-1]:
            fold(self.run, decide(self.run, command, self.now), self.now)
        try:
            events: Sequence[Event] = decide(self.run, commands[-1], self.now)
            refusal = None
        except Refused as error:
            events, refusal = error.record, error
        fold(self.run, events, self.now)
        return When(self, list(events), refusal)


class When:
    """What a command led to: its events, or its refusal and what that left in the log."""

    def __init__(self, given: Given, events: list[Event], refusal: Refused | None) -> None:
        self.given, self.events, self.refusal = given, events, refusal

    def then(self, *expected: Event | type[Event]) -> Given:
        """Exactly these events followed: an event is compared whole, a class by its kind."""
        if self.refusal is not None:
            raise AssertionError(f"refused: {self.refusal}") from self.refusal
        found = [
            type(event) if isinstance(wanted, type) else event
            for event, wanted in zip(self.events, expected, strict=False)
        ]
        if len(self.events) != len(expected) or found != list(expected):
            raise AssertionError(f"expected {list(expected)}\nfound    {self.events}")
        return self.given

    def refused(self, kind: type[Refused]) -> Refused:
        """The command was refused like this; gives the refusal, to look at its words."""
        if not isinstance(self.refusal, kind):
            raise AssertionError(f"expected {kind.__name__}, found {self.refusal or self.events!r}")
        return self.refusal


def given(*events: Event, run_ms: int = 0, wall_ms: int = 1_700_000_000_000) -> Given:
    """A run in which these events have happened, all at this time."""
    now = Now(wall_ms, run_ms)
    run = Run()
    fold(run, events, now)
    return Given(run, now)


def fold(run: Run, events: Sequence[Event], now: Now) -> None:
    """Change the run by the events. Raises AssertionError where an invariant breaks."""
    for event in events:
        evolve(run, event, At(run.seq + 1, now))
        sentences = broken(run)
        if sentences:
            raise AssertionError(f"after {event}: " + "; ".join(sentences))
