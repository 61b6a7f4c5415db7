"""House: the operator gives a run more or less, and what had ended for want of it goes on."""

from collections.abc import Callable

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Usage
from leadhand.domain.rules.house import lacking
from leadhand.domain.rules.run import reopenable
from leadhand.refusals import BudgetExceeded, InvalidArguments, MaxWorkersExceeded, Settled
from tests.rules.world import REPORT, World, intent, kinds

PARTIAL = REPORT.replace("success", "partial").replace("- W1 — a.py — has no faults", "")


def poor() -> World:
    """A run whose lead the budget has ended, after a worker."""
    world = World(budget_nanousd=100_000)
    worker = world.spawn(label="reader", max_turns=1)
    world.exit(worker, "budget", error="budget exceeded")
    world.exit(outcome="budget", error="budget exceeded")
    world.perform()
    return world


def late() -> World:
    """A run whose lead ran out of time and reported."""
    world = World(lead_timeout_secs=60, grace_secs=10)
    world.turn()
    world.later(secs=60)
    world.perform()
    world.turn()
    world.exit(final=PARTIAL)
    world.perform()
    return world


def wound_down() -> World:
    """A run whose lead was admitted its last call, for want of money."""
    world = World(budget_nanousd=10_000, lead=Settings(max_tokens=1_000))
    world.turn(usage=Usage(500, 500))
    assert world.admit(new_bytes=1_000).final
    world.do(c.OwnRun(2, "next"))
    return world


# --- budget


def test_more_budget_is_more_room_at_once() -> None:
    world = World(budget_nanousd=20_000)
    room = ledger.free(world.envelope())
    world.refused(world.spawning(budget_nanousd=50_000), BudgetExceeded)
    events = world.do(c.ChangeHouse(budget_nanousd=100_000))
    assert kinds(events) == ["HouseChanged", "MessageSent"]
    assert ledger.free(world.envelope()) == room + 80_000
    assert world.run.house.budget_nanousd == 100_000
    assert world.spawn(budget_nanousd=50_000) == "root/W1"


def test_a_budget_below_what_is_spent_and_set_aside_is_refused_with_the_figures() -> None:
    world = World(budget_nanousd=5 * 10**9)
    world.admit(new_bytes=10**9)
    world.answer(usage=Usage(10**9, 0))
    world.spawn(budget_nanousd=2 * 10**9)
    refusal = world.refused(c.ChangeHouse(budget_nanousd=2_990_000_000), BudgetExceeded)
    assert refusal.message == (
        "a budget of $2.99 is below what is spent ($1.00) and set aside ($2.00)"
    )
    assert refusal.next_step == "Give at least $3.00."
    assert world.run.house.budget_nanousd == 5 * 10**9
    world.do(c.ChangeHouse(budget_nanousd=3 * 10**9))
    assert ledger.free(world.envelope()) == world.envelope().slice == 0


def test_less_budget_takes_room_and_nothing_that_is_promised() -> None:
    world = World(budget_nanousd=1_000_000)
    worker = world.spawn(budget_nanousd=300_000)
    world.do(c.ChangeHouse(budget_nanousd=400_000))
    assert world.envelope(worker).limit == 300_000
    world.refused(world.spawning(budget_nanousd=100_000), BudgetExceeded)


def test_what_a_dear_answer_cost_beyond_the_limit_lies_within_a_higher_one() -> None:
    world = World(budget_nanousd=20_000)
    world.admit()
    world.answer(usage=Usage(30_000, 0))
    assert world.envelope().excess > 0
    world.refused(c.ChangeHouse(budget_nanousd=29_000), BudgetExceeded)
    world.do(c.ChangeHouse(budget_nanousd=100_000))
    assert world.envelope().excess == 0
    assert world.envelope().slice == world.envelope().report


def test_the_lead_is_told_what_holds_now() -> None:
    world = World(budget_nanousd=10**9)
    world.do(c.ChangeHouse(budget_nanousd=2 * 10**9, max_workers=9))
    assert world.mail() == ["house"]
    assert world.actor().mail[0].text == (
        "The operator has resumed this run with changed house rules: at most $2.00 for "
        "everything, of which $0.00 is spent, at most 9 workers at a time."
    )


def test_rules_that_are_the_same_change_nothing() -> None:
    world = World(budget_nanousd=10**9, max_workers=4)
    assert world.do(c.ChangeHouse()) == []
    assert world.do(c.ChangeHouse(budget_nanousd=10**9, max_workers=4)) == []


def test_a_run_that_never_began_has_no_rules_to_change() -> None:
    world = World(begin=False)
    refusal = world.refused(c.ChangeHouse(budget_nanousd=1), InvalidArguments)
    assert refusal.message == "the run never began"


# --- workers


