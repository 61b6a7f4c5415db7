"""Deadline: what happens as an actor's time runs out, and how the rest is wrapped up then."""

from collections.abc import Collection, Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.state import Actor, Run

WARN_MS = 300_000
WARN_PART = 10
# Why those below are to wrap up while the lead, or a sub-lead, still writes its report.
LEAD_LATE = "its lead's time is up"
SUBLEAD_LATE = "its sub-lead's time is up"


def warn(run: Run, command: c.WarnActor, now: Now) -> list[e.Event]:
    """Tell an actor once that its time is nearly up."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.warned:
        return []
    text = notices.TIME_NEAR_WORKER if actor.role == "worker" else notices.TIME_NEAR
    return [e.DeadlineNeared(actor.id), notices.notice(actor, "time_near", text)]


def expire(run: Run, command: c.ExpireActor, now: Now) -> list[e.Event]:
    """End a worker whose time is up; let a lead's workers wrap up and the lead report."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.ending is not None or actor.duty.claimed_at is not None:
        return []
    if actor.expired and actor.stop_at is not None and now.run_ms < actor.stop_at:
        return []
    if actor.role == "worker" or actor.expired:
        why = f"its time is up ({actor.timeout_ms // 1000} s)"
        return [e.ActorEnding(actor.id, status="TimedOut", reason=why, by="leadhand")]
    # A sub-lead may have been told before to wrap up sooner.
    grace = run.house.grace_secs * 1000
    grace = min(grace, max(0, (actor.stop_at or now.run_ms + 2 * grace) - now.run_ms) // 2)
    events: list[e.Event] = [
        e.ActorExpired(actor.id, stop_at=now.run_ms + 2 * grace),
        notices.notice(actor, "time_up", notices.TIME_UP),
    ]
    late = LEAD_LATE if actor.id == ROOT else SUBLEAD_LATE
    for child in actor.live_children:
        events += asked(run, child, notices.LEAD_OUT_OF_TIME, late, now, grace)
    return events


def wrap_up(run: Run, command: c.WrapUpActor, now: Now) -> list[e.Event]:
    """Ask an actor whose lead has ended to finish."""
    if command.actor not in run.actors:
        return []
    grace = run.house.grace_secs * 1000
    return asked(run, command.actor, notices.LEAD_ENDED, "its lead has ended", now, grace)


def asked(run: Run, actor_id: ActorId, text: str, why: str, now: Now, grace: int) -> list[e.Event]:
    """The events that give an actor the grace period to finish (milliseconds), and those below it
    half of that, so that it has the rest to answer with what they bring."""
    actor = run.actors[actor_id]
    if actor.ending is not None or actor.duty.claimed_at is not None:
        return []
    stop_at = now.run_ms + grace
    events: list[e.Event] = []
    if actor.stop_at is None or stop_at < actor.stop_at:
        # What it was told first is what more time must set right.
        events.append(e.WrapUpAsked(actor.id, why=actor.stop_why or why, stop_at=stop_at))
        events.append(notices.notice(actor, "wrap_up", text))
    for child in actor.live_children:
        events += asked(run, child, text, why, now, grace // 2)
    return events


def evolve_warned(run: Run, event: e.DeadlineNeared, at: At) -> None:
    """Remember that the actor was told."""
    run.actors[event.actor].warned = True


def evolve_expired(run: Run, event: e.ActorExpired, at: At) -> None:
    """Leave the lead its last call."""
    actor = run.actors[event.actor]
    actor.expired = actor.final = True
    actor.winding = "time"
    actor.deferral = None
    actor.stop_at = event.stop_at
    actor.stop_why = "its time is up"


def evolve_wrap_up(run: Run, event: e.WrapUpAsked, at: At) -> None:
    """Give the actor until stop_at."""
    actor = run.actors[event.actor]
    actor.stop_at, actor.stop_why = event.stop_at, event.why
    actor.winding = actor.winding or "wrap up"


def warn_at(actor: Actor) -> int | None:
    """When the actor is told that its time is nearly up (run_ms)."""
    if actor.deadline is None or actor.warned or actor.expired:
        return None
    return actor.deadline - min(WARN_MS, actor.timeout_ms // WARN_PART)


def due(run: Run, actor: Actor, alive: Collection[ActorId], now: Now) -> Iterator[fx.Effect]:
    """What time asks for; a paused actor's own stands still, but not what others gave it. One whose
    work is checked is left to the checks, which have a bound."""
    if actor.ending is not None or actor.duty.claimed_at is not None:
        return
    if actor.stop_at is not None and now.run_ms >= actor.stop_at:
        if actor.expired:
            yield fx.Submit(c.ExpireActor(actor.id))
        else:
            yield fx.Submit(c.CancelActor(actor.id, actor.stop_why, "leadhand"))
        return
    own = actor.paused is None
    if own and actor.deadline is not None and not actor.expired and now.run_ms >= actor.deadline:
        yield fx.Submit(c.ExpireActor(actor.id))
        return
    near = warn_at(actor)
    if own and near is not None and now.run_ms >= near:
        yield fx.Submit(c.WarnActor(actor.id))
    if actor.parent in run.records and actor.stop_at is None:
        yield fx.Submit(c.WrapUpActor(actor.id))


def timers(actor: Actor) -> Iterator[int]:
    """When `due` may change by time alone."""
    if actor.ending is not None or actor.duty.claimed_at is not None:
        return
    own = (None if actor.expired else actor.deadline, warn_at(actor))
    for instant in (actor.stop_at, *(own if actor.paused is None else ())):
        if instant is not None:
            yield instant
