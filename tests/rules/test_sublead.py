"""Sublead: a lead's lead has its own money, time and workers, and nobody gets past a cap by it."""

from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import LEAD_TOOLS, Settings, Subleads
from leadhand.domain.money import Usage
from leadhand.domain.rules.actor import find, find_any, sees
from leadhand.domain.rules.kv import VALUE_MAX
from leadhand.domain.rules.spawn import LEAD_TURNS
from leadhand.domain.rules.sublead import ENV_BYTES_MAX, ENV_MAX, REFERENCES_MAX, may_spawn
from leadhand.domain.rules.wait import over
from leadhand.refusals import (
    BudgetExceeded,
    Draining,
    InvalidArguments,
    MaxDepthExceeded,
    MaxSpawnsExceeded,
    MaxSubleadsExceeded,
    MaxTotalWorkersExceeded,
    MaxWorkersExceeded,
    NamespaceDenied,
    OutOfTime,
    Refused,
    Settled,
    StoreFull,
    SubleadBudgetExceeded,
    ToolNotAllowed,
    UnknownActor,
    UnknownModel,
    WoundDown,
)
from tests.rules.world import REPORT, World, kinds


def world(within: Subleads | None = None, **given: Any) -> World:
    """A run of 100,000,000 whose lead may have sub-leads."""
    return World(subleads=within or Subleads(), **({"budget_nanousd": 100_000_000} | given))


def deep(**given: Any) -> World:
    """The same, of three levels below the root."""
    return world(Subleads(max_depth=3), **given)


def spawned(at: World, actor: str) -> e.ActorSpawned:
    return next(each for each in at.of(e.ActorSpawned) if each.actor == actor)


# --- what comes to be


def test_a_sub_lead_is_made_with_an_envelope_a_cap_and_a_time_of_its_own() -> None:
    at = world(lead_timeout_secs=900)
    found = at.sublead(label="phase", timeout_secs=60, max_workers=3)
    one = at.actor(found)
    assert (found, one.role, one.parent, one.label) == ("root/S1", "sublead", ROOT, "phase")
    assert (one.pool, one.max_workers, one.timeout_ms) == (found, 3, 60_000)
    assert (at.envelope(found).limit, at.envelope(found).parent) == (10_000_000, ROOT)
    assert at.envelope().granted == 10_000_000
    assert (at.run.subleads_live, at.run.workers_live, at.run.spawned_total) == (1, 0, 1)


def test_sub_leads_and_workers_are_numbered_apart_by_each_parent() -> None:
    at = deep()
    found = [at.spawn(), at.sublead(), at.spawn(), at.sublead()]
    found += [at.sublead(parent="root/S1", budget_nanousd=2_000_000), at.spawn(parent="root/S1")]
    found += [at.spawn(parent="root/S1/S1"), at.spawn(parent="root/S2")]
    assert found == [
        *("root/W1", "root/S1", "root/W2", "root/S2"),
        *("root/S1/S1", "root/S1/W1", "root/S1/S1/W1", "root/S2/W1"),
    ]


def test_the_same_key_gives_the_same_sub_lead() -> None:
    at = world()
    first = at.sublead(key="phase")
    assert at.do(at.subleading(key="phase", budget_nanousd=5)) == []
    assert at.sublead(key="phase") == first


def test_a_key_of_a_worker_makes_no_sub_lead_nor_the_other_way_round() -> None:
    at = world()
    at.spawn(key="a")
    at.sublead(key="b")
    refusal = at.refused(at.subleading(key="a"), InvalidArguments)
    assert refusal.message == 'the key "a" has made root/W1, which is something else'
    assert "root/S1" in at.refused(at.spawning(key="b"), InvalidArguments).message


def test_a_sub_lead_works_as_the_lead_does_unless_told() -> None:
    at = world(
        lead=Settings(effort="high", max_tokens=99, system="the lead's own"),
        defaults=Settings(tools=("Bash",), max_turns=3, env={"A": "1"}),
    )
    settings = spawned(at, at.sublead()).settings
    assert (settings.model, settings.effort, settings.max_tokens) == ("unit", "high", 99)
    assert (settings.tools, settings.max_turns, settings.env) == (
        LEAD_TOOLS,
        LEAD_TURNS,
        {"A": "1"},
    )
    assert settings.system is None


