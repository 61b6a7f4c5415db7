"""Pause: a live actor that takes no step, and what brings it to rest and lets it go on.

Law: of an actor that is to halt nothing starts before its session is stopped.
"""

from collections.abc import Collection, Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Actor, Approval, Pause, Run, Wait
from leadhand.domain.text import one_line
from leadhand.refusals import Paused, TurnTooLong

# How long a provider keeps a stream at least that is not read.
STREAM_MS = 300_000
# What a call of a frozen actor waits for.
FROZEN = "its actor to be continued, which is frozen"
# Nobody waits as long.
NEVER_MS = 365 * 24 * 3_600_000
# Why the call of a halting actor gives no answer.
CUT = {"pause": "its actor was paused", "reprompt": "its actor was reprompted"}
# What a model reads of a tool call that a reprompt has interrupted.
INTERRUPTED = (
    "interrupted by a new prompt, which follows; outcome unknown: check before you repeat it."
)


def frozen(actor: Actor) -> bool:
    """Whether an actor stands still where it is."""
    return actor.paused is not None and actor.paused.mode == "freeze" and actor.ending is None


def never(now: Now) -> int:
    """An instant that does not come (run_ms)."""
    return now.run_ms + NEVER_MS


def check_call(actor: Actor) -> None:
    """Refuse a call of an actor whose session is to be stopped. Raises Paused."""
    if actor.halting or (actor.paused is not None and actor.paused.mode == "cancel"):
        raise Paused()


def check_freeze(actor: Actor, now: Now) -> None:
    """Refuse to freeze in a turn that its provider might give up. Raises TurnTooLong."""
    if actor.call is not None and now.run_ms - actor.call.since > STREAM_MS:
        secs = (now.run_ms - actor.call.since) // 1000
        raise TurnTooLong(
            f"{actor.id} has been in a turn for {secs} s; a provider keeps a stream for "
            f"{STREAM_MS // 1000} s"
        )


def due(actor: Actor, alive: Collection[str], frozen_now: Collection[str]) -> Iterator[fx.Effect]:
    """Stop the session of who is to halt; let the commands of who is frozen stand still."""
    still = frozen(actor) and not actor.halting
    if actor.id in frozen_now and not still:
        yield fx.Thaw(actor.id)
    if actor.ending is not None:
        return
    if actor.halting:
        running = actor.id in alive
        yield fx.Stop(actor.id) if running else fx.Submit(c.RecordHalted(actor.id))
    elif still and actor.id in alive and actor.id not in frozen_now:
        yield fx.Freeze(actor.id)


def evolve_paused(run: Run, event: e.ActorPaused, at: At) -> None:
    """From here on the actor's own time stands still; a session that is cancelled is to halt."""
    actor = run.actors[event.actor]
    since = actor.paused.since if actor.paused else at.now.run_ms
    run.paused += actor.paused is None
    actor.paused = Pause(event.mode, since, event.by, one_line(event.reason, 500))
    if event.mode == "cancel" and actor.role != "tasks":
        actor.halting = actor.halting or "pause"


def evolve_unpaused(run: Run, event: e.ActorUnpaused, at: At) -> None:
    """The actor's own time goes on from where it stood, and so does that of its waits and
    questions."""
    actor = run.actors[event.actor]
    if actor.paused is None:
        return
    now_ms, since = at.now.run_ms, actor.paused.since
    actor.paused = None
    run.paused -= 1
    if actor.deadline is not None and not actor.expired:
        actor.deadline += now_ms - since
    still: list[Wait | Approval] = [*actor.waits.values(), *actor.approvals.values()]
    for each in still:
        each.until += now_ms - max(since, each.since)
    if actor.deferral is not None and actor.deferral.why == FROZEN:
        actor.deferral = None
    run.done(event.by, event.call)


def evolve_reprompted(run: Run, event: e.ActorReprompted, at: At) -> None:
    """The session is to halt, and what it had begun is over."""
    run.actors[event.actor].halting = "reprompt"


def evolve_halted(run: Run, event: e.SessionHalted, at: At) -> None:
    """The session is stopped, with what it waited for."""
    actor = run.actors[event.actor]
    actor.halting, actor.deferral = "", None


def evolve_owned(actor: Actor) -> None:
    """What was frozen died with its owner: it is paused as if its session had been stopped."""
    if actor.paused is not None:
        actor.paused.mode = "cancel"
