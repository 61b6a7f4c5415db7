"""Run: it begins once, changes hands without loss, and ends as what its actors made of it."""

from collections.abc import Callable
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Usage
from leadhand.refusals import Draining, Settled
from tests.rules.world import REPORT, World, kinds, manifest


def finished(report: str = REPORT, **given: Any) -> World:
    """A run that took one worker and is over."""
    world = World(**given)
    world.turn()
    world.settled()
    world.exit(final=report)
    world.perform()
    return world


def drained() -> World:
    """A run that was drained and ended before its work was done."""
    world = World()
    world.turn()
    world.do(c.DrainRun())
    world.exit(
        final=REPORT.replace("success", "partial").replace("- W1 — a.py — has no faults", "")
    )
    world.perform()
    return world


# --- beginning


def test_a_run_begins_once() -> None:
    world = World()
    assert kinds([event for event, _ in world.log]) == ["RunOwned", "RunStarted", "ActorSpawned"]
    refusal = world.refused(c.StartRun("again", manifest()), Settled)
    assert refusal.message == "the run has already begun"
    assert world.run.id == "run"


# --- owners


def test_a_new_owner_settles_as_spent_what_the_last_one_left_open() -> None:
    world = World()
    worker = world.spawn()
    bounds = world.admit().bound + world.admit(worker).bound
    events = world.do(c.OwnRun(2, "next"))
    assert kinds(events) == ["RunOwned", "CallCut", "CallCut"]
    assert world.run.spent == bounds
    assert (world.run.epoch, world.run.owner) == (2, "next")


def test_who_only_leaves_a_command_settles_nothing() -> None:
    world = World()
    world.admit()
    assert kinds(world.do(c.OwnRun(2, "passer-by", acts=False))) == ["RunOwned"]
    assert world.actor().call is not None
    assert (world.run.epoch, world.run.owner) == (2, "test")


def test_a_new_owner_finds_waits_mail_and_tools_as_they_were() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.WarnActor(ROOT))
    world.do(c.OpenWait(ROOT, world.call_id(), (worker,)))
    before = (world.actor().mail, world.actor().waits, world.actor().deadline)
    world.do(c.OwnRun(2, "next"))
    assert (world.actor().mail, world.actor().waits, world.actor().deadline) == before


def test_under_a_new_owner_no_call_waits_since_its_session_is_gone() -> None:
    world = World(budget_nanousd=40_000)
    world.admit(world.spawn(max_turns=1), new_bytes=10_000)
    world.do(world.admitting(new_bytes=9_000))
    assert world.actor().deferral is not None
    world.do(c.OwnRun(2, "passer-by", acts=False))
    assert world.actor().deferral is not None
    world.do(c.OwnRun(3, "next"))
    assert world.actor().deferral is None


def test_after_a_new_owner_everybody_is_launched_again() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.OwnRun(2, "next"))
    assert world.due([]) == [fx.Launch(ROOT), fx.Launch(worker)]


# --- draining


def test_a_drain_tells_everybody_to_wrap_up() -> None:
    world = World()
    worker = world.spawn()
    events = world.do(c.DrainRun("operator"))
    assert kinds(events) == ["RunDraining", "MessageSent", "MessageSent"]
    assert world.mail() == world.mail(worker) == ["draining"]
    world.refused(world.spawning(), Draining)


def test_a_drain_is_asked_once() -> None:
    world = World()
    world.do(c.DrainRun())
    assert world.do(c.DrainRun()) == []


def test_who_is_ending_is_not_told_of_a_drain() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "enough"))
    world.do(c.DrainRun())
    assert world.mail(worker) == []


def test_after_the_grace_period_a_drained_run_is_let_go_with_nobody_settled() -> None:
    world = World(grace_secs=30)
    world.spawn()
    world.do(c.DrainRun())
    assert 30_000 in world.timers()
    world.later(secs=29.999)
    assert world.due() == []
    world.later(ms=1)
    assert world.due() == [fx.Suspend()]
    assert world.run.records == {}