def test_the_defaults_of_sub_leads_fill_in_what_a_spawn_leaves_out() -> None:
    own = Settings(
        budget_nanousd=7_000, timeout_secs=9, tools=("Read",), system="Lead.", env={"A": "1"}
    )
    at = world(Subleads(max_workers=1, read_down=True, settings=own))
    found = at.sublead(budget_nanousd=None, max_workers=None)
    event = spawned(at, found)
    assert (event.envelope, event.max_workers, event.read_down) == (7_000, 1, True)
    assert (event.settings.timeout_secs, event.settings.tools) == (9, ("Read",))
    assert (event.settings.system, event.settings.env) == ("Lead.", {"A": "1"})
    other = at.sublead(budget_nanousd=8_000, read_down=False, tools=("Git",), timeout_secs=3)
    event = spawned(at, other)
    assert (event.envelope, event.max_workers, event.read_down) == (8_000, 2, False)
    assert (event.settings.timeout_secs, event.settings.tools) == (3, ("Git",))


def test_its_time_is_never_longer_than_what_its_parent_has_left() -> None:
    at = deep(lead_timeout_secs=100)
    at.later(secs=40)
    first = at.sublead(timeout_secs=500)
    assert at.actor(first).deadline == at.actor().deadline == 100_000
    at.later(secs=10)
    assert at.actor(at.sublead(parent=first, budget_nanousd=2_000_000)).timeout_ms == 50_000
    at.later(secs=49, ms=500)
    assert at.refused(at.subleading(), OutOfTime).code == "out_of_time"


def test_what_it_hands_down_reaches_all_below_it_and_nobody_else() -> None:
    at = deep(defaults=Settings(env={"STAGE": "test", "A": "default"}))
    first = at.sublead(env={"A": "1", "B": "2"})
    second = at.sublead(parent=first, env={"B": "3"}, budget_nanousd=2_000_000)
    assert spawned(at, at.spawn(parent=first)).settings.env == {"STAGE": "test", "A": "1", "B": "2"}
    assert spawned(at, at.spawn(parent=second)).settings.env == {
        "STAGE": "test",
        "A": "1",
        "B": "3",
    }
    assert spawned(at, at.spawn()).settings.env == {"STAGE": "test", "A": "default"}
    assert at.refolded().actors[second].env == {"A": "1", "B": "3"}


# --- what is refused


def test_sub_leads_are_refused_where_the_manifest_does_not_allow_them() -> None:
    at = World()
    refusal = at.refused(at.subleading(), ToolNotAllowed)
    assert refusal.message == "sub-leads are not allowed in this run"
    assert "allow_subleads = true" in refusal.next_step
    assert not may_spawn(at.run, at.actor())


def test_workers_have_no_sub_leads() -> None:
    at = world()
    worker = at.spawn()
    assert (
        "workers do not spawn" in at.refused(at.subleading(parent=worker), ToolNotAllowed).message
    )
    assert not may_spawn(at.run, at.actor(worker))


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_the_depth_is_reached_and_never_passed(most: int) -> None:
    at = world(Subleads(max_depth=most))
    parent: str = ROOT
    for _ in range(most - 1):
        parent = at.sublead(
            parent=parent, budget_nanousd=90_000_000 - 5_000_000 * parent.count("/")
        )
    assert at.spawn(parent=parent).count("/") == most
    assert not may_spawn(at.run, at.actor(parent))
    refusal = at.refused(at.subleading(parent=parent, budget_nanousd=9), MaxDepthExceeded)
    assert refusal.message == (
        f"max_depth exceeded: the workers of a sub-lead here would be on level {most + 1} "
        f"(max {most})"
    )
    assert "Spawn workers instead" in refusal.next_step


