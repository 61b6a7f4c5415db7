"""Ledger: the arithmetic of envelopes, reservations and holds.

Law: spent + reserved + held + granted + slice <= limit + excess, in every envelope, always.
"""

from collections.abc import Iterator

from leadhand.domain import estimates
from leadhand.domain.ids import ActorId
from leadhand.domain.money import Price, bound
from leadhand.domain.state import Actor, Envelope, Run


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


def carve(run: Run, owner: ActorId, parent: ActorId | None, limit: int) -> None:
    """Make an envelope, out of the parent's where there is one."""
    run.envelopes[owner] = Envelope(limit, parent)
    if parent is not None:
        run.envelopes[parent].granted += limit


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
    """Free what a settling actor still claims; its own envelope goes back to its parent's."""
    envelope = run.envelopes[actor.pool]
    envelope.held -= hold(actor)
    actor.estimate = 0
    if actor.pool != actor.id:
        return
    envelope.slice = 0
    if envelope.parent is not None:
        run.envelopes[envelope.parent].granted -= left_of_grant(envelope)
        del run.envelopes[actor.id]


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
