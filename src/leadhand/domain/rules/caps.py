"""Caps: how many workers may live and may ever be spawned, and what repeated refusals lead to."""

from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import At
from leadhand.domain.ids import ROOT, depth
from leadhand.domain.manifest import Subleads
from leadhand.domain.state import Actor, Run
from leadhand.refusals import (
    Draining,
    MaxDepthExceeded,
    MaxSpawnsExceeded,
    MaxSubleadsExceeded,
    MaxTotalWorkersExceeded,
    MaxWorkersExceeded,
    OutOfTime,
    Paused,
    Refused,
    ToolNotAllowed,
    WoundDown,
)

REFUSALS_TOLD = 10


def check_spawn(run: Run, parent: Actor) -> None:
    """Refuse a worker that the house rules do not allow now. Raises Refused."""
    check_going(parent)
    check_open(run, parent)
    check_total(run)
    check_place(run, parent)


def check_place(run: Run, parent: Actor) -> None:
    """Refuse one more live worker of a lead than there are places. Raises MaxWorkersExceeded,
    MaxTotalWorkersExceeded."""
    active, most = parent.workers_live, places(run, parent)
    if active >= most:
        raise MaxWorkersExceeded(f"max_workers exceeded: {active} active (max {most})")
    total = total_places(run)
    if total is not None and workers(run) >= total:
        raise MaxTotalWorkersExceeded(
            f"max_total_workers exceeded: {workers(run)} active in the whole run (max {total})"
        )


def check_going(parent: Actor) -> None:
    """Refuse a spawn that was under way when its lead was paused. Raises Paused."""
    if parent.paused is not None or parent.halting:
        raise Paused("nobody begins while its lead is paused", "Call again.")


def check_sublead(run: Run, parent: Actor) -> Subleads:
    """Refuse a sub-lead that the manifest does not allow, here or now; within what it would live.
    Raises Refused."""
    asked = run.manifest.subleads if run.manifest else None
    if asked is None:
        raise ToolNotAllowed(
            "sub-leads are not allowed in this run",
            "Spawn workers instead; the operator may allow it with allow_subleads = true.",
        )
    check_going(parent)
    check_open(run, parent)
    level = depth(parent.id) + 1
    if level >= asked.max_depth:
        raise MaxDepthExceeded(
            f"max_depth exceeded: the workers of a sub-lead here would be on level {level + 1} "
            f"(max {asked.max_depth})"
        )
    check_total(run)
    check_sublead_place(run, asked)
    return asked


def check_sublead_place(run: Run, asked: Subleads) -> None:
    """Refuse one more live sub-lead than there may be. Raises MaxSubleadsExceeded."""
    if asked.max_subleads is not None and run.subleads_live >= asked.max_subleads:
        raise MaxSubleadsExceeded(
            f"max_subleads exceeded: {run.subleads_live} active (max {asked.max_subleads})"
        )


def check_open(run: Run, parent: Actor) -> None:
    """Refuse to start anything where all is to come to an end. Raises Refused."""
    if parent.expired:
        raise OutOfTime()
    if parent.final or parent.ending is not None or parent.stop_at is not None:
        raise WoundDown()
    if parent.parent in run.records:
        raise WoundDown()
    if run.drain_until is not None or run.cancelled is not None:
        raise Draining()


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


def places(run: Run, lead: Actor) -> int:
    """How many workers of a lead may live at a time."""
    return run.places if lead.id == ROOT else lead.max_workers


def total_places(run: Run) -> int | None:
    """How many workers of the whole run may live at a time; None where only each lead has a cap."""
    subleads = run.manifest.subleads if run.manifest else None
    return subleads.max_total_workers if subleads is not None else None


def count_live(run: Run, actor: Actor, by: int) -> None:
    """Count an actor that has come to live (1), or no longer does (-1)."""
    if actor.role == "sublead":
        run.subleads_live += by
    if actor.role == "worker":
        run.workers_live += by
        if actor.parent in run.actors:
            run.actors[actor.parent].workers_live += by


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