def test_an_envelope_is_had_up_to_the_cap_and_refused_above_it_before_anything_changes() -> None:
    at = world(Subleads(max_sublead_budget_nanousd=20_000_000))
    before = replace(at.envelope())
    refusal = at.refused(at.subleading(budget_nanousd=50_000_000), SubleadBudgetExceeded)
    assert refusal.code == "sublead_budget_exceeded"
    assert refusal.message == "sublead budget exceeded: $0.05 > $0.02 max_sublead_budget_usd"
    assert refusal.next_step == "Ask for at most $0.02 in budget_usd."
    at.refused(at.subleading(budget_nanousd=20_000_001), SubleadBudgetExceeded)
    assert (at.envelope(), [*at.run.actors], at.actor().keys) == (before, [ROOT], {})
    assert at.envelope(at.sublead(budget_nanousd=20_000_000)).limit == 20_000_000
    assert at.run.short == [], "a cap of sub-leads is not the run's money"


def test_an_envelope_is_had_to_the_last_of_what_the_parent_has() -> None:
    at = world()
    free = ledger.free(at.envelope())
    assert at.refused(at.subleading(budget_nanousd=free + 1), BudgetExceeded).code == (
        "budget_exceeded"
    )
    at.sublead(budget_nanousd=free)
    assert ledger.free(at.envelope()) == 0
    at.refused(at.subleading(budget_nanousd=1), BudgetExceeded)


def test_an_envelope_comes_out_of_the_parents_and_is_refused_in_its_figures() -> None:
    at = deep()
    first = at.sublead(budget_nanousd=30_000_000)
    refusal = at.refused(at.subleading(parent=first, budget_nanousd=40_000_000), BudgetExceeded)
    assert refusal.message.endswith("+ $0.04 estimated > $0.03 budget")
    assert at.run.short == [], "what a sub-lead lacks is not what the run lacks"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"budget_nanousd": None}, "budget_usd is missing"),
        ({"budget_nanousd": 0}, "budget_usd is missing"),
        ({"max_workers": None}, "max_workers is missing"),
        ({"max_workers": 0}, "max_workers is missing"),
        ({"tools": ("Fly",)}, "unknown tools: Fly"),
    ],
)
def test_what_is_needed_and_not_given_is_refused(given: dict[str, Any], words: str) -> None:
    at = world()
    refusal = at.refused(at.subleading(**given), InvalidArguments)
    assert words in refusal.message
    assert at.actor().refusals_in_row == 1


def test_a_model_without_a_price_is_refused() -> None:
    at = world()
    at.refused(at.subleading(model="nobody-knows"), UnknownModel)


def test_no_lead_has_more_workers_than_the_house_allows() -> None:
    at = world(max_workers=3)
    refusal = at.refused(at.subleading(max_workers=4), MaxWorkersExceeded)
    assert refusal.message == "max_workers exceeded: 4 asked (max 3)"
    assert refusal.next_step == "Ask for at most 3 in max_workers."
    assert at.actor(at.sublead(max_workers=3)).max_workers == 3


def test_each_lead_has_its_own_places() -> None:
    at = world(max_workers=2)
    first = at.sublead(max_workers=1)
    at.spawn()
    at.spawn()
    at.spawn(parent=first)
    assert at.refused(at.spawning(), MaxWorkersExceeded).message == (
        "max_workers exceeded: 2 active (max 2)"
    )
    assert at.refused(at.spawning(parent=first), MaxWorkersExceeded).message == (
        "max_workers exceeded: 1 active (max 1)"
    )
    at.exit("root/S1/W1")
    at.spawn(parent=first)
    at.refused(at.spawning(), MaxWorkersExceeded)


def test_all_leads_share_max_total_workers_and_a_sub_lead_is_no_worker() -> None:
    at = world(Subleads(max_total_workers=2), max_workers=2)
    first = at.sublead()
    at.spawn()
    at.spawn(parent=first)
    for parent in (ROOT, first):
        refusal = at.refused(at.spawning(parent=parent), MaxTotalWorkersExceeded)
        assert refusal.message == "max_total_workers exceeded: 2 active in the whole run (max 2)"
        assert "Wait for a running worker" in refusal.next_step
    at.exit("root/W1")
    at.spawn(parent=first)


