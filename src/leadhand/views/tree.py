"""Tree: a run at a glance: its lead, its workers, what each does, and what it all has cost."""

from heapq import nlargest

from msgspec import Struct

from leadhand.domain.clock import Now
from leadhand.domain.ids import ROOT, ActorId, short
from leadhand.domain.ledger import spent_below
from leadhand.domain.rules.caps import total_places, workers
from leadhand.domain.state import Actor, Record, Run
from leadhand.views.words import counted, doing, line, order, state_of

LEAD, SUBLEAD, WORKER = "★", "☆", "▸"
GLYPHS = {"lead": LEAD, "tasks": LEAD, "sublead": SUBLEAD}


class Branch(Struct, frozen=True):
    """One actor. name: a lead's own name, else the last step of its path. step: what it does now,
    or the last that it said. spent: nano-dollars, of a sub-lead with all below it. envelope: what
    a live sub-lead may spend."""

    id: ActorId
    depth: int
    glyph: str
    name: str
    label: str
    state: str
    step: str
    turns: int
    spent: int
    elapsed_ms: int
    envelope: int | None = None


class Tree(Struct, frozen=True):
    """A run with its branches in the order of their paths. hidden: how many are left out.
    live: workers, of whom the leads that there are may have max_workers. grace_ms: what is left for
    wrapping up while the run drains; None where it does not. parked_ms: how long it stays parked, 0
    where nobody knows; None where it is not. subleads: ever spawned.
    questions: how many wait for the operator; paused: how many actors do."""

    run_id: str
    status: str
    branches: tuple[Branch, ...]
    hidden: int
    spawned: int
    live: int
    max_workers: int
    spent: int
    budget: int
    elapsed_ms: int
    grace_ms: int | None
    parked_ms: int | None = None
    subleads: int = 0
    questions: int = 0
    paused: int = 0


def tree(run: Run, now: Now, rows: int = 1_000) -> Tree:
    """The run now, in at most this many rows: the live, the failed, the latest settled."""
    live = sorted(run.actors.values(), key=lambda each: order(each.id))[:rows]
    settled = nlargest(rows - len(live), run.records.values(), key=worth_showing)
    branches = [branch_of_live(run, each, now) for each in live]
    everyone: list[Actor | Record] = [*run.actors.values(), *run.records.values()]
    subleads = sum(each.role == "sublead" for each in everyone)
    branches += [branch_of_settled(run, each) for each in settled]
    draining = run.drain_until is not None and run.finished_wall_ms is None
    return Tree(
        run_id=run.id,
        status=run.status or "",
        branches=tuple(sorted(branches, key=lambda each: order(each.id))),
        hidden=len(run.actors) + len(run.records) - len(branches),
        spawned=run.spawned_total - subleads,
        live=workers(run),
        max_workers=places_now(run),
        spent=run.spent,
        budget=run.house.budget_nanousd,
        elapsed_ms=run.run_ms if run.finished_wall_ms is not None else now.run_ms,
        grace_ms=max(0, (run.drain_until or 0) - now.run_ms) if draining else None,
        parked_ms=max(0, run.parked.until - now.wall_ms) if run.parked else None,
        subleads=subleads,
        questions=len(run.questions),
        paused=run.paused,
    )


def places_now(run: Run) -> int:
    """How many workers the leads that live may have."""
    places = run.places + sum(each.max_workers for each in run.actors.values())
    return min(places, total_places(run) or places)


def worth_showing(record: Record) -> tuple[bool, bool, int]:
    """What decides which of the settled are shown where there is not room for all."""
    return record.id == ROOT, record.status != "Success", record.final_seq


def branch_of_live(run: Run, actor: Actor, now: Now) -> Branch:
    """A live actor."""
    since = actor.spawned_at if actor.started_at is None else actor.started_at
    return branch(run, actor, doing(actor, now), max(0, now.run_ms - since))


def branch_of_settled(run: Run, record: Record) -> Branch:
    """A settled actor: why it failed, what a lead reported, or what a worker said last."""
    step = line(record.error or record.preview)
    if record.id == ROOT and run.report_by == "lead":
        disputed = f"; the log disagrees in {counted(run.mismatches, 'point')}"
        step = f"reported {run.report_status}" + (disputed if run.mismatches else "")
    return branch(run, record, step, record.duration_ms)


def branch(run: Run, one: Actor | Record, step: str, elapsed_ms: int) -> Branch:
    """An actor as the tree shows it."""
    lead = one.role in ("lead", "tasks")
    envelope = run.envelopes.get(one.id)
    return Branch(
        id=one.id,
        depth=one.id.count("/"),
        glyph=GLYPHS.get(one.role, WORKER),
        name=line(one.label, 40) if lead and one.label else short(one.id),
        label="" if lead else line(one.label or one.agent, 80),
        state=state_of(one),
        step=step,
        turns=one.turns,
        spent=spent_below(run, one.id) if one.role == "sublead" else one.spent,
        elapsed_ms=elapsed_ms,
        envelope=envelope.limit if envelope is not None and one.role == "sublead" else None,
    )
