"""Spawn: how an actor comes to be, once, within the caps and the budget of its parent."""

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import estimates, ledger
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.contract import NOTHING
from leadhand.domain.ids import ROOT, ActorId, CallId, short, worker_id
from leadhand.domain.manifest import (
    BASE,
    KNOWN_TOOLS,
    LEAD_TOOLS,
    Manifest,
    Settings,
    Task,
    layered,
)
from leadhand.domain.prices import price_of, window_of
from leadhand.domain.rules import approval, budget, caps, contract, task
from leadhand.domain.rules.actor import lean
from leadhand.domain.state import Actor, Run
from leadhand.domain.text import one_line
from leadhand.refusals import (
    BudgetExceeded,
    InvalidArguments,
    Refused,
    Settled,
    ToolNotAllowed,
    WriteClaimOverlaps,
)

LEAD_TURNS = 200


def with_limit(settings: Settings) -> Settings:
    """The settings with the length above which a conversation is compacted, in tokens: what the
    model can read bounds it."""
    if settings.compact_above_tokens is not None:
        return settings
    window = window_of(settings.model or "") or estimates.WINDOW_UNKNOWN
    limit = min(estimates.COMPACT_ABOVE, window * 3 // 4)
    return replace(settings, compact_above_tokens=limit)


def lead_settings(manifest: Manifest) -> Settings:
    """How the lead works, all filled in."""
    timeout = Settings(timeout_secs=manifest.house.lead_timeout_secs)
    own = Settings(tools=LEAD_TOOLS, max_turns=LEAD_TURNS)
    return with_limit(layered(timeout, manifest.lead.settings, own, wide_of(manifest), BASE))


def wide_of(manifest: Manifest) -> Settings:
    """What leads have of the defaults, which are workers' otherwise."""
    shared = layered(manifest.defaults)
    return Settings(
        model=shared.model,
        harness=shared.harness,
        models=shared.models,
        max_rss_mb=shared.max_rss_mb,
        user_settings=shared.user_settings,
        env=shared.env,
        add_dirs=shared.add_dirs,
        allow_hosts=shared.allow_hosts,
        max_tokens=shared.max_tokens,
        effort=shared.effort,
        compact_above_tokens=shared.compact_above_tokens,
        use_worktree=shared.use_worktree,
    )


def root(run: Run, manifest: Manifest) -> e.ActorSpawned:
    """The lead of a run; of one without, what holds its money and its tasks. Raises
    UnknownModel."""
    if manifest.tasks:
        return e.ActorSpawned(
            ROOT, role="tasks", label=manifest.lead.id, envelope=manifest.house.budget_nanousd
        )
    settings = lead_settings(manifest)
    price = price_of(manifest, settings.model or "")
    return e.ActorSpawned(
        ROOT,
        role="lead",
        label=manifest.lead.id,
        prompt=manifest.lead.prompt,
        settings=settings,
        price=price,
        slice=ledger.report_cost(run, settings.model or "", price, 0),
        envelope=manifest.house.budget_nanousd,
    )


def spawn(run: Run, command: c.SpawnActor, now: Now) -> list[e.Event]:
    """Make a worker, or give the one that the same key made before. Raises Refused."""
    parent = parent_of(run, command)
    if already(parent, command.key or command.call, "W"):
        return []
    try:
        caps.check_spawn(run, parent)
        approval.check_plan(run, parent)
        return [made(run, parent, command)]
    except Refused as refusal:
        raise caps.refused(parent, refusal) from refusal


def parent_of(run: Run, command: c.SpawnActor | c.SpawnSublead) -> Actor:
    """The lead that is to have somebody below it. Raises Settled, ToolNotAllowed."""
    parent = run.actors.get(command.parent)
    if parent is None:
        raise Settled(f"{command.parent} has settled")
    if parent.role == "worker":
        raise ToolNotAllowed("workers do not spawn")
    return parent


def already(parent: Actor, key: str, kind: str) -> bool:
    """Whether a key has made an actor of a kind (`W`, `S`). Raises InvalidArguments where it has
    made one of another kind."""
    found = parent.keys.get(key)
    if found is not None and not short(found).startswith(kind):
        raise InvalidArguments(
            f'the key "{one_line(key, 80)}" has made {found}, which is something else',
            "Use another key.",
        )
    return found is not None


def start_task(run: Run, command: c.StartTask, now: Now) -> list[e.Event]:
    """Make the worker of a task that may start; one for whom there is no money waits for it or is
    skipped."""
    parent = run.actors.get(ROOT)
    if (
        parent is None
        or parent.paused
        or parent.ending
        or run.manifest is None
        or not task.ready_to_start(run, command.task)
    ):
        return []
    asked = next(each for each in run.manifest.tasks if each.id == command.task)
    try:
        caps.check_total(run)
        return [task_worker(run, parent, asked)]
    except (BudgetExceeded, WriteClaimOverlaps) as refusal:
        return task.without_money(run, asked.id, refusal.message)
    except Refused as refusal:
        return [e.TaskSkipped(ROOT, task=asked.id, why=refusal.message)]


def task_worker(run: Run, root: Actor, asked: Task) -> e.ActorSpawned:
    """The worker of a task. Raises Refused."""
    command = c.SpawnActor(
        ROOT,
        CallId(asked.id),
        asked.prompt,
        key=asked.id,
        agent=asked.agent,
        label=asked.id,
        settings=asked.settings,
        contract=asked.contract,
    )
    return replace(made(run, root, command), task=asked.id)


def made(run: Run, parent: Actor, command: c.SpawnActor) -> e.ActorSpawned:
    """The worker that is asked for. Raises Refused."""
    assert run.manifest is not None
    agent = run.manifest.agents.get(command.agent)
    if command.agent and agent is None:
        known = ", ".join(sorted(run.manifest.agents)) or "none"
        raise InvalidArguments(f'unknown agent "{one_line(command.agent, 80)}"; known: {known}')
    own = agent.settings if agent else Settings()
    handed, model = Settings(env=parent.env), Settings(model=parent.model or None)
    settings = layered(command.settings, own, handed, run.manifest.defaults, model, BASE)
    settings = with_limit(settings.named(run.manifest.aliases))
    check_tools(run.manifest, settings)
    contract.possible(settings, command.contract)
    contract.check_claim(run, settings, command.contract.writes)
    price = price_of(run.manifest, settings.model or "")
    history = run.history.get(f"{command.agent}|{settings.model}", [])
    estimate = 0
    if settings.budget_nanousd is None:
        estimate = estimates.worker(price, settings.max_turns or 0, history)
    own_envelope = settings.budget_nanousd is not None
    budget.check_spawn(run, parent, settings.budget_nanousd or estimate)
    return e.ActorSpawned(
        worker_id(parent.id, len(parent.keys) - parent.subleads_spawned + 1),
        parent=parent.id,
        role="worker",
        call=command.call,
        key=command.key or command.call,
        label=one_line(command.label, 80),
        agent=command.agent,
        prompt=command.prompt,
        settings=settings,
        price=price,
        slice=ledger.report_cost(run, settings.model or "", price, 0) if own_envelope else 0,
        envelope=settings.budget_nanousd,
        estimate=estimate,
        # What is empty is left out of the log.
        contract=command.contract if command.contract.demands else NOTHING,
    )


def check_tools(manifest: Manifest, settings: Settings) -> None:
    """Refuse work tools that there are not. Raises InvalidArguments."""
    every = (*KNOWN_TOOLS, *manifest.tools)
    unknown = [tool for tool in settings.tools or () if tool not in every]
    if unknown:
        names = ", ".join(one_line(tool, 40) for tool in unknown)
        raise InvalidArguments(f"unknown tools: {names}; known: {', '.join(every)}")


def evolve_spawned(run: Run, event: e.ActorSpawned, at: At) -> None:
    """Add the actor, its envelope or its hold, and its place under its parent."""
    settings = event.settings
    timeout_ms = (settings.timeout_secs or 0) * 1000
    parent = run.actors.get(event.parent)
    pool = parent.pool if parent else None
    if event.envelope is not None:
        ledger.carve(run, event.actor, pool, event.envelope)
        pool = event.actor
    elif pool is not None:
        ledger.join(run, pool, event.estimate)
    actor = Actor(
        id=event.actor,
        parent=event.parent,
        role=event.role,
        label=event.label,
        agent=event.agent,
        model=settings.model or "",
        pool=pool or ActorId(""),
        turns_max=settings.max_turns or 0,
        output_max=settings.max_tokens or 0,
        timeout_ms=timeout_ms,
        spawned_at=at.now.run_ms,
        spawned_wall_ms=at.now.wall_ms,
        directory=settings.directory or "",
        add_dirs=settings.add_dirs or (),
        deadline=at.now.run_ms + timeout_ms if timeout_ms else None,
        price=event.price,
        estimate=event.estimate,
        compact_above=settings.compact_above_tokens or estimates.COMPACT_ABOVE,
        settings=lean(settings),
        max_workers=event.max_workers,
        read_down=event.read_down,
        env=event.env,
    )
    run.actors[actor.id] = actor
    caps.count_live(run, actor, 1)
    if parent:
        parent.subleads_spawned += actor.role == "sublead"
        parent.keys[event.key] = actor.id
        parent.live_children.append(actor.id)
        parent.refusals_in_row = 0
        run.spawned_total += 1
    ledger.slice_report(run, actor, event.slice)
