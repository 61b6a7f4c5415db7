"""Lease: a name that one actor holds at a time, for a while, granted in the order of asking.

Each grant has a fence that is higher than all before it. What follows when a lease gets free is
not decided here at once: the fold marks it as vacant, and `due` has it granted.
"""

from collections.abc import Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain import layers
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.state import Actor, Lease, Run, Wait, Waiter
from leadhand.refusals import InvalidArguments, LeaseHeld, NotHolder, Settled, StoreFull

HELD_MAX = 100
NAMES_MAX = 10_000


def acquire(run: Run, command: c.AcquireLease, now: Now) -> list[e.Event]:
    """Give the lease, renew it, or let the actor wait for it; the same call asks once.

    Raises Settled, InvalidArguments, StoreFull, and LeaseHeld where it is not to wait.
    """
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    key = layers.lease_key(run, actor.id, command.name, command.run_wide)
    lease = run.leases.get(key)
    wait = actor.waits.get(command.call)
    if wait is not None and (wait.lease != key or goes_on(run, actor, wait, now)):
        return []
    until = now.run_ms + command.ttl_secs * 1000
    if lease is None:
        check_names(run)
        lease = Lease()
    if lease.holder == actor.id and now.run_ms < lease.until:
        if lease.call == command.call:
            return []
        return [
            e.LeaseRenewed(actor.id, call=command.call, lease=key, fence=lease.fence, until=until)
        ]
    check_held(actor)
    freed = expired(key, lease, now)
    if not any(ready(run, lease)) and (freed or not lease.holder):
        return [*freed, granted(actor.id, command.call, key, lease.fence + 1, until)]
    if actor.id in lease.queue:
        raise InvalidArguments(
            f"another call of yours waits for {layers.lease_name(key)} already",
            "Wait for its answer.",
        )
    if command.wait_secs <= 0:
        raise LeaseHeld(f"{layers.lease_name(key)} is held by {holder(lease)}", record=freed)
    return [
        *freed,
        e.WaitOpened(
            actor.id,
            call=command.call,
            until=actor.may_wait_until(now.run_ms, command.wait_secs),
            lease=key,
            ttl_secs=command.ttl_secs,
        ),
    ]


def goes_on(run: Run, actor: Actor, wait: Wait, now: Now) -> bool:
    """Whether a wait that this call began before a crash goes on, or is over. It does not where its
    lease was granted and has expired before anybody could be told: it is asked for anew."""
    waiting = waits(run, actor.id, wait.call, wait.lease)
    held = run.leases[wait.lease]
    return waiting or now.run_ms >= wait.until or is_of(held, actor.id, wait.call)


def is_of(lease: Lease, actor: ActorId, call: CallId) -> bool:
    """Whether the actor holds the lease by this call."""
    return lease.holder == actor and lease.call == call


def holder(lease: Lease) -> ActorId:
    """Who holds a lease; of one that is free for those who wait, who is the next to."""
    return lease.holder or next(iter(lease.queue), ActorId(""))


def check_names(run: Run) -> None:
    """Refuse one more name than a run may know. Raises StoreFull."""
    # A fence never falls, so a name is known for ever.
    if len(run.leases) >= NAMES_MAX:
        raise StoreFull(
            f"the run has had leases of {NAMES_MAX} names, the most", "Use a name that there is."
        )


def check_held(actor: Actor) -> None:
    """Refuse one more lease than an actor may hold. Raises StoreFull."""
    if len(actor.leases) + sum(bool(each.lease) for each in actor.waits.values()) >= HELD_MAX:
        raise StoreFull(
            f"you hold or wait for {HELD_MAX} leases, the most",
            "Release those that you no longer need.",
        )


def granted(actor: ActorId, call: CallId, key: str, fence: int, until: int) -> e.LeaseGranted:
    """The event of a grant."""
    return e.LeaseGranted(actor, call=call, lease=key, fence=fence, until=until)


def expired(key: str, lease: Lease, now: Now) -> list[e.Event]:
    """The event of a lease whose time is up; none where it is not."""
    if not lease.holder or now.run_ms < lease.until:
        return []
    return [e.LeaseExpired(lease.holder, lease=key, fence=lease.fence)]


def leave(run: Run, command: c.LeaveLease, now: Now) -> list[e.Event]:
    """Take the call's actor out of the queue; nothing where it is not in it."""
    actor = run.actors.get(command.actor)
    wait = actor.waits.get(command.call) if actor else None
    if actor is None or wait is None or not wait.lease:
        return []
    if not waits(run, actor.id, command.call, wait.lease):
        return []
    return [e.LeaseLeft(actor.id, call=command.call, lease=wait.lease)]


def waits(run: Run, actor: ActorId, call: CallId, key: str) -> bool:
    """Whether the actor waits for the lease by this call."""
    waiter = run.leases[key].queue.get(actor)
    return waiter is not None and waiter.call == call


def release(run: Run, command: c.ReleaseLease, now: Now) -> list[e.Event]:
    """Free a lease of the actor's; the same call frees once. Raises Settled, InvalidArguments,
    NotHolder."""
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if run.has_done(actor.id, command.call):
        return []
    key = layers.lease_key(run, actor.id, command.name, command.run_wide)
    lease = run.leases.get(key, Lease())
    late = expired(key, lease, now)
    if lease.holder == actor.id and not late:
        return [e.LeaseReleased(actor.id, call=command.call, lease=key, fence=lease.fence)]
    has = "nobody" if late or not lease.holder else lease.holder
    name = layers.lease_name(key)
    if actor.id in (lease.lost_by, *(each.actor for each in late)):
        raise NotHolder(f"your lease of {name} has expired; {has} holds it now", record=late)
    raise NotHolder(f"you do not hold {name}; {has} does", record=late)


