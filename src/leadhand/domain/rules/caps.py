"""Caps: how many workers may live and may ever be spawned, and what repeated refusals lead to."""

from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import At
from leadhand.domain.state import Actor, Run
from leadhand.errors import (
    Draining,
    MaxSpawnsExceeded,
    MaxWorkersExceeded,
    OutOfTime,
    Paused,
    Refused,
    WoundDown,
)

REFUSALS_TOLD = 10


def check_spawn(run: Run, parent: Actor) -> None:
    """Refuse a spawn that the house rules do not allow now. Raises Refused."""
    if parent.paused is not None or parent.halting:
        # The call was under way when its lead was paused.
        raise Paused("no worker begins while its lead is paused", "Call again.")
    check_open(run, parent)
    check_total(run)
    check_place(run)


def check_open(run: Run, parent: Actor) -> None:
    """Refuse that a worker begins where its lead, or the run, winds down. Raises Refused."""
    if parent.expired:
        raise OutOfTime()
    if parent.final or parent.ending is not None:
        raise WoundDown()
    if run.drain_until is not None or run.cancelled is not None:
        raise Draining()


def check_place(run: Run) -> None:
    """Refuse one more live worker than there are places. Raises MaxWorkersExceeded."""
    active = workers(run)
    if active >= run.house.max_workers:
        raise MaxWorkersExceeded(
            f"max_workers exceeded: {active} active (max {run.house.max_workers})"
        )


def check_total(run: Run) -> None:
    """Refuse one more spawn than the house rules allow in all. Raises MaxSpawnsExceeded."""
    if run.spawned_total >= run.house.max_total_spawns:
        raise MaxSpawnsExceeded(
            f"max_total_spawns exceeded: {run.spawned_total} spawned "
            f"(max {run.house.max_total_spawns})"
        )


def workers(run: Run) -> int:
    """Live workers: queued, starting, running or paused."""
    return run.workers_live


def refused(parent: Actor, refusal: Refused) -> Refused:
    """The refusal with what it leaves in the log, and what many turns with one in a row lead to.

    Several of one turn count once: its calls were made before the first refusal was read.
    """
    events: list[e.Event] = [e.SpawnRefused(parent.id, code=refusal.code)]
    first = parent.refused_in_turn != parent.turns
    times = parent.refusals_in_row + first
    if times == REFUSALS_TOLD and first:
        events.append(notices.notice(parent, "refused_often", notices.REFUSED_OFTEN))
    elif times > REFUSALS_TOLD and not parent.final:
        events.append(e.WindDownBegan(parent.id, why="refused spawns", final=True))
        events.append(notices.notice(parent, "refused_too_often", notices.REFUSED_TOO_OFTEN))
    refusal.record = tuple(events)
    return refusal


def evolve_refused(run: Run, event: e.SpawnRefused, at: At) -> None:
    """Count turns with refusals in a row."""
    actor = run.actors[event.actor]
    if actor.refused_in_turn != actor.turns:
        actor.refused_in_turn = actor.turns
        actor.refusals_in_row += 1
