"""Workers: the tools by which a lead sees, and ends, its workers, and sees its house rules."""

from msgspec import Struct

from leadhand.domain import commands as c
from leadhand.domain import ledger
from leadhand.domain.ids import ActorId
from leadhand.domain.money import as_usd
from leadhand.domain.rules.actor import find, sees
from leadhand.domain.rules.caps import places
from leadhand.domain.state import Actor, Record, Run
from leadhand.domain.text import one_line
from leadhand.harness import Owner
from leadhand.refusals import ToolNotAllowed
from leadhand.tool import LEADS, Caller, Effect, Handler, Tool
from leadhand.tools.spawn import named
from leadhand.views.remaining import Remaining, remaining


class ListWorkers(Struct, frozen=True, forbid_unknown_fields=True):
    """list_workers takes no arguments."""


class HouseRules(Struct, frozen=True, forbid_unknown_fields=True):
    """house_rules takes no arguments."""


class WorkerStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of worker_status: one of the ids."""

    worker_id: str = ""
    task_id: str = ""
    actor_id: str = ""


class CancelWorker(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of cancel_worker: one of the ids, and why."""

    worker_id: str = ""
    task_id: str = ""
    actor_id: str = ""
    reason: str = ""


class Seen(Struct, frozen=True, omit_defaults=True):
    """A worker or sub-lead as its lead sees it. state: queued, running, paused, frozen, checking,
    cancelling, or how it settled. cost_usd: of a sub-lead, all below it included. outcome:
    verified, unverified or refuted by the checks of its work."""

    worker_id: ActorId
    state: str
    label: str
    last_step: str
    cost_usd: float
    turns: int
    agent: str = ""
    model: str = ""
    result_preview: str = ""
    error: str = ""
    role: str = ""
    max_workers: int = 0
    outcome: str = ""


class Workers(Struct, frozen=True):
    """All workers, live and settled."""

    workers: list[Seen]
    remaining: Remaining


class OneWorker(Struct, frozen=True):
    """One worker."""

    worker: Seen
    remaining: Remaining


class Rules(Struct, frozen=True):
    """The house rules, and what is left within them."""

    max_workers: int
    max_total_spawns: int
    budget_usd: float
    spent_usd: float
    lead_timeout_secs: int
    spawned_total: int
    remaining: Remaining


def worker_tools(owner: Owner) -> list[Tool]:
    """The tools, for one run."""

    def left(caller: Caller) -> Remaining:
        return remaining(owner.run, caller.actor_id, owner.now())

    def shown(caller: Caller, found: ActorId) -> OneWorker:
        one = owner.run.actors.get(found) or owner.run.records[found]
        return OneWorker(seen(owner.run, one), left(caller))

    async def list_workers(caller: Caller, args: ListWorkers) -> Workers:
        everyone: list[Actor | Record] = [*owner.run.records.values(), *owner.run.actors.values()]
        run, me = owner.run, caller.actor_id
        own = [each for each in everyone if each.id != me and sees(run, me, each.id, reads=True)]
        own.sort(key=lambda each: (len(each.id), each.id))
        return Workers([seen(run, each) for each in own], left(caller))

    async def worker_status(caller: Caller, args: WorkerStatus) -> OneWorker:
        name = named(args.worker_id, args.task_id, args.actor_id)
        return shown(caller, find(owner.run, name, caller.actor_id, reads=True))

    async def cancel_worker(caller: Caller, args: CancelWorker) -> OneWorker:
        name = named(args.worker_id, args.task_id, args.actor_id)
        found = find(owner.run, name, caller.actor_id)
        if found == caller.actor_id:
            raise ToolNotAllowed("a lead does not cancel itself", "End with your final report.")
        reason = one_line(args.reason, 500) or "cancelled by its lead"
        await owner.submit(c.CancelActor(found, reason, by=caller.actor_id))
        return shown(caller, found)

    async def house_rules(caller: Caller, args: HouseRules) -> Rules:
        house, one = owner.run.house, owner.run.live(caller.actor_id)
        own = owner.run.envelopes[one.pool]
        return Rules(
            max_workers=places(owner.run, one),
            max_total_spawns=house.max_total_spawns,
            budget_usd=as_usd(own.limit),
            spent_usd=as_usd(own.spent),
            lead_timeout_secs=one.timeout_ms // 1000,
            spawned_total=owner.run.spawned_total,
            remaining=left(caller),
        )

    return [
        _tool(list_workers, ListWorkers, "Your workers, live and settled: state, last step, cost."),
        _tool(worker_status, WorkerStatus, "One worker: state, last step, cost."),
        _tool(cancel_worker, CancelWorker, "End a worker that is no longer needed; say why."),
        _tool(house_rules, HouseRules, "Your limits, and what is left: money, workers, time."),
    ]


def _tool(handler: Handler, args: type[Struct], description: str) -> Tool:
    """A tool with the name of its handler."""
    name = handler.__name__
    effect: Effect = "keyed" if name == "cancel_worker" else "reads"
    return Tool(name, description, args, LEADS, effect, "orchestration", handler)


def seen(run: Run, one: Actor | Record) -> Seen:
    """A worker or sub-lead as its lead sees it."""
    settled = one if isinstance(one, Record) else None
    return Seen(
        worker_id=one.id,
        state=state_of(one),
        label=one.label,
        last_step=one.last_step if isinstance(one, Actor) else "",
        cost_usd=as_usd(ledger.spent_below(run, one.id)),
        turns=one.turns,
        agent=one.agent,
        model=one.model,
        result_preview=settled.preview if settled else "",
        error=settled.error if settled else "",
        role="" if one.role == "worker" else one.role,
        max_workers=one.max_workers,
        outcome=settled.outcome if settled else "",
    )


def state_of(one: Actor | Record) -> str:
    """The state of an actor, for models and people."""
    if isinstance(one, Record):
        return one.status
    if one.ending is not None:
        return "cancelling"
    if one.paused is not None:
        return "frozen" if one.paused.mode == "freeze" else "paused"
    if one.duty.claimed_at is not None:
        return "checking"
    return "queued" if one.started_at is None else "running"