def test_a_suspended_run_goes_on_under_its_next_owner() -> None:
    world = World(grace_secs=30)
    worker = world.spawn()
    world.do(c.DrainRun())
    world.later(secs=40)
    world.do(c.OwnRun(2, "next"))
    assert world.run.drain_until is None
    assert world.mail(worker) == ["draining", "reopened"]
    assert world.due([]) == [fx.Launch(ROOT), fx.Launch(worker)]
    world.spawn()


def test_who_only_leaves_a_command_does_not_end_a_drain() -> None:
    world = World()
    world.do(c.DrainRun())
    world.do(c.OwnRun(2, "passer-by", acts=False))
    assert world.run.drain_until is not None


def test_a_finished_run_cannot_be_drained_or_cancelled() -> None:
    world = finished()
    assert world.refused(c.DrainRun(), Settled).message == "the run is already finished"
    assert world.refused(c.CancelRun("late"), Settled).message == "the run is already finished"


# --- cancelling


def test_cancelling_a_run_ends_everybody_deepest_first() -> None:
    world = World()
    worker = world.spawn()
    events = world.do(c.CancelRun("wrong repository"))
    assert kinds(events) == ["RunCancelled", "ActorEnding", "ActorEnding"]
    assert [event.actor for event in events] == ["", worker, ROOT]
    world.perform([])
    assert world.run.status == "cancelled"
    assert world.record().error == "wrong repository"


def test_cancelling_a_run_ends_workers_whose_lead_has_settled() -> None:
    world = World()
    worker = world.spawn()
    world.exit(outcome="failed")
    world.do(c.CancelRun("enough"))
    world.perform([])
    assert world.record(worker).status == "Cancelled"
    assert world.run.status == "cancelled"


def test_a_run_is_cancelled_once() -> None:
    world = World()
    world.do(c.CancelRun("first"))
    assert world.do(c.CancelRun("second")) == []
    assert world.run.cancelled == "first"


def test_a_run_can_be_cancelled_without_an_owner_and_ends_under_the_next() -> None:
    world = World()
    world.admit()
    world.do(c.OwnRun(2, "passer-by", acts=False))
    world.do(c.CancelRun("enough"))
    world.do(c.OwnRun(3, "next"))
    world.perform([])
    assert world.run.status == "cancelled"


# --- finishing


def test_a_run_is_finished_when_everybody_has_settled() -> None:
    world = World()
    worker = world.spawn()
    world.exit(outcome="failed")
    assert not any(
        isinstance(each, fx.Submit) and isinstance(each.command, c.FinishRun)
        for each in world.due()
    )
    assert world.do(c.FinishRun()) == []
    world.exit(worker)
    assert world.due() == [fx.Submit(c.FinishRun())]
    world.perform()
    assert world.due() == []
    assert world.do(c.FinishRun()) == []
    assert world.timers() == []


def test_a_run_of_which_lead_report_and_workers_succeeded_has_succeeded() -> None:
    assert finished().run.status == "succeeded"


def test_a_report_of_success_does_not_hide_a_failed_worker() -> None:
    world = World()
    world.turn()
    world.settled()
    world.exit(world.spawn(), "failed")
    world.exit(final=REPORT)
    world.perform()
    assert world.run.status == "partial"
    assert any("under STATUS success" in each for each in world.of(e.ReportChecked)[0].mismatches)


@pytest.mark.parametrize(("stated", "status"), [("partial", "partial"), ("failed", "failed")])
def test_a_run_ends_no_better_than_its_report_says(stated: str, status: str) -> None:
    assert finished(REPORT.replace("success", stated)).run.status == status


@pytest.mark.parametrize("outcome", ["failed", "budget", "stopped"])
def test_a_run_whose_lead_failed_has_failed(outcome: c.Outcome) -> None:
    world = World()
    world.settled()
    world.exit(outcome=outcome, final=REPORT)
    world.perform()
    assert world.run.status == "failed"


def test_a_run_whose_lead_was_cancelled_is_cancelled() -> None:
    world = World()
    world.do(c.CancelActor(ROOT, "enough"))
    world.perform([])
    assert world.run.status == "cancelled"