def test_fewer_workers_end_nobody_and_let_new_ones_wait() -> None:
    world = World(max_workers=4)
    workers = [world.spawn() for _ in range(3)]
    world.do(c.ChangeHouse(max_workers=2))
    assert [*world.run.actors] == [ROOT, *workers]
    for worker in workers[:2]:
        refusal = world.refused(world.spawning(), MaxWorkersExceeded)
        assert refusal.message.endswith("active (max 2)")
        world.exit(worker)
    assert world.run.workers_kept == 1
    assert world.spawn() == "root/W4"


def test_more_workers_may_live_at_once() -> None:
    world = World(max_workers=1)
    world.spawn()
    world.do(c.ChangeHouse(max_workers=2))
    world.spawn()
    world.refused(world.spawning(), MaxWorkersExceeded)


# --- time


def test_a_lead_gets_its_time_from_now_on() -> None:
    world = World(lead_timeout_secs=600)
    world.later(secs=590)
    world.perform()
    assert world.actor().warned
    world.do(c.ChangeHouse(lead_timeout_secs=100))
    assert world.actor().deadline == world.run_ms + 100_000
    assert not world.actor().warned
    world.later(secs=89)
    assert world.due() == []
    world.later(secs=1)
    assert world.due() == [fx.Submit(c.WarnActor(ROOT))]


def test_a_lead_whose_time_was_up_goes_on_with_its_workers() -> None:
    world = World(lead_timeout_secs=60, grace_secs=30)
    worker = world.spawn()
    world.later(secs=60)
    world.perform()
    assert (world.actor().final, world.actor(worker).stop_why) == (True, "its lead's time is up")
    world.do(c.OwnRun(2, "next"))
    world.do(c.ChangeHouse(lead_timeout_secs=60))
    lead = world.actor()
    assert (lead.expired, lead.final, lead.winding, lead.stop_at) == (False, False, "", None)
    assert (world.actor(worker).stop_at, world.actor(worker).winding) == (None, "")
    assert (world.mail()[-1], world.mail(worker)[-1]) == ("reopened", "reopened")
    world.later(secs=59)
    assert not world.actor().final
    assert world.spawn() == "root/W2"
    assert world.run.short == []


def test_more_budget_gives_no_time() -> None:
    world = World(lead_timeout_secs=60)
    world.later(secs=60)
    world.perform()
    world.do(c.ChangeHouse(budget_nanousd=2_000_000))
    assert world.actor().expired
    assert world.actor().final


# --- going on


def test_a_lead_that_was_winding_down_goes_on_when_there_is_money() -> None:
    world = wound_down()
    assert (world.actor().final, world.run.short) == (True, ["budget"])
    world.do(c.ChangeHouse(budget_nanousd=1_000_000))
    assert (world.actor().final, world.actor().winding, world.run.short) == (False, "", [])
    assert world.mail()[-1] == "reopened"
    assert not world.admit(new_bytes=1_000).final


def test_a_worker_that_was_told_to_finish_for_want_of_money_is_told_to_go_on() -> None:
    world = World(budget_nanousd=30_000, defaults=Settings(max_tokens=2_000))
    worker = world.spawn(max_turns=2)
    world.turn(worker, usage=Usage(1_000, 2_000))
    world.admit(worker, new_bytes=16_760)
    assert world.actor(worker).winding == "budget"
    world.do(c.OwnRun(2, "next"))
    world.do(c.ChangeHouse(budget_nanousd=1_000_000))
    assert world.actor(worker).winding == ""
    assert world.mail(worker)[-1] == "reopened"


def test_a_lead_that_had_said_its_last_gets_another_stint_instead_of_an_end() -> None:
    world = wound_down()
    assert world.admit(new_bytes=1_000).final
    world.answer(intents=(intent("t"),))
    world.do(c.OwnRun(3, "next"))
    assert kinds(world.do(c.ChangeHouse(budget_nanousd=1_000_000))) == ["HouseChanged"]
    world.exit(final=PARTIAL)
    assert world.run.relieved == ["budget"]
    events = world.do(c.FinishRun())
    assert kinds(events) == ["RunReopened", "ActorContinued", "MessageSent"]
    assert (world.run.status, world.actor().stint) == ("running", 2)
    assert (world.run.short, world.run.relieved) == ([], [])


def test_a_run_that_drains_again_ends_though_there_is_more() -> None:
    world = wound_down()
    world.exit(outcome="budget")
    world.do(c.ChangeHouse(budget_nanousd=1_000_000))
    world.do(c.DrainRun())
    world.perform()
    assert world.run.status == "failed"
    assert reopenable(world.run)


# --- runs that are over


