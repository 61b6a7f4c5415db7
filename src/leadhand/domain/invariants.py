"""Invariants: what must always hold of a run, as sentences."""

from collections import Counter
from collections.abc import Iterator

from leadhand.domain import ledger
from leadhand.domain.ids import ROOT, depth
from leadhand.domain.rules import contract
from leadhand.domain.rules.kv import ENTRIES_MAX, LAYER_MAX
from leadhand.domain.rules.notify import ATTEMPTS_MAX, PENDING_MAX, SHORT
from leadhand.domain.state import Run


def broken(run: Run) -> list[str]:
    """The sentences that do not hold; empty for every run that only the rules have touched."""
    return [
        *_money(run),
        *_actors(run),
        *_roles(run),
        *_caps(run),
        *_approvals(run),
        *contract.broken(run),
        *_pauses(run),
        *_workspaces(run),
        *_store(run),
        *_leases(run),
        *_outbox(run),
    ]


def _money(run: Run) -> Iterator[str]:
    users = Counter(each.pool for each in run.actors.values())
    users.update(each.parent for each in run.envelopes.values() if each.parent)
    for owner, envelope in run.envelopes.items():
        parts = {
            "spent": envelope.spent,
            "reserved": envelope.reserved,
            "held": envelope.held,
            "granted": envelope.granted,
            "slice": envelope.slice,
            "excess": envelope.excess,
        }
        yield from (f"{owner}: {name} is negative" for name, value in parts.items() if value < 0)
        if ledger.used(envelope) > envelope.limit + envelope.excess:
            yield f"{owner}: more is spent and set aside than its limit and excess"
        drawing = [each for each in run.actors.values() if each.pool == owner]
        if envelope.reserved != sum(each.call.bound for each in drawing if each.call):
            yield f"{owner}: what is reserved is not what its calls in flight may cost"
        if envelope.held != sum(ledger.hold(each) for each in drawing):
            yield f"{owner}: what is held is not what its workers' estimates still claim"
        children = [each for each in run.envelopes.values() if each.parent == owner]
        if envelope.granted != sum(map(ledger.left_of_grant, children)):
            yield f"{owner}: what is granted is not what its children may still spend"
        if envelope.users != users[owner]:
            yield f"{owner}: those who draw on its envelope are not those that are counted"
        if envelope.parent and not envelope.users:
            yield f"{owner}: nobody draws on its envelope, and it did not go back"
        if owner not in run.actors and envelope.slice:
            yield f"{owner}: a settled actor keeps a report slice"
    if ROOT in run.envelopes and run.spent != run.envelopes[ROOT].spent:
        yield "the run's spend is not that of its root envelope"
    live = sum(each.spent for each in run.actors.values())
    if run.spent != live + sum(each.spent for each in run.records.values()):
        yield "what the actors have spent is not what the run has"
    if run.spent != sum(each.spent for each in run.models.values()) + run.late:
        yield "the models have not cost what the run has spent"


def _actors(run: Run) -> Iterator[str]:
    for each in run.actors.values():
        if each.id in run.records:
            yield f"{each.id}: is live and settled"
        if each.parent and each.parent in run.actors:
            if each.id not in run.actors[each.parent].live_children:
                yield f"{each.id}: its parent does not know it"
        for child in each.live_children:
            if child not in run.actors:
                yield f"{each.id}: its child {child} is not live"
        if each.pool not in run.envelopes:
            yield f"{each.id}: draws on an envelope that is not there"
        if each.call and each.deferral:
            yield f"{each.id}: its call is both in flight and waiting"
        if each.turns > each.turns_max + 1:
            yield f"{each.id}: took more turns than it may"
    if run.finished_wall_ms is not None and (run.actors or run.parked):
        yield "the run is finished, and parked or someone is live"


def _roles(run: Run) -> Iterator[str]:
    for each in run.actors.values():
        if each.role == "worker" and each.live_children:
            yield f"{each.id}: a worker has workers"
        if each.role == "sublead" and each.pool != each.id:
            yield f"{each.id}: a sub-lead has no envelope of its own"
        workers = sum(
            run.actors[child].role == "worker"
            for child in each.live_children
            if child in run.actors
        )
        if workers != each.workers_live:
            yield f"{each.id}: its workers that live are not those that are counted"


def _caps(run: Run) -> Iterator[str]:
    workers = sum(each.role == "worker" for each in run.actors.values())
    if workers != run.workers_live:
        yield "the workers that live are not those that are counted"
    if run.failed != sum(each.status != "Success" for each in run.records.values()):
        yield "the actors that failed are not those that are counted"
    own = sum(each.role == "worker" and each.parent == ROOT for each in run.actors.values())
    if own > max(run.places, run.workers_kept):
        yield "more workers are live than there are places"
    yield from _subleads(run)
    if run.spawned_total > run.house.max_total_spawns:
        yield "more workers were spawned than max_total_spawns"


