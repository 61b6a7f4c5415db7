"""Spawn: a lead's call makes one worker, within its caps and its money, or says what to do."""

from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import KNOWN_TOOLS, LEAD_TOOLS, WORKER_TOOLS, Agent, Settings
from leadhand.domain.money import Price
from leadhand.domain.rules.spawn import LEAD_TURNS
from leadhand.refusals import (
    BudgetExceeded,
    Draining,
    InvalidArguments,
    MaxSpawnsExceeded,
    MaxWorkersExceeded,
    OutOfTime,
    Refused,
    Settled,
    ToolNotAllowed,
    UnknownModel,
    WoundDown,
)
from tests.rules.world import UNIT, UNIT_PRICE, World, kinds, manifest


def settings_of(world: World, worker: str) -> Settings:
    """The settings with which a worker was spawned."""
    return next(each.settings for each in world.of(e.ActorSpawned) if each.actor == worker)


# --- the lead


def test_a_run_begins_with_its_lead() -> None:
    world = World(lead=Settings(directory="/repo", system="be brief"))
    lead = world.of(e.ActorSpawned)[0]
    assert (lead.actor, lead.role, lead.label, lead.prompt) == (ROOT, "lead", "lead", "coordinate")
    assert lead.settings.directory == "/repo"
    assert lead.settings.system == "be brief"
    assert lead.envelope == 1_000_000


def test_a_lead_has_its_own_defaults_and_not_those_of_workers() -> None:
    world = World(
        lead_timeout_secs=77,
        defaults=Settings(tools=("Bash",), timeout_secs=5, max_turns=3, directory="/elsewhere"),
    )
    lead = settings_of(world, ROOT)
    assert lead.tools == LEAD_TOOLS
    assert lead.max_turns == LEAD_TURNS
    assert lead.timeout_secs == 77
    assert lead.directory is None


def test_a_lead_shares_the_defaults_that_concern_everybody() -> None:
    shared = Settings(env={"A": "1"}, add_dirs=("/data",), max_tokens=99)
    lead = settings_of(World(defaults=shared), ROOT)
    assert (lead.env, lead.add_dirs, lead.max_tokens) == ({"A": "1"}, ("/data",), 99)


def test_what_the_lead_itself_is_given_wins() -> None:
    own = Settings(tools=("Bash",), max_turns=7, max_tokens=8, env={"A": "2"})
    world = World(lead=own, defaults=Settings(env={"A": "1", "B": "3"}, max_tokens=99))
    lead = settings_of(world, ROOT)
    assert (lead.tools, lead.max_turns, lead.max_tokens) == (("Bash",), 7, 8)
    assert lead.env == {"A": "2", "B": "3"}


def test_a_lead_may_have_the_model_of_the_defaults() -> None:
    asked = manifest(defaults=Settings(model=UNIT))
    lead = Settings()
    world = World(
        type(asked)(
            lead=type(asked.lead)("x", "y", lead),
            defaults=asked.defaults,
            prices={UNIT: UNIT_PRICE},
        )
    )
    assert world.actor().model == UNIT


def test_a_lead_whose_model_has_no_price_is_refused() -> None:
    world = World(begin=False)
    refusal = world.refused(c.StartRun("run", manifest(prices={})), UnknownModel)
    assert '[prices."unit"]' in refusal.next_step
    assert world.run.status is None


# --- a worker


def test_a_worker_is_made_under_its_lead() -> None:
    world = World()
    worker = world.spawn("call", label="look at a.py", prompt="look")
    assert worker == "root/W1"
    actor = world.actor(worker)
    assert (actor.parent, actor.role, actor.label) == (ROOT, "worker", "look at a.py")
    assert world.actor().live_children == [worker]
    assert world.run.spawned_total == 1


def test_workers_are_numbered_by_their_lead_for_ever() -> None:
    world = World()
    assert world.settled() == "root/W1"
    assert world.spawn() == "root/W2"
    assert world.spawn() == "root/W3"


