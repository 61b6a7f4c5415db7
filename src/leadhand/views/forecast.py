"""Forecast: what a manifest's run may become: who, at most how much, at most how long.

The figures come from the rules themselves, asked about a run that has just begun.
"""

from collections.abc import Collection, Iterator, Sequence
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from leadhand.briefing import briefing
from leadhand.domain import commands as c
from leadhand.domain import estimates, ledger
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.contract import CHECKS_SECS
from leadhand.domain.decide import decide
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.manifest import APPROVAL_TTL_SECS, HarnessName, Manifest, Settings, Task
from leadhand.domain.money import NANO, Price, bound, show
from leadhand.domain.prices import price_of
from leadhand.domain.rules import pace
from leadhand.domain.rules.spawn import task_worker
from leadhand.domain.rules.start import START_SECS
from leadhand.domain.rules.task import laid_out, release
from leadhand.domain.state import Run
from leadhand.refusals import Refused
from leadhand.views.words import counted, span

BEGINNING = Now(0, 0)
# Of the schemas of the tools that every lead has; a test holds it to them.
TOOLS_BYTES = 15_000


ROLES = {"sublead": "sub-lead"}


class Part(Struct, frozen=True):
    """One kind of actor. agent: empty for the lead and for workers of no agent. holds: what each
    sets aside, in nano-dollars, as an envelope of its own or as an estimate. refused: why not even
    one fits beside the lead's report."""

    role: str
    name: str
    agent: str
    model: str
    tools: tuple[str, ...]
    directory: str
    turns_max: int
    timeout_secs: int
    holds: int = 0
    envelope: bool = False
    refused: str = ""
    harness: HarnessName = "api"


class Divided(Struct, frozen=True):
    """What sub-leads a run may have. part: one as it is where its spawn says nothing; as large as
    it may be in what the manifest leaves open. each, workers: the most that one may have, in
    nano-dollars and at a time. subleads, all_workers: at a time, in the whole run. levels: on how
    many there may be sub-leads."""

    part: Part
    each: int
    workers: int
    subleads: int
    all_workers: int
    levels: int


class Bound(Struct, frozen=True):
    """A wait: until when at the latest (seconds), and what happens then."""

    what: str
    secs: int
    then: str


class Rate(Struct, frozen=True):
    """A model that the manifest names. local: nobody prices it, so it is free."""

    model: str
    price: Price
    local: bool


class Served(Struct, frozen=True):
    """An MCP server whose tools are offered. whose: roles and agents; empty for everybody."""

    name: str
    whose: tuple[str, ...]


class Forecast(Struct, frozen=True):
    """A run before it begins. Money in nano-dollars.

    slice: kept for the lead's report. first_call: what the lead's first call is held for.
    worst_secs: of the run's time; parks: what may come on top of it while a provider's quota is
    exhausted. trouble and mend: why the budget does not even pay the lead's first call.
    """

    lead: Part
    workers: tuple[Part, ...]
    max_workers: int
    max_total_spawns: int
    budget: int
    slice: int
    first_call: int
    worst_secs: int
    parks: str
    waits: tuple[Bound, ...]
    rates: tuple[Rate, ...]
    trouble: str = ""
    mend: str = ""
    divided: Divided | None = None
    servers: tuple[Served, ...] = ()


def forecast(
    manifest: Manifest, models: Collection[str], local: Collection[str], limits_secs: int
) -> Forecast:
    """What the run of a manifest without faults may become. Raises UnknownModel.

    models: those that it names; local: those of them that are free since nobody prices them.
    limits_secs: how long a call waits for its provider's limits.
    """
    # What comes once a plan is approved, where one is to be.
    approvals = replace(manifest.approvals, plan_required=False)
    manifest = replace(manifest, approvals=approvals)
    house, run = manifest.house, Run()
    began, spawned = decide(run, c.StartRun("forecast", manifest), BEGINNING)
    assert isinstance(spawned, e.ActorSpawned)
    for seq, event in enumerate((began, spawned), 1):
        evolve(run, event, At(seq, BEGINNING))
    if manifest.tasks:
        return of_tasks(run, spawned, models, local, limits_secs)
    need, trouble = first_call(run, spawned)
    workers = [worker(run, name) for name in ("", *manifest.agents)]
    lead, below = part(spawned), divided(run, manifest)
    kept = ledger.report_cost(run, lead.model, spawned.price, 0)
    lowest = ceil((kept + need) / NANO * 10_000) / 10_000
    mend = f"Give it at least {lowest:.4f}, or the lead a cheaper model" if trouble else ""
    return Forecast(
        lead=lead,
        workers=tuple(workers),
        max_workers=house.max_workers,
        max_total_spawns=house.max_total_spawns,
        budget=house.budget_nanousd,
        slice=run.envelopes[ROOT].slice,
        first_call=need,
        # The lead's last turn waits for its workers to wrap up; checks may go on after it.
        worst_secs=house.lead_timeout_secs + 2 * house.grace_secs + CHECKS_SECS,
        parks=parks(manifest),
        waits=tuple(waits(manifest, [*workers, *([below.part] if below else [])], limits_secs)),
        rates=tuple(Rate(each, price_of(manifest, each), each in local) for each in models),
        servers=tuple(Served(each.name, each.agents) for each in manifest.mcp_servers),
        trouble=trouble,
        mend=mend,
        divided=below,
    )


