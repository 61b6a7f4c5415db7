"""Start: what keeps a session's process from starting on this machine."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Run
from leadhand.domain.text import one_line

# How long a session may wait for room on this machine.
START_SECS = 900


def record(run: Run, command: c.RecordStartHeld, now: Now) -> list[e.Event]:
    """Note what a start waits for, and when it does no more; nothing where that is known."""
    actor = run.actors.get(command.actor)
    if actor is None or not (command.why or actor.held):
        return []
    return [e.StartHeld(actor.id, why=one_line(command.why, 300), until=command.until)]


def evolve_held(run: Run, event: e.StartHeld, at: At) -> None:
    """Remember it, so that it can be explained."""
    actor = run.actors[event.actor]
    if not actor.held:
        actor.held_since = at.now.run_ms
    actor.held, actor.held_until = event.why, event.until
