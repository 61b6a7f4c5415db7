"""Wait: an actor waits for others, always with a deadline, and ends early when it is needed."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Actor, Run, Wait
from leadhand.errors import InvalidArguments, Settled, UnknownActor


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
    longest = actor.deadline if actor.deadline is not None else now.run_ms + actor.timeout_ms
    asked = longest
    if command.timeout_secs is not None:
        asked = now.run_ms + command.timeout_secs * 1000
    return [
        e.WaitOpened(
            actor.id,
            call=command.call,
            targets=command.targets,
            any=command.any,
            until=max(now.run_ms, min(asked, longest)),
        )
    ]


def evolve_opened(run: Run, event: e.WaitOpened, at: At) -> None:
    """Remember the wait until its tool returns."""
    wait = Wait(event.call, event.targets, event.any, at.now.run_ms, event.until)
    run.actors[event.actor].waits[event.call] = wait


def over(run: Run, actor: Actor, wait: Wait, now: Now) -> str:
    """Why a wait is over: `settled`, or what ended it early; empty while it holds."""
    if actor.halting:
        return ""
    settled = [target for target in wait.targets if target in run.records]
    if settled and (wait.any or len(settled) == len(wait.targets)):
        return "settled"
    if actor.mail:
        return "there is a message for you, which comes with this result"
    if actor.final or actor.ending is not None:
        return "you are winding down"
    if actor.paused is not None and actor.paused.mode == "freeze":
        return "you are paused"
    if now.run_ms >= wait.until:
        return "the time of this wait ran out"
    return ""