def of_tasks(
    run: Run,
    root: e.ActorSpawned,
    models: Collection[str],
    local: Collection[str],
    limits_secs: int,
) -> Forecast:
    """What a run of tasks may become."""
    manifest = run.manifest
    assert manifest is not None
    workers = [task_part(run, each) for each in manifest.tasks]
    house = manifest.house
    return Forecast(
        lead=part(root),
        workers=tuple(workers),
        max_workers=run.places,
        max_total_spawns=house.max_total_spawns,
        budget=house.budget_nanousd,
        slice=0,
        first_call=0,
        worst_secs=longest_secs(manifest, checked_secs(manifest, workers), run.places),
        parks=parks(manifest),
        waits=tuple(waits(manifest, workers, limits_secs)),
        rates=tuple(Rate(each, price_of(manifest, each), each in local) for each in models),
        servers=tuple(Served(each.name, each.agents) for each in manifest.mcp_servers),
    )


def task_part(run: Run, asked: Task) -> Part:
    """The worker of a task, if it started now."""
    assert run.manifest is not None
    try:
        spawned = task_worker(run, run.actors[ROOT], asked)
    except Refused as refusal:
        return Part("worker", asked.id, asked.agent, "", (), "", 0, 0, refused=refusal.message)
    return part(spawned)


def checked_secs(manifest: Manifest, workers: Sequence[Part]) -> list[int]:
    """How long each task may take, with its checks."""
    return [
        each.timeout_secs + CHECKS_SECS * task.contract.demands
        for task, each in zip(manifest.tasks, workers, strict=True)
    ]


def longest_secs(manifest: Manifest, timeouts: Sequence[int], places: int) -> int:
    """How long tasks may take at most if each takes all of its time: no schedule that keeps every
    place busy takes longer than the longest chain and an equal share of the rest (Graham 1969)."""
    own = {each.id: secs for each, secs in zip(manifest.tasks, timeouts, strict=True)}
    needs = {each.id: each.depends_on for each in manifest.tasks}
    chains: dict[str, int] = {}
    tasks = laid_out(manifest)
    while tasks.ready:
        task_id = next(iter(tasks.ready))
        del tasks.ready[task_id]
        chains[task_id] = own[task_id] + max((chains[need] for need in needs[task_id]), default=0)
        release(tasks, task_id)
    longest = max(chains.values(), default=0)
    return longest + ceil(max(0, sum(timeouts) - longest) / places)


def part(spawned: e.ActorSpawned) -> Part:
    """An actor that is about to be."""
    settings = spawned.settings
    return Part(
        role=spawned.role,
        name=spawned.label or spawned.agent or ROLES.get(spawned.role, spawned.role),
        agent=spawned.agent,
        model=settings.model or "",
        tools=settings.tools or (),
        directory=settings.directory or "",
        turns_max=settings.max_turns or 0,
        timeout_secs=settings.timeout_secs or 0,
        holds=spawned.envelope or spawned.estimate,
        envelope=spawned.envelope is not None,
        harness=settings.harness or "api",
    )


def first_call(run: Run, lead: e.ActorSpawned) -> tuple[int, str]:
    """What the lead's first call needs at least, and why it cannot be had, if it cannot: its
    tokens are taken as few, so that only what is impossible is called so."""
    read = len(f"{briefing(lead, run.house, [])}{lead.prompt}".encode()) + TOOLS_BYTES
    tokens = read // estimates.BYTES_PER_TOKEN
    command = c.AdmitCall(ROOT, CallId("first"), read, counted=tokens)
    whole = tokens + estimates.NOTICE_BYTES + ledger.overhead(run, lead.settings.model or "")
    need = bound(lead.price, whole, min(estimates.OUTPUT_MIN, lead.settings.max_tokens or 0))
    try:
        final = any(
            isinstance(each, e.CallAdmitted) and each.final
            for each in decide(run, command, BEGINNING)
        )
    except Refused:
        final = True
    if not final:
        return need, ""
    report = ledger.report_cost(run, lead.settings.model or "", lead.price, 0)
    budget = show(run.house.budget_nanousd)
    return need, (
        f"{budget} does not pay the lead's first call: its report keeps {show(report)}, and the "
        f"call needs {show(need)}"
    )


