"""Forecast: what a run may come to is what the rules would say of it."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from leadhand.domain import ledger
from leadhand.domain.contract import CHECKS_SECS
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import (
    Agent,
    ApprovalPolicy,
    Approvals,
    HouseRules,
    Lead,
    Manifest,
    PolicyAction,
    Settings,
    Subleads,
    Task,
)
from leadhand.domain.money import NANO, Price
from leadhand.domain.prices import TABLE
from leadhand.views.forecast import TOOLS_BYTES, Forecast, forecast
from tests.rules.world import World
from tests.tools.lead_kit import Calling, leading

HAIKU = "claude-haiku-4-5"


def manifest(budget: float = 2.0, model: str = HAIKU, **agents: Settings) -> Manifest:
    """A manifest with a lead, and agents with these settings."""
    house = HouseRules(budget_nanousd=round(budget * NANO), lead_timeout_secs=900)
    asked = Lead("digest", "Do it.", Settings(directory="/work"))
    known = {name: Agent(settings=settings) for name, settings in agents.items()}
    return Manifest(asked, house, Settings(model=model), known)


def seen(asked: Manifest, *models: str, local: tuple[str, ...] = ()) -> Forecast:
    return forecast(asked, models, local, 900)


def test_the_tree_is_the_lead_a_plain_worker_and_a_worker_of_each_agent() -> None:
    strict = Settings(model="claude-sonnet-4-6", tools=("Read",), timeout_secs=60, max_turns=3)
    found = seen(manifest(strict=strict))
    lead, plain, agent = found.lead, *found.workers
    assert (lead.role, lead.name, lead.model, lead.turns_max) == ("lead", "digest", HAIKU, 200)
    assert (lead.timeout_secs, lead.holds, lead.directory) == (900, 2 * NANO, "/work")
    assert (plain.name, plain.model, plain.timeout_secs, plain.turns_max) == (
        "worker", HAIKU, 1800, 50,
    )  # fmt: skip
    assert (agent.name, agent.model, agent.tools) == ("strict", "claude-sonnet-4-6", ("Read",))
    assert (agent.timeout_secs, agent.turns_max) == (60, 3)


def test_the_money_is_what_the_rules_set_aside() -> None:
    asked = manifest(own=Settings(budget_nanousd=NANO // 5))
    world = World(asked)
    found = seen(asked)
    assert found.slice == world.run.envelopes[ROOT].slice
    plain, own = found.workers
    spawned = world.spawn()
    assert (plain.holds, plain.envelope) == (world.run.actors[spawned].estimate, False)
    assert (own.holds, own.envelope) == (NANO // 5, True)


def test_at_worst_a_lead_uses_its_time_and_the_grace_for_its_workers_and_for_its_report() -> None:
    found = seen(manifest())
    assert found.worst_secs == 900 + 2 * 30 + CHECKS_SECS
    assert "1 d" in found.parks
    asked = manifest()
    house = msgspec.structs.replace(asked.house, on_quota="fail", grace_secs=0)
    found = seen(msgspec.structs.replace(asked, house=house))
    assert (found.worst_secs, found.parks) == (900 + CHECKS_SECS, "")


def test_every_wait_has_its_bound_and_says_what_happens_then() -> None:
    found = seen(manifest(strict=Settings(timeout_secs=60)))
    assert [(each.what, each.secs) for each in found.waits] == [
        ("the lead, and its waits for workers", 900),
        ("a worker", 1800),
        ("a worker of agent strict", 60),
        ("the checks of a result", CHECKS_SECS),
        ("a question to you", 600),
        ("a call, for money that others have reserved", 300),
        ("a call, for a provider's limits", 900),
    ]
    assert all(each.then for each in found.waits)


def test_a_question_waits_as_long_as_the_most_patient_policy_or_not_at_all() -> None:
    def secs(*policies: ApprovalPolicy, default: PolicyAction = "block") -> list[int]:
        asked = msgspec.structs.replace(manifest(), approvals=Approvals(policies, default))
        return [each.secs for each in seen(asked).waits if each.what == "a question to you"]

    assert secs(ApprovalPolicy("block", ttl_secs=1800)) == [1800]
    assert secs(ApprovalPolicy("block", ttl_secs=30), default="auto_reject") == [30]
    assert secs(ApprovalPolicy("auto_approve"), default="auto_reject") == []


def test_each_model_has_its_price_or_is_free_since_nobody_prices_it() -> None:
    asked = msgspec.structs.replace(manifest(), prices={"mine": Price()})
    dear, free = seen(asked, HAIKU, "mine", local=("mine",)).rates
    assert (dear.model, dear.price, dear.local) == (HAIKU, TABLE[HAIKU], False)
    assert (free.model, free.price, free.local) == ("mine", Price(), True)


def test_a_budget_that_does_not_pay_the_first_call_says_how_much_would() -> None:
    found = seen(manifest(budget=0.02))
    assert found.trouble.startswith(
        "$0.02 does not pay the lead's first call: its report keeps $0."
    )
    enough = float(found.mend.split()[4].rstrip(","))
    assert seen(manifest(budget=enough)).trouble == ""
    assert seen(manifest(budget=enough - 0.0002)).trouble


def test_a_worker_that_never_fits_says_why() -> None:
    found = seen(manifest(own=Settings(budget_nanousd=2 * NANO)))
    plain, own = found.workers
    assert plain.refused == ""
    assert (
        own.refused
        == "budget exceeded: $0.00 spent + $0.02 reserved + $2.00 estimated > $2.00 budget"
    )


def test_what_is_free_is_never_in_trouble() -> None:
    asked = msgspec.structs.replace(manifest(0.000000001, "mine"), prices={"mine": Price()})
    found = seen(asked)
    assert (found.trouble, found.slice, found.first_call, found.workers[0].holds) == ("", 0, 0, 0)


def with_subleads(asked: Manifest, **given: Any) -> Manifest:
    return replace(asked, subleads=Subleads(**given))


def test_without_leave_for_sub_leads_there_are_none() -> None:
    assert seen(manifest()).divided is None


def test_sub_leads_are_foretold_as_large_as_they_may_be() -> None:
    found = seen(with_subleads(manifest(), max_sublead_budget_nanousd=NANO // 2)).divided
    assert found is not None
    part = found.part
    assert (part.role, part.name, part.holds, part.envelope) == (
        "sublead", "sub-lead", NANO // 2, True,
    )  # fmt: skip
    assert part.timeout_secs == 900 - 2 * 30
    assert (found.each, found.workers, found.levels) == (NANO // 2, 4, 1)
    assert (found.subleads, found.all_workers) == (1000, 1000)


def test_the_figures_of_sub_leads_bound_what_is_foretold() -> None:
    own = Settings(budget_nanousd=NANO // 4, timeout_secs=60, model="claude-sonnet-4-6")
    asked = with_subleads(
        manifest(), max_subleads=2, max_total_workers=5, max_depth=4, max_workers=3, settings=own
    )
    found = seen(asked).divided
    assert found is not None
    assert (found.part.holds, found.part.timeout_secs) == (NANO // 4, 60)
    assert found.part.model == "claude-sonnet-4-6"
    assert (found.subleads, found.all_workers, found.levels) == (2, 5, 3)
    world = World(asked)
    assert found.each == ledger.free(world.envelope()), "never more than the lead has to give"
    asked = replace(asked, subleads=Subleads(max_subleads=2))
    again = seen(asked).divided
    assert again is not None
    assert again.all_workers == 4 * 3


def test_the_envelopes_of_sub_leads_lie_within_the_budget_and_their_time_within_the_leads() -> None:
    plain, divided = seen(manifest()), seen(with_subleads(manifest()))
    assert (plain.budget, plain.worst_secs) == (divided.budget, divided.worst_secs)
    assert ("a sub-lead, and its waits for workers", 840) in [
        (each.what, each.secs) for each in divided.waits
    ]


def test_a_sub_lead_that_never_fits_says_why() -> None:
    found = seen(with_subleads(manifest(), max_depth=1)).divided
    assert found is not None
    assert found.part.refused.startswith("max_depth exceeded")


def test_the_tools_of_a_lead_are_about_as_long_as_they_are_taken_for(tmp_path: Path) -> None:
    async def schemas(at: Calling) -> int:
        every = [tool for tool in at.toolbox.offered("lead", ()) if tool.name != "spawn_sublead"]
        return len(msgspec.json.encode(at.toolbox.schemas(every)))

    (tmp_path / "work").mkdir()
    size = leading(tmp_path / "work", schemas)
    assert TOOLS_BYTES <= size < TOOLS_BYTES * 4 / 3


def test_tasks_take_at_most_their_longest_chain_and_their_share_of_the_rest() -> None:
    tasks = (
        Task("a", "do", settings=Settings(timeout_secs=100)),
        Task("b", "do", depends_on=("a",), settings=Settings(timeout_secs=200)),
        Task("c", "do", settings=Settings(timeout_secs=60)),
        Task("d", "do", settings=Settings(timeout_secs=40)),
    )
    asked = manifest()
    for places, secs in ((1, 400), (2, 350), (8, 313)):
        house = replace(asked.house, max_parallel_tasks=places)
        found = seen(replace(asked, tasks=tasks, house=house), HAIKU)
        assert found.worst_secs == secs
        assert [each.name for each in found.workers] == ["a", "b", "c", "d"]
        assert (found.lead.role, found.max_workers, found.trouble) == ("tasks", places, "")


def test_a_plan_that_is_to_be_approved_first_does_not_hide_what_follows() -> None:
    asked = manifest()
    required = msgspec.structs.replace(asked, approvals=Approvals(plan_required=True))
    assert seen(required).workers == seen(asked).workers
    assert not any(each.refused for each in seen(required).workers)
