"""Ledger: the arithmetic of envelopes, reservations and holds.

Law: spent + reserved + held + granted + slice <= limit + excess, in every envelope, always.
"""

from collections.abc import Iterator

from leadhand.domain import estimates
from leadhand.domain.ids import ActorId, parent_id
from leadhand.domain.money import Price, bound
from leadhand.domain.state import Actor, Envelope, Record, Run


def used(envelope: Envelope) -> int:
    """All that is spent or set aside."""
    return envelope.spent + envelope.reserved + envelope.held + envelope.granted + envelope.slice


def free(envelope: Envelope) -> int:
    """What is left for anyone who draws on the envelope; never negative."""
    return max(0, envelope.limit - used(envelope))


def hold(actor: Actor) -> int:
    """What the actor's estimate still claims in its pool."""
    reserved = actor.call.bound if actor.call else 0
    return max(0, actor.estimate - actor.spent - reserved)


def room(run: Run, actor: Actor) -> int:
    """What the actor's next call may cost: what is free in its pool, and its own estimate."""
    return free(run.envelopes[actor.pool]) + hold(actor)


def left_of_grant(envelope: Envelope) -> int:
    """What a child's envelope may still spend, as its parent sees it."""
    return max(0, envelope.limit - envelope.spent)


def chain(run: Run, pool: ActorId) -> Iterator[Envelope]:
    """The envelopes that a cost counts in, nearest first."""
    at: ActorId | None = pool
    while at is not None:
        envelope = run.envelopes[at]
        yield envelope
        at = envelope.parent


def nearest(run: Run, actor: ActorId) -> ActorId:
    """Whose open envelope an actor that has settled drew on, or lies above the one it did."""
    at: ActorId | None = actor
    while at is not None and at not in run.envelopes:
        at = parent_id(at)
    return at or next(iter(run.envelopes))


def carve(run: Run, owner: ActorId, parent: ActorId | None, limit: int) -> None:
    """Make an envelope, out of the parent's where there is one, on which its owner draws."""
    run.envelopes[owner] = Envelope(limit, parent, users=1)
    if parent is not None:
        run.envelopes[parent].granted += limit
        run.envelopes[parent].users += 1


def join(run: Run, pool: ActorId, estimate: int = 0) -> None:
    """Let one more actor draw on an envelope, which holds its estimate for it."""
    run.envelopes[pool].users += 1
    run.envelopes[pool].held += estimate


def reserve(run: Run, actor: Actor, amount: int) -> None:
    """Set aside a call's bound; actor.call is set by the caller afterwards."""
    envelope = run.envelopes[actor.pool]
    before = hold(actor)
    envelope.reserved += amount
    envelope.held += max(0, actor.estimate - actor.spent - amount) - before


def settle(run: Run, actor: Actor, cost: int) -> None:
    """Close the actor's open call at this cost."""
    assert actor.call is not None
    envelope = run.envelopes[actor.pool]
    before = hold(actor)
    envelope.reserved -= actor.call.bound
    actor.call = None
    actor.spent += cost
    envelope.held += hold(actor) - before
    spend(run, actor.pool, cost)


def spend(run: Run, pool: ActorId, cost: int) -> None:
    """Book a cost in an envelope and all above; what passes a limit takes the report slice
    first and is excess then."""
    child: Envelope | None = None
    left_before = 0
    for envelope in chain(run, pool):
        if child is not None:
            envelope.granted += left_of_grant(child) - left_before
        left_before = left_of_grant(envelope)
        envelope.spent += cost
        over = used(envelope) - envelope.limit - envelope.excess
        if over > 0:
            cut = min(envelope.slice, over)
            envelope.slice -= cut
            envelope.excess += over - cut
        child = envelope
    run.spent += cost


def release(run: Run, actor: Actor) -> None:
    """Free what a settling actor still claims; its own envelope goes back to its parent's once
    nobody draws on it, which others may longer than its owner."""
    envelope = run.envelopes[actor.pool]
    envelope.held -= hold(actor)
    actor.estimate = 0
    if actor.pool == actor.id:
        envelope.slice = 0
    leave(run, actor.pool)


def leave(run: Run, owner: ActorId) -> None:
    """Let one less draw on an envelope; the last one gives back what is left."""
    envelope = run.envelopes[owner]
    envelope.users -= 1
    if envelope.users or envelope.parent is None:
        return
    run.envelopes[envelope.parent].granted -= left_of_grant(envelope)
    del run.envelopes[owner]
    leave(run, envelope.parent)


def spent_below(run: Run, top: ActorId) -> int:
    """What an actor and all below it have cost; its own part alone where nobody can be."""
    one = run.actors.get(top) or run.records[top]
    if one.role == "worker":
        return one.spent
    if top in run.envelopes and one.stint == 1:
        return run.envelopes[top].spent
    everyone: list[Actor | Record] = [*run.actors.values(), *run.records.values()]
    return sum(each.spent for each in everyone if f"{each.id}/".startswith(f"{top}/"))


def report_cost(run: Run, model: str, price: Price, context_tokens: int) -> int:
    """What one report turn of an actor costs at this context."""
    tokens = context_tokens + estimates.REPORT_GROWTH + overhead(run, model)
    return bound(price, tokens, estimates.REPORT_OUTPUT)


def slice_report(run: Run, actor: Actor, report: int | None = None) -> None:
    """Keep, for the owner of an envelope, what its report turn costs, as far as there is room."""
    if actor.pool != actor.id:
        return
    envelope = run.envelopes[actor.id]
    if report is not None:
        envelope.report = report
    room = envelope.limit - (used(envelope) - envelope.slice)
    envelope.slice = max(0, min(envelope.report, room))


def overhead(run: Run, model: str) -> int:
    """Tokens that this model's provider adds to a request."""
    return run.overheads.get(model, estimates.OVERHEAD)