def grant(run: Run, command: c.GrantLease, now: Now) -> list[e.Event]:
    """Give a vacant lease to the first who still waits. Who is paused keeps its place, and is
    passed by."""
    lease = run.leases.get(command.lease)
    if lease is None or lease.holder:
        return []
    events: list[e.Event] = []
    for actor_id, waiter in ready(run, lease):
        actor = run.actors[actor_id]
        if now.run_ms < actor.waits[waiter.call].until and actor.ending is None:
            until = now.run_ms + waiter.ttl_secs * 1000
            fence = lease.fence + 1
            events.append(granted(actor_id, waiter.call, command.lease, fence, until))
            break
        events.append(e.LeaseLeft(actor_id, call=waiter.call, lease=command.lease))
    return events


def ready(run: Run, lease: Lease) -> Iterator[tuple[ActorId, Waiter]]:
    """Who waits for a lease and may have it now: who is not paused, in the order of asking."""
    for actor_id, waiter in lease.queue.items():
        if run.actors[actor_id].paused is None:
            yield actor_id, waiter


def expire(run: Run, command: c.ExpireLease, now: Now) -> list[e.Event]:
    """End a lease whose time is up."""
    lease = run.leases.get(command.lease)
    return expired(command.lease, lease, now) if lease else []


def evolve_waits(run: Run, event: e.WaitOpened, at: At) -> None:
    """Put who waits for a lease at the end of its queue."""
    if event.lease:
        lease = run.leases[event.lease]
        lease.queue[event.actor] = Waiter(event.call, event.ttl_secs)
        mark(run, event.lease, lease)


def evolve_granted(run: Run, event: e.LeaseGranted, at: At) -> None:
    """The actor holds it, and waits no longer."""
    lease = run.leases.setdefault(event.lease, Lease())
    lease.fence, lease.holder = event.fence, event.actor
    lease.call, lease.until = event.call, event.until
    lease.queue.pop(event.actor, None)
    if lease.lost_by == event.actor:
        lease.lost_by = ActorId("")
    run.actors[event.actor].leases[event.lease] = None
    mark(run, event.lease, lease)


def evolve_renewed(run: Run, event: e.LeaseRenewed, at: At) -> None:
    """It lasts longer."""
    lease = run.leases[event.lease]
    lease.call, lease.until = event.call, event.until


def evolve_released(run: Run, event: e.LeaseReleased, at: At) -> None:
    """It is free."""
    free(run, run.actors[event.actor], event.lease)
    run.done(event.actor, event.call, event.fence)


def evolve_expired(run: Run, event: e.LeaseExpired, at: At) -> None:
    """It is free, and who held it will be told so."""
    free(run, run.actors[event.actor], event.lease)
    run.leases[event.lease].lost_by = event.actor


def evolve_left(run: Run, event: e.LeaseLeft, at: At) -> None:
    """The actor is out of the queue."""
    leave_queue(run, event.actor, event.call, event.lease)


def evolve_returned(run: Run, event: e.ToolReturned, at: At) -> None:
    """Who has its answer waits no longer."""
    wait = run.actors[event.actor].waits.get(event.call)
    if wait is not None and wait.lease:
        leave_queue(run, event.actor, event.call, wait.lease)


def evolve_settling(run: Run, event: e.ActorSettled, at: At) -> None:
    """Free all that the actor holds and waits for."""
    actor = run.actors[event.actor]
    for wait in actor.waits.values():
        if wait.lease:
            leave_queue(run, actor.id, wait.call, wait.lease)
    for key in [*actor.leases]:
        free(run, actor, key)


def leave_queue(run: Run, actor: ActorId, call: CallId, key: str) -> None:
    """Take the actor out of a queue, where this call of it is in it."""
    if waits(run, actor, call, key):
        lease = run.leases[key]
        del lease.queue[actor]
        mark(run, key, lease)


def free(run: Run, actor: Actor, key: str) -> None:
    """Nobody holds the lease."""
    lease = run.leases[key]
    lease.holder, lease.call, lease.until = ActorId(""), CallId(""), 0
    actor.leases.pop(key, None)
    mark(run, key, lease)


def evolve_paused(run: Run, event: e.ActorPaused | e.ActorUnpaused, at: At) -> None:
    """What the actor waits for is to be granted to others, or to it again."""
    for wait in run.actors[event.actor].waits.values():
        if wait.lease:
            mark(run, wait.lease, run.leases[wait.lease])


def mark(run: Run, key: str, lease: Lease) -> None:
    """Keep whether the lease is to be granted."""
    if not lease.holder and any(ready(run, lease)):
        run.vacant[key] = None
    else:
        run.vacant.pop(key, None)


def grants_due(run: Run) -> Iterator[fx.Effect]:
    """Grant what is free while others wait for it."""
    yield from (fx.Submit(c.GrantLease(key)) for key in run.vacant)


def due(run: Run, actor: Actor, now: Now) -> Iterator[fx.Effect]:
    """End the actor's leases whose time is up."""
    for key in actor.leases:
        if now.run_ms >= run.leases[key].until:
            yield fx.Submit(c.ExpireLease(key))


def timers(run: Run, actor: Actor) -> Iterator[int]:
    """When `due` may change by time alone."""
    yield from (run.leases[key].until for key in actor.leases)