def test_a_run_that_the_budget_ended_says_what_it_lacks_and_stays_over() -> None:
    world = poor()
    assert (world.run.status, lacking(world.run)) == ("failed", ["budget"])
    assert not reopenable(world.run)
    world.refused(c.ReopenRun(), Settled)


def test_more_budget_takes_it_up_again_and_tells_the_lead_who_has_settled() -> None:
    world = poor()
    spent = world.run.spent
    assert kinds(world.do(c.ChangeHouse(budget_nanousd=3 * 10**9))) == ["HouseChanged"]
    assert (lacking(world.run), reopenable(world.run)) == ([], True)
    world.do(c.ReopenRun())
    assert world.run.spent == spent
    assert world.record("root/W1").status == "BudgetExceeded"
    text = world.actor().mail[-1].text
    assert "ended because its budget ran out" in text
    assert "at most $3.00 for everything, of which" in text
    assert "do not go on: root/W1 (reader)." in text
    assert world.spawn() == "root/W2"


def test_a_lead_that_reported_what_was_deferred_goes_on_with_it() -> None:
    world = World(budget_nanousd=20_000)
    world.refused(world.spawning(budget_nanousd=50_000), BudgetExceeded)
    world.turn()
    world.exit(final=PARTIAL)
    world.perform()
    assert (world.run.status, lacking(world.run)) == ("partial", ["budget"])
    world.do(c.ChangeHouse(budget_nanousd=200_000))
    world.do(c.ReopenRun())
    world.spawn(budget_nanousd=50_000)


def test_a_run_that_timed_out_goes_on_with_any_time() -> None:
    world = late()
    assert (world.run.status, lacking(world.run)) == ("timed_out", ["time"])
    world.later(secs=10_000)
    world.do(c.ChangeHouse(lead_timeout_secs=30))
    world.do(c.ReopenRun())
    assert world.actor().deadline == world.run_ms + 30_000
    assert "its time ran out" in world.actor().mail[-1].text
    assert "30 seconds for you from now on" in world.actor().mail[-1].text


def test_more_of_what_it_did_not_run_out_of_does_not_take_a_run_up_again() -> None:
    world = poor()
    refusal = world.refused(c.ChangeHouse(lead_timeout_secs=9_999, max_workers=9), Settled)
    assert refusal.message == "the run is already finished: failed"
    assert refusal.next_step == "It ran out of budget: more of that takes it up again."
    world.refused(c.ChangeHouse(budget_nanousd=100_000), Settled)


def succeeded() -> World:
    """A run that is done."""
    world = World()
    world.refused(world.spawning(budget_nanousd=10**9), BudgetExceeded)
    world.turn()
    world.settled()
    world.exit(final=REPORT)
    world.perform()
    return world


def cancelled() -> World:
    """A run that the operator ended."""
    world = World()
    world.refused(world.spawning(budget_nanousd=10**9), BudgetExceeded)
    world.do(c.CancelRun("enough"))
    world.perform([])
    return world


def broken() -> World:
    """A run that failed with money and time left."""
    world = World()
    world.exit(outcome="failed")
    world.perform()
    return world


@pytest.mark.parametrize("made", [succeeded, cancelled, broken])
def test_a_run_that_ended_for_another_reason_stays_over(made: Callable[[], World]) -> None:
    world = made()
    assert lacking(world.run) == []
    refusal = world.refused(c.ChangeHouse(10**12, 9, 9_999), Settled)
    assert refusal.next_step == "Its result stands."


def test_a_worker_that_used_up_its_own_envelope_is_not_the_runs_want_of_budget() -> None:
    world = World()
    world.exit(world.spawn(budget_nanousd=9_000), "budget")
    world.turn()
    world.exit(final=PARTIAL)
    world.perform()
    assert (world.run.status, lacking(world.run)) == ("partial", [])


def test_a_drained_run_takes_any_rules_as_it_is_taken_up_again() -> None:
    world = World(max_workers=1)
    world.do(c.DrainRun())
    world.exit(outcome="failed")
    world.perform()
    world.do(c.ChangeHouse(max_workers=2))
    world.do(c.ReopenRun())
    world.spawn()
    assert world.spawn() == "root/W2"


def test_a_changed_run_in_its_log_is_the_run_in_memory() -> None:
    for world in (poor(), late(), wound_down()):
        world.do(c.ChangeHouse(10**9, 2, 100))
        if reopenable(world.run):
            world.do(c.ReopenRun())
        assert world.refolded() == world.run


def test_the_events_name_what_there_is_more_of() -> None:
    world = World(budget_nanousd=10**9)
    world.do(c.ChangeHouse(budget_nanousd=2 * 10**9))
    world.do(c.ChangeHouse(budget_nanousd=10**9, lead_timeout_secs=5))
    assert [each.raised for each in world.of(e.HouseChanged)] == [("budget",), ("time",)]