def test_a_lead_that_gave_no_report_gets_one_from_the_log() -> None:
    world = World()
    world.turn()
    world.settled(label="a.py")
    world.exit(final="bye")
    world.exit(final="bye")
    world.perform()
    checked = world.of(e.ReportChecked)
    assert [each.by for each in checked] == ["runtime"]
    assert checked[0].report.completed[0].worker_id == "root/W1"
    assert world.run.status == "succeeded"


# --- reopening


def test_a_drained_run_gives_its_lead_another_stint() -> None:
    world = drained()
    assert (world.run.status, world.run.drained) == ("partial", True)
    world.do(c.OwnRun(2, "next"))
    assert kinds(world.do(c.ReopenRun())) == ["RunReopened", "ActorContinued", "MessageSent"]
    lead = world.actor()
    assert (lead.stint, lead.turns, world.mail()) == (2, 1, ["reopened"])
    assert world.run.status == "running"
    assert world.due([]) == [fx.Launch(ROOT)]


def test_another_stint_keeps_what_was_spent_and_begins_with_fresh_time_and_turns() -> None:
    world = World(lead=Settings(max_turns=3), lead_timeout_secs=60)
    world.turn(usage=Usage(500, 100))
    world.do(c.DrainRun())
    world.exit(outcome="failed")
    world.perform()
    world.later(secs=1_000)
    world.do(c.ReopenRun())
    lead = world.actor()
    assert (lead.spent, lead.usage, lead.context_tokens) == (600, Usage(500, 100), 600)
    assert lead.deadline == world.run_ms + 60_000
    assert lead.turns_max == 4
    assert world.envelope().spent == 600
    assert world.envelope().slice == world.envelope().report > 0


def test_another_stint_numbers_its_workers_on() -> None:
    world = World()
    world.settled(call="one")
    world.do(c.DrainRun())
    world.exit(outcome="failed")
    world.perform()
    world.do(c.ReopenRun())
    assert world.do(world.spawning("one")) == []
    assert world.spawn("two") == "root/W2"


def test_another_stint_is_asked_for_its_own_report() -> None:
    world = drained()
    world.do(c.ReopenRun())
    world.turn()
    assert kinds(world.exit(final="bye")) == ["ReportAsked", "MessageSent"]


def test_the_report_of_the_last_stint_does_not_count_for_the_next() -> None:
    world = drained()
    assert (world.run.report_by, world.run.report_status) == ("lead", "partial")
    world.do(c.ReopenRun())
    world.exit(outcome="failed")
    world.perform()
    assert (world.run.report_by, world.run.report_status) == ("runtime", "failed")


def test_another_stint_may_succeed() -> None:
    world = drained()
    world.do(c.ReopenRun())
    world.settled()
    world.exit(final=REPORT)
    world.perform()
    assert (world.run.status, world.run.drained) == ("succeeded", False)


def test_a_drained_run_whose_lead_settled_before_it_changed_hands_can_be_taken_up_again() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.DrainRun())
    world.exit(outcome="failed")
    world.do(c.OwnRun(2, "next"))
    world.exit(worker)
    world.perform()
    assert (world.run.status, world.run.drained) == ("failed", True)
    world.do(c.ReopenRun())
    assert world.spawn() == "root/W2"


def cancelled() -> World:
    """A run that was drained and then cancelled."""
    world = World()
    world.do(c.DrainRun())
    world.do(c.CancelRun("enough"))
    world.perform([])
    return world


@pytest.mark.parametrize("made", [finished, World, cancelled])
def test_only_a_drained_run_is_taken_up_again(made: Callable[[], World]) -> None:
    world = made()
    assert world.refused(c.ReopenRun(), Settled).message.startswith("the run is already finished")


def test_a_drained_run_that_succeeded_all_the_same_is_done() -> None:
    world = World()
    world.turn()
    world.settled()
    world.do(c.DrainRun())
    world.exit(final=REPORT)
    world.perform()
    assert (world.run.status, world.run.drained) == ("succeeded", True)
    world.refused(c.ReopenRun(), Settled)


def test_a_run_in_its_log_is_the_run_in_memory() -> None:
    for world in (finished(), drained()):
        assert world.refolded() == world.run