def test_a_worker_works_by_the_call_then_its_agent_then_the_defaults_then_its_lead() -> None:
    agent = Agent(settings=Settings(max_turns=20, max_tokens=200, system="agent"))
    world = World(
        agents={"scout": agent},
        defaults=Settings(max_turns=30, max_tokens=300, timeout_secs=3, system="defaults"),
    )
    found = settings_of(world, world.spawn(agent="scout", max_turns=10))
    assert (found.max_turns, found.max_tokens, found.timeout_secs) == (10, 200, 3)
    assert found.system == "agent"
    assert found.model == UNIT
    assert found.tools == WORKER_TOOLS


def test_a_worker_has_the_model_of_its_lead_only_where_nobody_says_otherwise() -> None:
    both = {UNIT: UNIT_PRICE, "other": Price(), "third": Price()}
    world = World(
        prices=both,
        defaults=Settings(model="other"),
        lead=Settings(model=UNIT),
        agents={"scout": Agent(settings=Settings(model="third"))},
    )
    assert world.actor(world.spawn()).model == "other"
    assert world.actor(world.spawn(agent="scout")).model == "third"
    assert world.actor(world.spawn(agent="scout", model=UNIT)).model == UNIT


def test_a_worker_with_a_budget_has_an_envelope_and_one_without_is_held_for() -> None:
    world = World()
    rich = world.actor(world.spawn(budget_nanousd=50_000))
    poor = world.actor(world.spawn())
    assert (rich.pool, rich.estimate) == (rich.id, 0)
    assert (poor.pool, poor.estimate > 0) == (ROOT, True)


def test_a_budget_of_an_agent_is_an_envelope_too() -> None:
    world = World(agents={"scout": Agent(settings=Settings(budget_nanousd=9_000))})
    worker = world.spawn(agent="scout")
    assert world.envelope(worker).limit == 9_000


def test_a_long_label_is_cut_and_put_on_one_line() -> None:
    world = World()
    label = world.actor(world.spawn(label="a\n" * 100_000)).label
    assert len(label) == 80
    assert "\n" not in label


def test_the_price_of_a_model_stays_what_it_was_when_the_worker_was_made() -> None:
    world = World()
    worker = world.spawn()
    assert world.actor(worker).price == UNIT_PRICE
    assert world.of(e.ActorSpawned)[1].price == UNIT_PRICE


# --- once


def test_the_same_call_gives_the_same_worker() -> None:
    world = World()
    world.spawn("call")
    assert world.do(world.spawning("call", prompt="anything else")) == []
    assert world.run.spawned_total == 1


def test_the_same_key_gives_the_same_worker_from_another_call() -> None:
    world = World()
    worker = world.spawn("one", key="a.py")
    assert world.do(world.spawning("two", key="a.py")) == []
    assert world.actor().keys == {"a.py": worker}


def test_the_same_call_gives_the_same_worker_after_it_settled_and_where_no_other_fits() -> None:
    world = World(max_workers=1)
    world.spawn("one")
    assert world.do(world.spawning("one")) == []
    world.exit("root/W1")
    world.do(c.DrainRun())
    assert world.do(world.spawning("one")) == []


def test_a_refused_call_is_decided_afresh_when_it_comes_again() -> None:
    world = World(max_workers=1)
    worker = world.spawn()
    world.refused(world.spawning("again"), MaxWorkersExceeded)
    world.exit(worker)
    assert world.spawn("again") == "root/W2"


# --- refusals


def test_a_worker_does_not_spawn() -> None:
    world = World()
    refusal = world.refused(world.spawning(parent=world.spawn()), ToolNotAllowed)
    assert refusal.code == "tool_not_allowed"
    assert world.of(e.SpawnRefused) == []


def test_a_settled_lead_does_not_spawn() -> None:
    world = World()
    world.exit(outcome="failed")
    assert world.refused(world.spawning(), Settled).code == "settled"


def test_an_unknown_agent_is_refused_with_those_that_exist() -> None:
    world = World(agents={"scout": Agent(), "baker": Agent()})
    refusal = world.refused(world.spawning(agent="cook"), InvalidArguments)
    assert refusal.message == 'unknown agent "cook"; known: baker, scout'


