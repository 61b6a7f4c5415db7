"""Remaining: what an actor has left of money, workers and time; it comes with every answer."""

from msgspec import Struct

from leadhand.domain import ledger
from leadhand.domain.clock import Now
from leadhand.domain.ids import ActorId
from leadhand.domain.money import as_usd
from leadhand.domain.rules import caps
from leadhand.domain.state import Run


class Remaining(Struct, frozen=True):
    """budget_usd: dollars free to spend; workers: that may be spawned now; secs: of its time."""

    budget_usd: float
    workers: int
    secs: int


def remaining(run: Run, actor_id: ActorId, now: Now) -> Remaining:
    """What the actor has left."""
    actor = run.live(actor_id)
    places = min(
        caps.places(run, actor) - actor.workers_live,
        run.house.max_total_spawns - run.spawned_total,
    )
    total = caps.total_places(run)
    if total is not None:
        places = min(places, total - caps.workers(run))
    closed = run.drain_until is not None or actor.final or actor.ending is not None
    closed = closed or actor.stop_at is not None
    secs = max(0, (actor.deadline or now.run_ms) - now.run_ms) // 1000
    return Remaining(
        budget_usd=as_usd(ledger.free(run.envelopes[actor.pool])),
        workers=0 if closed or actor.role == "worker" else max(0, places),
        secs=secs,
    )