def worker(run: Run, agent: str) -> Part:
    """A worker of an agent, or of none, if the lead spawned one now and said no more of it."""
    command = c.SpawnActor(ROOT, CallId(f"spawn {agent}"), "", agent=agent)
    try:
        (spawned,) = decide(run, command, BEGINNING)
    except Refused as refusal:
        return Part("worker", agent or "worker", agent, "", (), "", 0, 0, refused=refusal.message)
    assert isinstance(spawned, e.ActorSpawned)
    return part(spawned)


def divided(run: Run, manifest: Manifest) -> Divided | None:
    """The sub-leads that a run may have, within its lead's money and time; None where it has
    none."""
    house, asked = manifest.house, manifest.subleads
    if asked is None:
        return None
    free = ledger.free(run.envelopes[ROOT])
    most = min(asked.max_sublead_budget_nanousd or free, free)
    amount = asked.settings.budget_nanousd or most
    workers = asked.max_workers or house.max_workers
    command = c.SpawnSublead(
        ROOT,
        CallId("spawn"),
        "",
        max_workers=workers,
        settings=Settings(budget_nanousd=amount),
    )
    try:
        spawned = decide(run, command, BEGINNING)[0]
        assert isinstance(spawned, e.ActorSpawned)
        found = part(spawned)
    except Refused as refusal:
        found = Part("sublead", "sub-lead", "", "", (), "", 0, 0, refused=refusal.message)
    subleads = min(asked.max_subleads or house.max_total_spawns, house.max_total_spawns)
    total = min(house.max_workers * (1 + subleads), house.max_total_spawns)
    return Divided(
        part=found,
        each=most,
        workers=house.max_workers,
        subleads=subleads,
        all_workers=min(asked.max_total_workers or total, total),
        levels=asked.max_depth - 1,
    )


def led_by(manifest: Manifest) -> str:
    """What runs the lead's session."""
    return manifest.lead.settings.harness or manifest.defaults.harness or "api"


def parks(manifest: Manifest) -> str:
    """What an exhausted quota adds to the time of the run."""
    if manifest.house.on_quota == "fail":
        return ""
    return (
        f"up to {span(pace.PARK_MAX_MS)} more each time that a provider's quota is exhausted, "
        f"{pace.PARKS_MAX} times in a row; then `leadhand resume` goes on"
    )


def waits(manifest: Manifest, workers: list[Part], limits_secs: int) -> Iterator[Bound]:
    """Everything that is waited for."""
    house = manifest.house
    grace = f"within {counted(house.grace_secs, 'second')} of grace"
    if not manifest.tasks:
        yield Bound(
            "the lead, and its waits for workers",
            house.lead_timeout_secs,
            f"its workers wrap up {grace}, then it reports within the same again",
        )
    for each in workers:
        if not each.refused:
            name = f"a worker of agent {each.agent}" if each.agent else "a worker"
            name = f"task {each.name}" if manifest.tasks else name
            if each.role == "sublead":
                ends = "its workers wrap up and it reports, before its lead's time is up"
                yield Bound("a sub-lead, and its waits for workers", each.timeout_secs, ends)
                continue
            yield Bound(name, each.timeout_secs, "it settles as TimedOut with what it said last")
    if not manifest.tasks or any(task.contract.demands for task in manifest.tasks):
        yield Bound("the checks of a result", CHECKS_SECS, "what is not checked by then fails")
    asked = [each.ttl_secs for each in manifest.approvals.policies if each.action == "block"]
    asked += [APPROVAL_TTL_SECS] if manifest.approvals.default == "block" else []
    if asked:
        yield Bound("a question to you", max(asked), "its fallback answers, mostly with no")
    yield Bound(
        "a call, for money that others have reserved",
        estimates.DEFER_MS // 1000,
        "its answer is made shorter, or it is refused",
    )
    ends = "the actor fails" if house.on_quota == "fail" else "the run is parked"
    if any(each.harness != "api" for each in workers) or led_by(manifest) != "api":
        then = "it fails, and says what there was too little of"
        yield Bound("a coding agent, for room on this machine", START_SECS, then)
    for server in manifest.mcp_servers:
        what = f"a call of the MCP server {server.name}"
        yield Bound(what, server.timeout_secs, "it fails, and the actor is told")
    yield Bound("a call, for a provider's limits", limits_secs, f"the call fails, or {ends}")