def test_no_more_sub_leads_live_in_the_whole_run_than_max_subleads() -> None:
    at = world(Subleads(max_subleads=2, max_depth=3))
    first = at.sublead()
    at.sublead(parent=first, budget_nanousd=1_000)
    for parent in (ROOT, first):
        refusal = at.refused(
            at.subleading(parent=parent, budget_nanousd=1_000), MaxSubleadsExceeded
        )
        assert refusal.message == "max_subleads exceeded: 2 active (max 2)"
        assert "Wait for a sub-lead to settle" in refusal.next_step
    at.exit("root/S1/S1")
    at.sublead()


def test_sub_leads_count_among_all_that_are_ever_spawned() -> None:
    at = world(max_total_spawns=2)
    first = at.sublead()
    at.spawn(parent=first)
    at.refused(at.spawning(), MaxSpawnsExceeded)
    at.refused(at.subleading(), MaxSpawnsExceeded)


def test_nothing_begins_where_all_is_to_end() -> None:
    at = world()
    first = at.sublead()
    at.do(c.CancelActor(first, "enough"))
    at.refused(at.spawning(parent=first), WoundDown)
    at.do(c.DrainRun())
    at.refused(at.subleading(), Draining)
    at.exit(first, "stopped")
    at.refused(at.subleading(parent=first), Settled)


