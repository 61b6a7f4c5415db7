"""Due: what the world should do now, from what is true, what is alive and what time it is."""

from collections.abc import Collection, Iterable, Iterator

from leadhand.domain import effects as fx
from leadhand.domain.clock import Now
from leadhand.domain.ids import ActorId
from leadhand.domain.rules import actor, approval, deadline, lease, notify, pause, run, workspace
from leadhand.domain.state import Run


def due(
    state: Run,
    alive: Collection[ActorId],
    now: Now,
    touched: Iterable[ActorId] | None = None,
    frozen: Collection[ActorId] = (),
) -> list[fx.Effect]:
    """The effects that are due: of the touched actors, or of all.

    alive: the actors whose sessions run in this process; frozen: those whose commands stand still.
    Idempotent: what is done is not due.
    """
    effects = list(run.due(state, alive, now))
    if any(isinstance(effect, fx.Suspend) for effect in effects):
        return effects
    effects += lease.grants_due(state)
    if touched is None:
        touched = dict.fromkeys((*state.actors, *state.workspaces, *frozen))
    for actor_id in touched:
        one = state.actors.get(actor_id)
        if one is None:
            effects += [fx.Thaw(actor_id)] if actor_id in frozen else []
            effects += workspace.due(state, actor_id)
        else:
            effects += pause.due(one, alive, frozen)
            effects += actor.due(state, one, alive, now)
            effects += deadline.due(state, one, alive, now)
            effects += lease.due(state, one, now)
            effects += approval.due(state, one, now)
            effects += notify.due(state, one, now)
    return effects


def affected(state: Run, actor_id: ActorId) -> Iterator[ActorId]:
    """The actors whose dues may change by an event of this one: itself, its parent and, once
    it has settled, its children."""
    yield actor_id
    one = state.actors.get(actor_id) or state.records.get(actor_id)
    if one is not None and one.parent:
        yield one.parent
    if actor_id in state.records and state.records[actor_id].role != "worker":
        yield from (each.id for each in state.actors.values() if each.parent == actor_id)


def timers(state: Run, actor_id: ActorId | None) -> Iterator[int]:
    """The instants (run_ms) at which this actor's dues, or the run's, may change by time."""
    if actor_id is None:
        yield from run.timers(state)
        return
    one = state.actors.get(actor_id)
    if one is not None:
        yield from actor.timers(one)
        yield from deadline.timers(one)
        yield from lease.timers(state, one)
        yield from approval.timers(one)
        yield from notify.timers(state, one)