def _subleads(run: Run) -> Iterator[str]:
    found = [each for each in run.actors.values() if each.role == "sublead"]
    if len(found) != run.subleads_live:
        yield "the sub-leads that live are not those that are counted"
    for each in found:
        if each.workers_live > each.max_workers:
            yield f"{each.id}: has more workers than its max_workers"
    within = run.manifest.subleads if run.manifest else None
    if within is None:
        if found:
            yield "there are sub-leads, which are not allowed"
        return
    if within.max_subleads is not None and len(found) > within.max_subleads:
        yield "more sub-leads are live than max_subleads"
    if within.max_total_workers is not None and run.workers_live > within.max_total_workers:
        yield "more workers are live than max_total_workers"
    if max(map(depth, run.actors), default=0) > within.max_depth:
        yield "somebody works deeper than max_depth"


def _pauses(run: Run) -> Iterator[str]:
    paused = [each for each in run.actors.values() if each.paused]
    if run.paused != len(paused):
        yield "the actors that are paused are not those that are counted"
    for each in paused:
        cancelled = each.paused is not None and each.paused.mode == "cancel"
        if cancelled and not each.halting and each.deferral:
            yield f"{each.id}: is paused, but its call waits to be admitted"


def _workspaces(run: Run) -> Iterator[str]:
    for actor, each in run.workspaces.items():
        if actor not in run.actors and actor not in run.records:
            yield f"{actor}: has a worktree, but is nobody"
        if actor in run.actors and each.state in ("kept", "removed"):
            yield f"{actor}: is live, but its worktree was tidied"
        if actor in run.records and each.state == "wanted":
            yield f"{actor}: has settled, and still wants a worktree"
        if run.finished_wall_ms is not None and each.state not in ("kept", "removed"):
            yield f"{actor}: the run is finished, and its worktree was not looked at"


def _store(run: Run) -> Iterator[str]:
    for owner, layer in run.layers.items():
        if layer.size != sum(each.size for each in layer.entries.values()):
            yield f"{owner}: the size of its store is not that of its entries"
        if layer.size > LAYER_MAX or len(layer.entries) > ENTRIES_MAX:
            yield f"{owner}: its store holds more than it may"


def _leases(run: Run) -> Iterator[str]:
    vacant = [
        key
        for key, lease in run.leases.items()
        if not lease.holder
        and any(each in run.actors and run.actors[each].paused is None for each in lease.queue)
    ]
    if sorted(vacant) != sorted(run.vacant):
        yield "the leases to be granted are not those that are marked"
    for key, lease in run.leases.items():
        if lease.holder and lease.holder not in run.actors:
            yield f"{key}: is held by {lease.holder}, who is not live"
        elif lease.holder and key not in run.actors[lease.holder].leases:
            yield f"{key}: its holder does not know that it holds it"
        if lease.holder in lease.queue:
            yield f"{key}: its holder waits for it"
        for actor, waiter in lease.queue.items():
            wait = run.actors[actor].waits.get(waiter.call) if actor in run.actors else None
            if wait is None or wait.lease != key:
                yield f"{key}: {actor} is in its queue, but does not wait"
    for each in run.actors.values():
        for key in each.leases:
            if run.leases[key].holder != each.id:
                yield f"{each.id}: believes that it holds {key}"


def _approvals(run: Run) -> Iterator[str]:
    waiting = {
        each.id: (actor.id, call)
        for actor in run.actors.values()
        for call, each in actor.approvals.items()
        if each.answer is None
    }
    if run.questions != waiting:
        yield "the questions that wait are not those of the live actors"
    for actor in run.actors.values():
        for each in actor.approvals.values():
            if each.used and not (each.answer and each.answer.approved):
                yield f"{each.id}: was used without an approval"


def _outbox(run: Run) -> Iterator[str]:
    sinks = len(run.manifest.notifications) if run.manifest else 0
    for key, each in run.outbox.pending.items():
        mark = SHORT if each.event == "budget_exceeded" else ""
        if key != f"{each.seq}-{each.sink}{mark}" or each.sink >= sinks or each.seq > run.seq:
            yield f"{key}: is a notice of no event, or to no sink"
        if each.attempts >= ATTEMPTS_MAX:
            yield f"{key}: is tried more often than any notice is"
    failed = sum(each.event == "worker_failed" for each in run.outbox.pending.values())
    if failed > PENDING_MAX:
        yield "more workers that failed wait to be told of than may"
