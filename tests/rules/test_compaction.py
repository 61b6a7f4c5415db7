"""Compaction: what is too long is summarized first, once a turn, where that can be paid."""

from typing import Any

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import estimates
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Usage
from tests.rules.world import World, kinds

LONG = Usage(input=5_000, output=100)


def long(**given: Any) -> World:
    """A run whose lead's conversation is longer than it is to be."""
    house = {"budget_nanousd": 10_000_000, **given}
    world = World(lead=Settings(compact_above_tokens=4_000), **house)
    world.turn(usage=LONG)
    return world


def summarized(world: World, summary: str = "All went well.", usage: Usage = LONG) -> list[e.Event]:
    """Record a summary of the lead's conversation."""
    call = world.actor().call
    assert call is not None
    return world.do(c.RecordCompaction(ROOT, call.id, summary, usage, "blob:x", 700))


def test_a_conversation_above_its_limit_is_summarized_before_the_next_turn() -> None:
    world = long()
    first = world.admit()
    assert first.compacts
    assert first.output_max == estimates.COMPACT_OUTPUT
    assert first.messages == ()
    summarized(world)
    assert (world.actor().context_tokens, world.actor().turns) == (700, 1)
    assert not world.admit().compacts


def test_a_summary_is_paid_for_like_any_call() -> None:
    world = long()
    before = world.run.spent
    world.admit()
    (event,) = summarized(world)
    assert isinstance(event, e.ConversationCompacted)
    assert world.run.spent - before == event.cost > 0
    assert world.envelope().reserved == 0
    assert world.actor().usage == LONG.plus(LONG)


def test_what_the_model_has_not_read_counts_too() -> None:
    world = World(lead=Settings(compact_above_tokens=4_000), budget_nanousd=10_000_000)
    world.turn(usage=Usage(3_000, 100))
    assert not world.admit(new_bytes=2_000).compacts
    world.answer(usage=Usage(3_000, 100))
    assert world.admit(new_bytes=4_000).compacts


def test_a_first_turn_has_nothing_to_summarize() -> None:
    world = World(lead=Settings(compact_above_tokens=10), budget_nanousd=10_000_000)
    assert not world.admit(new_bytes=9_000).compacts


def test_an_empty_summary_changes_nothing_and_is_not_tried_again_in_the_same_turn() -> None:
    world = long()
    world.admit()
    summarized(world, summary="")
    assert world.actor().context_tokens == LONG.context
    assert not world.admit().compacts
    world.answer(usage=LONG)
    assert world.admit().compacts


def test_a_summary_that_fails_leaves_the_turn_to_the_long_conversation() -> None:
    world = long()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "the server broke", billed=False))
    assert not world.admit().compacts


def test_a_summary_that_does_not_fit_beside_the_report_is_left_out() -> None:
    world = long(budget_nanousd=22_000)
    assert not world.admit().compacts


def test_a_model_that_could_not_read_it_all_gets_a_summary_whatever_the_limit() -> None:
    world = World(budget_nanousd=10_000_000)
    world.turn()
    command = replace(world.admitting(), compact=True)
    (event,) = world.do(command)
    assert isinstance(event, e.CallAdmitted)
    assert event.compacts


def test_a_summary_that_the_model_could_not_read_enough_for_is_tried_again_on_demand_alone() -> (
    None
):
    world = long()
    admitted = world.admit()
    world.do(c.RecordCut(ROOT, admitted.call, "prompt is too long", billed=False))
    (event,) = world.do(replace(world.admitting(), compact=True))
    assert isinstance(event, e.CallAdmitted)
    assert event.compacts


def test_of_a_conversation_that_could_not_be_read_less_is_kept() -> None:
    kept = []
    for brief in (False, True):
        world = World(lead=Settings(compact_above_tokens=40_000), budget_nanousd=10**9)
        world.turn(usage=Usage(50_000, 10))
        call = world.admit().call
        command = c.RecordCompaction(ROOT, call, "All went well.", LONG, "blob:x", 700, brief)
        (event, *_) = world.do(command)
        assert isinstance(event, e.ConversationCompacted)
        kept.append(event.results_max)
    assert kept == [20_000 * estimates.BYTES_PER_TOKEN, estimates.COMPACT_RESULTS_BRIEF]


def test_the_last_call_is_never_given_to_a_summary() -> None:
    world = long(lead_timeout_secs=10)
    world.later(secs=10).do(c.ExpireActor(ROOT))
    assert world.admit().final
    assert not world.of(e.CallAdmitted)[-1].compacts


def test_a_summary_that_comes_late_is_booked_and_changes_nothing() -> None:
    world = long()
    call = world.admit().call
    world.do(c.OwnRun(2, "another"))
    command = c.RecordCompaction(ROOT, call, "All went well.", LONG)
    assert kinds(world.do(command)) == ["TurnLate"]
    assert world.actor().context_tokens == LONG.context


def test_a_summary_dearer_than_its_bound_is_seen() -> None:
    world = long()
    world.admit()
    events = summarized(world, usage=Usage(50_000, 100))
    assert kinds(events) == ["ConversationCompacted", "BoundExceeded"]
    assert world.run.overheads[world.actor().model] > estimates.OVERHEAD


def test_the_limit_of_a_worker_is_its_own() -> None:
    world = World(
        defaults=Settings(compact_above_tokens=1_000, max_turns=9), budget_nanousd=10_000_000
    )
    worker = world.spawn()
    world.turn(worker, usage=Usage(1_500, 10))
    assert world.admit(ActorId(worker)).compacts
