"""Wait: an actor waits, always with a deadline, and ends early when it is needed.

Waits for others begin here, those for an entry or a lease in their own rules; all are over by the
same reasons.
"""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Actor, Run, Wait
from leadhand.refusals import InvalidArguments, Settled, UnknownActor


def begin(run: Run, command: c.OpenWait, now: Now) -> list[e.Event]:
    """Begin a wait; the same call goes on with the wait that it began. Raises Refused."""
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if command.call in actor.waits:
        return []
    if not command.targets:
        raise InvalidArguments("there is nobody to wait for", "Name at least one worker.")
    for target in command.targets:
        known = run.actors.get(target) or run.records.get(target)
        if known is None or known.parent != actor.id:
            raise UnknownActor(f"unknown actor: {target}")
    return [
        e.WaitOpened(
            actor.id,
            call=command.call,
            targets=command.targets,
            any=command.any,
            until=actor.may_wait_until(now.run_ms, command.timeout_secs),
        )
    ]


def evolve_opened(run: Run, event: e.WaitOpened, at: At) -> None:
    """Remember the wait until its tool returns."""
    run.actors[event.actor].waits[event.call] = Wait(
        event.call,
        event.targets,
        event.any,
        since=at.now.run_ms,
        until=event.until,
        layer=event.layer,
        path=event.path,
        min_version=event.min_version,
        lease=event.lease,
    )


def come(run: Run, actor: Actor, wait: Wait) -> bool:
    """Whether what is waited for is there."""
    if wait.path:
        layer = run.layers.get(wait.layer)
        entry = layer.entries.get(wait.path) if layer else None
        return entry is not None and entry.version >= wait.min_version
    if wait.lease:
        lease = run.leases[wait.lease]
        return lease.holder == actor.id and lease.call == wait.call
    settled = [target for target in wait.targets if target in run.records]
    return bool(settled) and (wait.any or len(settled) == len(wait.targets))


def over(run: Run, actor: Actor, wait: Wait, now: Now) -> str:
    """Why a wait is over: `settled` where all has come, or what ended it early; empty while it
    holds."""
    if actor.halting:
        return ""
    if come(run, actor, wait):
        return "settled"
    if actor.mail:
        return "there is a message for you, which comes with this result"
    if actor.final or actor.ending is not None:
        return "you are winding down"
    if actor.paused is not None and actor.paused.mode == "freeze":
        return "you are paused"
    if wait.path and left_alone(actor, wait):
        return "your workers have settled, so that nobody is left who could write it"
    if now.run_ms >= wait.until:
        return "the time of this wait ran out"
    return ""


def left_alone(actor: Actor, wait: Wait) -> bool:
    """Whether a lead waits for an entry that none of its workers can write any more."""
    # One that has spawned nobody yet may be doing so by another call of the same turn.
    workers = len(actor.keys) - actor.subleads_spawned
    return actor.id == wait.layer and workers > 0 and not actor.workers_live