def test_unknown_tools_are_refused_with_those_that_exist() -> None:
    refusal = World().refused(
        World().spawning(tools=("Read", "Teleport", "spawn_worker")), InvalidArguments
    )
    assert refusal.message == (
        f"unknown tools: Teleport, spawn_worker; known: {', '.join(KNOWN_TOOLS)}"
    )


def test_a_tool_that_the_program_brings_along_is_known_by_the_manifest() -> None:
    world = World(replace(manifest(), tools=("sell",)))
    worker = world.spawn(tools=("Read", "sell"))
    assert settings_of(world, worker).tools == ("Read", "sell")
    refusal = world.refused(world.spawning(tools=("buy",)), InvalidArguments)
    assert refusal.message.endswith("WebFetch, sell")


def test_a_model_without_a_price_is_refused() -> None:
    assert World().refused(World().spawning(model="gpt-99"), UnknownModel).code == "unknown_model"


@pytest.mark.parametrize("model", ["script:/tmp/evil.py:f", "script:claude-haiku-4-5"])
def test_a_lead_cannot_name_a_script_that_the_manifest_does_not(model: str) -> None:
    refusal = World().refused(World().spawning(model=model), UnknownModel)
    assert "only the operator" in refusal.next_step


@pytest.mark.parametrize(
    "given",
    [{"agent": "x" * 1_000_000}, {"model": "x" * 1_000_000}, {"tools": ("x" * 1_000_000,) * 3}],
    ids=["agent", "model", "tools"],
)
def test_a_refusal_of_huge_arguments_is_short(given: dict[str, Any]) -> None:
    refusal = World().refused(World().spawning(**given), Refused)
    assert len(refusal.message + refusal.next_step) < 700


def test_every_refusal_is_noted_with_its_code() -> None:
    world = World(max_workers=1)
    world.spawn()
    world.refused(world.spawning(), MaxWorkersExceeded)
    assert [each.code for each in world.of(e.SpawnRefused)] == ["max_workers_exceeded"]


def test_the_first_rule_to_refuse_is_the_one_that_is_told() -> None:
    """Time, wind-down, drain, all spawns, workers, agent, tools, model, money: in this order."""
    world = World(
        max_workers=1,
        max_total_spawns=1,
        lead_timeout_secs=100,
        grace_secs=50,
        budget_nanousd=10_000,
    )
    free = World(budget_nanousd=10_000)
    wrong: dict[str, Any] = {
        "agent": "cook",
        "tools": ("Fly",),
        "model": "gpt-99",
        "budget_nanousd": 10**9,
    }
    order: list[tuple[type[Refused], str]] = []
    for name in ("agent", "tools", "model", "budget_nanousd"):
        order.append((type(free.refused(free.spawning(**wrong), Refused)), name))
        del wrong[name]
    assert [kind for kind, _ in order] == [
        InvalidArguments,
        InvalidArguments,
        UnknownModel,
        BudgetExceeded,
    ]
    world.do(c.SpawnActor(ROOT, CallId("w"), "x", settings=Settings(budget_nanousd=1)))
    world.refused(world.spawning(agent="cook"), MaxSpawnsExceeded)
    world.do(c.DrainRun())
    world.refused(world.spawning(agent="cook"), Draining)
    world.do(c.CancelActor(ROOT, "enough"))
    world.refused(world.spawning(agent="cook"), WoundDown)
    late = World(lead_timeout_secs=100, grace_secs=50)
    late.do(c.DrainRun())
    late.later(secs=100)
    late.do(c.ExpireActor(ROOT))
    late.refused(late.spawning(agent="cook"), OutOfTime)


def test_a_spawn_for_somebody_nobody_knows_is_refused() -> None:
    world = World()
    command = c.SpawnActor(ActorId("root/S9"), CallId("x"), "x")
    assert world.refused(command, Settled).message == "root/S9 has settled"


def test_a_spawn_is_one_event() -> None:
    world = World()
    assert kinds(world.do(world.spawning())) == ["ActorSpawned"]
