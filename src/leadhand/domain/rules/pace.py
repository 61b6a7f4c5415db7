"""Pace: what a provider's limits do to a call and to the run: the call waits, the run is parked."""

from collections.abc import Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Actor, Parked, Run
from leadhand.domain.text import one_line

# The owner waits for a quota itself where it comes back within a day. It believes the first
# instant it is told; after that it asks at most once a minute, and three times in vain.
PARK_MAX_MS = 24 * 3_600_000
PARK_MIN_MS = 60_000
PARKS_MAX = 3
# How long a run that is let go of waits for what is under way (wall clock).
LET_GO_MS = 300_000
# What a call waits for while the run is parked.
PARKED = "the run to go on, which is parked"


def hold(run: Run, command: c.RecordHold, now: Now) -> list[e.Event]:
    """Note what an admitted call waits for; nothing where it is over."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.call is None or actor.call.id != command.call:
        return []
    return [e.CallHeld(actor.id, call=command.call, why=command.why, until=command.until)]


def exhausted(run: Run, actor: Actor, command: c.RecordCut, now: Now) -> list[e.Event]:
    """Park the run of an actor that met a terminal quota, where the house rules say so."""
    if not command.quota or run.house.on_quota != "park":
        return []
    known, until = run.parked, command.resets_at
    # Calls that were in flight together meet one quota together: they are one try.
    in_vain = run.parks_in_row - (known is not None)
    if until and (until <= now.wall_ms or in_vain):
        until = max(until, now.wall_ms + PARK_MIN_MS)
    if until - now.wall_ms > PARK_MAX_MS or in_vain >= PARKS_MAX:
        until = 0
    if known is not None and (known.until == 0 or 0 < until <= known.until):
        return []
    why = one_line(command.why, 500)
    model = actor.call.model if actor.call else actor.model
    return [e.RunParked(model=model, why=why, until=until)]


def unpark(run: Run, command: c.UnparkRun, now: Now) -> list[e.Event]:
    """Let a parked run go on."""
    return [] if run.parked is None else [e.RunUnparked()]


def evolve_held(run: Run, event: e.CallHeld, at: At) -> None:
    """Remember what the call waits for, so that it can be explained."""
    call = run.actors[event.actor].call
    if call is not None:
        call.held, call.held_until = event.why, event.until


def evolve_parked(run: Run, event: e.RunParked, at: At) -> None:
    """From here on the run's time stands still."""
    since = run.parked.since if run.parked else at.now.wall_ms
    run.parks_in_row += run.parked is None
    run.parked = Parked(event.model, event.why, since, event.until)


def evolve_unparked(run: Run, event: e.RunUnparked, at: At) -> None:
    """The run's time goes on."""
    run.parked = None


def due(run: Run, now: Now) -> Iterator[fx.Effect]:
    """Go on once the quota has come back; let go of a run that may wait for days, or that is
    draining, as soon as nobody is in the middle of something, and in five minutes at the latest."""
    if run.parked is None:
        return
    if run.parked.until and run.drain_until is None:
        if now.wall_ms >= run.parked.until:
            yield fx.Submit(c.UnparkRun())
    elif now.wall_ms >= run.parked.since + LET_GO_MS or not any(map(busy, run.actors.values())):
        yield fx.Suspend()


def busy(actor: Actor) -> bool:
    """Whether a call of an actor is in flight, or a tool that waits neither for others nor for the
    operator."""
    if actor.paused is not None and not actor.halting:
        return actor.call is not None
    asks = {call for call, each in actor.approvals.items() if each.answer is None}
    return actor.call is not None or bool(actor.tools.keys() - actor.waits.keys() - asks)