@pytest.mark.parametrize(
    "name",
    [
        *("a", "Path", "1A", "A-B", "", "Ä", "A" * 65, "A=B", "A\n"),
        *("PATH", "HOME", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONSTARTUP"),
        *("LEADHAND_RUN", "LEADHAND_X", "BASH_ENV", "ENV", "IFS", "NODE_OPTIONS", "PERL5OPT"),
        *("GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "PAGER", "EDITOR"),
        *("JAVA_TOOL_OPTIONS", "RUBYOPT", "HTTPS_PROXY", "SSL_CERT_FILE", "XDG_CONFIG_HOME"),
    ],
)
def test_a_variable_that_turns_programs_into_others_is_refused(name: str) -> None:
    at = world()
    refusal = at.refused(at.subleading(env={name: "x"}), InvalidArguments)
    assert refusal.message.startswith("env: ")
    assert len(refusal.message) < 300


@pytest.mark.parametrize("name", ["A", "_X", "STAGE_2", "GIT_AUTHOR_NAME", "TZ", "LANG", "A" * 64])
def test_a_plain_variable_is_set(name: str) -> None:
    at = world()
    assert at.actor(at.sublead(env={name: "x"})).env == {name: "x"}


@pytest.mark.parametrize("text", ["${LEADHAND_KEY}", "$${LEADHAND_KEY}", "a${B}", "a\0b"])
def test_a_value_reaches_for_no_variable_of_the_operators(text: str) -> None:
    at = world()
    refusal = at.refused(at.subleading(env={"A": text}), InvalidArguments)
    assert refusal.next_step == "Write the value itself."


def test_the_operator_may_set_what_a_lead_may_not() -> None:
    own = Settings(env={"PATH": "/bin", "KEY": "${LEADHAND_KEY}"})
    at = world(Subleads(settings=own))
    assert spawned(at, at.sublead()).settings.env == own.env


def test_variables_are_bounded_in_number_and_size_with_those_handed_down() -> None:
    at = deep()
    most = {f"A{number}": "" for number in range(ENV_MAX)}
    first = at.sublead(env=most)
    at.refused(at.subleading(env=most | {"B": ""}), InvalidArguments)
    at.refused(at.subleading(parent=first, env={"B": ""}, budget_nanousd=9), InvalidArguments)
    at.sublead(env={"A": "x" * (ENV_BYTES_MAX - 1)})
    at.refused(at.subleading(env={"A": "x" * ENV_BYTES_MAX}), InvalidArguments)
    at.refused(at.subleading(env={"A": "ä" * (ENV_BYTES_MAX // 2)}), InvalidArguments)


def test_refused_sub_leads_count_among_refusals_in_a_row() -> None:
    at = world(Subleads(max_sublead_budget_nanousd=1))
    for _ in range(10):
        at.turn()
        at.refused(at.subleading(), Refused)
    assert at.mail() == ["refused_often"]


# --- what its layer holds


def test_its_layer_holds_what_its_parent_gave_before_it_begins() -> None:
    at = deep()
    given = (c.Reference("plan", '"go"'), c.Reference("/ref/a/b", blob="blob:x", size=9_000))
    first = at.sublead(references=given)
    assert kinds([event for event, _ in at.log[-3:]]) == ["ActorSpawned", "EntryPut", "EntryPut"]
    layer = at.run.layers[first]
    assert {path: each.size for path, each in layer.entries.items()} == {
        "/ref/plan": 4,
        "/ref/a/b": 9_000,
    }
    assert {each.writer for each in layer.entries.values()} == {ROOT}
    assert at.refolded().layers == at.run.layers
    assert at.run.layer_of(first) == at.run.layer_of(at.spawn(parent=first)) == first
    assert ROOT not in at.run.layers


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        (["/shared/x"], NamespaceDenied),
        (["/peer/self/x"], NamespaceDenied),
        (["/leases/x"], NamespaceDenied),
        (["/ref"], NamespaceDenied),
        (["../x"], InvalidArguments),
        ([""], InvalidArguments),
        (["/"], InvalidArguments),
        (["a b"], InvalidArguments),
        (["x" * 600], InvalidArguments),
        (["plan", "/ref/plan"], InvalidArguments),
        ([f"n{number}" for number in range(REFERENCES_MAX + 1)], InvalidArguments),
    ],
)
def test_what_no_layer_may_hold_is_refused_before_anything_changes(
    paths: list[str], kind: type[Refused]
) -> None:
    at = world()
    before = replace(at.envelope())
    given = tuple(c.Reference(path, "1") for path in paths)
    refusal = at.refused(at.subleading(references=given), kind)
    assert len(refusal.message) < 300
    assert (at.envelope(), [*at.run.actors], at.run.layers) == (before, [ROOT], {})


def test_a_value_that_is_too_long_is_refused() -> None:
    at = world()
    given = (c.Reference("x", blob="blob:x", size=VALUE_MAX + 1),)
    at.refused(at.subleading(references=given), StoreFull)
    most = tuple(c.Reference(f"n{number}", "1") for number in range(REFERENCES_MAX))
    assert len(at.run.layers[at.sublead(references=most)].entries) == REFERENCES_MAX


# --- how it ends


def test_what_a_sub_lead_leaves_returns_to_its_parent() -> None:
    at = world()
    first = at.sublead()
    worker = at.spawn(parent=first)
    at.turn(worker)
    at.turn(first)
    at.exit(worker)
    at.exit(first, final="all of it")
    root = at.envelope()
    assert ([*at.run.envelopes], root.granted, root.held) == ([ROOT], 0, 0)
    assert root.spent == at.run.spent == 40
    assert [each.final for each in at.of(e.ActorSettled)] == ["done", "all of it"]


def test_a_sub_leads_last_message_is_its_result_whatever_its_form() -> None:
    at = world()
    first = at.sublead()
    assert kinds(at.exit(first, final="no report at all")) == ["ActorSettled"]
    assert at.record(first).status == "Success"


def test_the_workers_of_a_sub_lead_that_settles_wrap_up_and_its_money_waits_for_them() -> None:
    at = world(grace_secs=30)
    first = at.sublead()
    worker, own = at.spawn(parent=first), at.spawn(parent=first, budget_nanousd=20_000)
    at.exit(first)
    assert at.envelope(first).limit == 10_000_000
    assert [type(each) for each in at.perform()] == [c.WrapUpActor, c.WrapUpActor]
    assert (at.mail(worker), at.mail(own)) == (["wrap_up"], ["wrap_up"])
    at.turn(worker)
    at.exit(worker)
    assert first in at.run.envelopes
    at.later(secs=30)
    assert at.perform() == [c.CancelActor(own, "its lead has ended", "leadhand")]
    at.exit(own, "stopped")
    assert ([*at.run.envelopes], at.envelope().granted) == ([ROOT], 0)


def test_a_sub_leads_time_runs_out_as_a_leads_does() -> None:
    at = world(grace_secs=30)
    first = at.sublead(timeout_secs=100)
    worker = at.spawn(parent=first)
    at.later(secs=90).perform()
    assert at.mail(first) == ["time_near"]
    at.later(secs=10).perform()
    assert (at.actor(first).final, at.actor(first).stop_at) == (True, 160_000)
    assert (at.actor(worker).stop_at, at.actor(worker).stop_why) == (
        130_000,
        "its sub-lead's time is up",
    )
    assert not at.actor().expired
    at.refused(at.spawning(parent=first), OutOfTime)
    at.exit(worker)
    at.turn(first)
    at.exit(first)
    assert (at.record(first).status, at.record(first).error) == ("TimedOut", "its time was up")


def test_when_the_lead_ends_all_below_wrap_up_each_level_before_the_one_above() -> None:
    at = deep(grace_secs=40)
    first = at.sublead()
    second = at.sublead(parent=first, budget_nanousd=2_000_000)
    worker, other = at.spawn(parent=second), at.spawn(parent=first)
    at.exit(final=REPORT)
    at.perform()
    ends = {each.id: each.stop_at for each in at.run.actors.values()}
    assert ends == {first: 40_000, second: 20_000, worker: 10_000, other: 20_000}
    for parent in (first, second):
        at.refused(at.spawning(parent=parent), WoundDown)
        at.refused(at.subleading(parent=parent), Refused)
    at.later(secs=40).perform()
    assert {each.ending.status for each in at.run.actors.values() if each.ending} == {"Cancelled"}


def test_an_orphaned_sub_lead_spawns_nothing_even_before_it_is_told() -> None:
    at = world()
    first = at.sublead()
    at.exit(final=REPORT)
    at.refused(at.spawning(parent=first), WoundDown)


def test_a_lead_that_is_late_shortens_what_a_late_sub_lead_still_has() -> None:
    at = world(grace_secs=30, lead_timeout_secs=100)
    first = at.sublead(timeout_secs=90)
    worker = at.spawn(parent=first)
    at.later(secs=95).perform()
    assert (at.actor(first).stop_at, at.actor(worker).stop_at) == (155_000, 125_000)
    at.later(secs=5).perform()
    assert (at.actor(first).stop_at, at.actor(worker).stop_at) == (130_000, 115_000)
    assert at.actor().stop_at == 160_000


def test_more_time_for_the_lead_is_not_more_for_a_sub_lead_out_of_its_own() -> None:
    at = world(grace_secs=30, lead_timeout_secs=100)
    late = at.sublead(timeout_secs=95)
    worker, below = at.spawn(), at.spawn(parent=late)
    at.later(secs=95).perform()
    at.later(secs=5).perform()
    assert at.actor().expired
    at.do(c.ChangeHouse(lead_timeout_secs=500))
    assert at.actor(worker).stop_at is None
    assert at.actor(late).expired
    assert at.actor(below).stop_at is not None


def test_a_sub_leads_last_turn_comes_before_its_leads_time_is_up() -> None:
    at = deep(grace_secs=30, lead_timeout_secs=900)
    first = at.sublead()
    second = at.sublead(parent=first, budget_nanousd=2_000_000)
    assert [at.actor(each).timeout_ms for each in (ROOT, first, second)] == [
        900_000,
        840_000,
        780_000,
    ]
    at.later(secs=840).perform()
    assert at.actor(first).stop_at == 900_000


def test_a_sub_lead_that_was_told_to_wrap_up_gains_no_time_as_its_own_runs_out() -> None:
    at = world(grace_secs=30, lead_timeout_secs=100)
    first = at.sublead(timeout_secs=500)
    worker = at.spawn(parent=first)
    assert at.actor(first).deadline == 100_000
    at.later(secs=100).perform()
    assert at.actor().stop_at == 160_000
    assert (at.actor(first).expired, at.actor(first).stop_at) == (True, 130_000)
    assert at.actor(worker).stop_at == 115_000


def test_cancelling_a_sub_lead_ends_all_below_it_deepest_first() -> None:
    at = deep()
    first = at.sublead()
    second = at.sublead(parent=first, budget_nanousd=2_000_000)
    worker, mine = at.spawn(parent=second), at.spawn()
    events = at.do(c.CancelActor(first, "enough", ROOT))
    assert [each.actor for each in events] == [worker, second, first]
    assert at.actor(mine).ending is None


def test_fresh_workers_tell_the_lead_of_its_own_only() -> None:
    at = world()
    first = at.sublead(label="phase")
    worker = at.spawn(parent=first, label="deep")
    at.do(c.CancelWorkers())
    assert at.actor(worker).ending is not None
    assert at.actor(first).ending is not None
    told = at.actor().mail[-1].text
    assert "root/S1 (phase)" in told
    assert "deep" not in told


def test_a_lower_cap_of_the_house_is_the_leads_own() -> None:
    at = world(max_workers=4)
    first = at.sublead(max_workers=3)
    for parent in (ROOT, ROOT, first, first):
        at.spawn(parent=parent)
    at.do(c.ChangeHouse(max_workers=1))
    assert at.run.workers_kept == 2
    at.spawn(parent=first)
    at.refused(at.spawning(), MaxWorkersExceeded)
    at.exit("root/S1/W1")
    assert at.run.workers_kept == 2


def test_a_lead_on_another_stint_numbers_its_sub_leads_and_workers_on() -> None:
    at = world()
    at.exit(at.sublead())
    at.exit(at.spawn())
    at.do(c.DrainRun())
    at.exit(final=report("S1", "W1", status="partial"))
    at.perform()
    at.do(c.ReopenRun())
    assert (at.sublead(), at.spawn()) == ("root/S2", "root/W2")


# --- the report of the lead


def report(*workers: str, status: str = "success", cost: str = "") -> str:
    lines = [f"1. STATUS: {status}", "2. COMPLETED:"]
    lines += [f"- {each} — a — done" for each in workers]
    return "\n".join([*lines, "3. DEFERRED OR FAILED:", "none", "4. COST SUMMARY:", cost or "none"])


def test_the_report_of_the_lead_is_held_against_its_own_alone() -> None:
    at = world()
    first = at.sublead()
    at.exit(at.spawn(parent=first))
    at.exit(first)
    at.exit(final=report("S1"))
    assert at.of(e.ReportChecked)[-1].mismatches == ()
    at.perform()
    assert at.run.status == "succeeded"


def test_a_failed_worker_on_any_level_keeps_the_run_from_success() -> None:
    at = world()
    first = at.sublead()
    at.exit(at.spawn(parent=first), "failed", error="no")
    at.exit(first)
    at.exit(final=report("S1"))
    assert at.of(e.ReportChecked)[-1].mismatches == ()
    at.perform()
    assert at.run.status == "partial"


def test_the_cost_of_a_sub_lead_is_that_of_all_below_it() -> None:
    at = world()
    first = at.sublead()
    worker = at.spawn(parent=first)
    at.turn(worker)
    at.turn(first)
    assert ledger.spent_below(at.run, first) == 40
    at.exit(worker)
    at.exit(first)
    assert ledger.spent_below(at.run, first) == 40
    assert at.record(first).spent == 20
    assert ledger.spent_below(at.run, ROOT) == 40


def test_a_lead_that_states_the_cost_of_a_sub_leads_own_turns_is_corrected() -> None:
    at = world(budget_nanousd=10**12)
    first = at.sublead(budget_nanousd=10**11)
    at.turn(at.spawn(parent=first, budget_nanousd=10**11 // 2), Usage(10**9, 10**9 * 4))
    at.exit("root/S1/W1")
    at.exit(first)
    at.exit(final=report("S1", cost="- S1: $5.00"))
    assert at.of(e.ReportChecked)[-1].mismatches == ()


def test_a_late_answer_of_a_settled_worker_counts_in_the_envelope_that_it_was_of() -> None:
    at = world()
    first = at.sublead()
    worker = at.spawn(parent=first)
    at.admit(worker)
    late = at.answering(worker, Usage(9_000, 9_000))
    assert at.do(c.RecordCut(worker, late.call, "cut", billed=False))
    at.exit(worker)
    at.do(late)
    assert (at.envelope(first).spent, at.envelope().spent, at.run.late) == (18_000,) * 3
    assert at.record(worker).spent == 18_000


# --- who sees whom


ALL = ("root", "root/W1", "root/S1", "root/S1/W1", "root/S1/S1", "root/S1/S1/W1", "root/S2")
DIRECT = {
    "root": {"root/W1", "root/S1", "root/S2"},
    "root/W1": set[str](),
    "root/S1": {"root/S1/W1", "root/S1/S1"},
    "root/S1/W1": set[str](),
    "root/S1/S1": {"root/S1/S1/W1"},
    "root/S1/S1/W1": set[str](),
    "root/S2": set[str](),
}


def family(first: bool, second: bool) -> World:
    """Two levels of sub-leads; whether each lets its parent read down."""
    at = deep()
    at.spawn()
    at.sublead(read_down=first)
    at.sublead()
    at.spawn(parent="root/S1")
    at.sublead(parent="root/S1", read_down=second, budget_nanousd=2_000_000)
    at.spawn(parent="root/S1/S1")
    return at


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        (False, False, {}),
        (True, False, {"root": {"root/S1/W1", "root/S1/S1"}}),
        (False, True, {"root/S1": {"root/S1/S1/W1"}}),
        (
            True,
            True,
            {
                "root": {"root/S1/W1", "root/S1/S1", "root/S1/S1/W1"},
                "root/S1": {"root/S1/S1/W1"},
            },
        ),
    ],
)
def test_who_may_see_whom(
    first: bool, second: bool, more: dict[str, set[str]], settled: bool
) -> None:
    at = family(first, second)
    if settled:
        for each in sorted(ALL[1:], key=len, reverse=True):
            at.exit(each)
    for caller in ALL:
        steers = {each for each in ALL if sees(at.run, ActorId(caller), ActorId(each))}
        reads = {each for each in ALL if sees(at.run, ActorId(caller), ActorId(each), reads=True)}
        assert steers == {caller} | DIRECT[caller]
        assert reads == {caller} | DIRECT[caller] | more.get(caller, set())


def test_a_name_finds_only_whom_the_caller_sees_and_the_operator_finds_everyone() -> None:
    at = family(first=True, second=False)
    assert find(at.run, "S1", ROOT) == "root/S1"
    assert find(at.run, "W1", ActorId("root/S1")) == "root/S1/W1"
    assert find(at.run, "S1/W1", ROOT, reads=True) == "root/S1/W1"
    for name in ("S1/W1", "root/S1/W1"):
        with pytest.raises(UnknownActor):
            find(at.run, name, ROOT)
    for name in ("root/S1", "S1", "root/W1", "root"):
        with pytest.raises(UnknownActor):
            find(at.run, name, ActorId("root/S2"), reads=True)
    for each in ALL:
        assert find_any(at.run, each) == each
    assert find_any(at.run, "S1/S1/W1") == "root/S1/S1/W1"
    with pytest.raises(UnknownActor):
        find_any(at.run, "S3")


def test_a_lead_that_waits_for_an_entry_is_not_kept_by_sub_leads_who_cannot_write_it() -> None:
    at = world()
    at.sublead()
    call = at.call_id()
    at.do(c.AwaitEntry(ROOT, call, "/shared/x", 1, 60))
    wait = at.actor().waits[call]
    assert over(at.run, at.actor(), wait, at.now) == "", "a worker may be spawned at this moment"
    worker = at.spawn()
    assert over(at.run, at.actor(), wait, at.now) == ""
    at.exit(worker)
    assert "your workers have settled" in over(at.run, at.actor(), wait, at.now)


def test_a_wait_is_for_ones_own_only() -> None:
    at = family(first=True, second=True)
    wait = c.OpenWait(ROOT, at.call_id(), (ActorId("root/S1/W1"),))
    at.refused(wait, UnknownActor)
