"""Deadline: an actor is told in time, a lead gets one last turn, nobody lives for ever."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from tests.rules.world import REPORT, World, kinds

# --- warning


@settings(max_examples=30)
@given(st.integers(1, 100_000))
def test_an_actor_is_told_when_five_minutes_or_a_tenth_are_left_whichever_is_less(
    secs: int,
) -> None:
    world = World(lead_timeout_secs=secs)
    at = secs * 1000 - min(300_000, secs * 100)
    assert at in world.timers()
    world.later(ms=at - 1)
    assert world.due() == []
    world.later(ms=1)
    assert world.due() == [fx.Submit(c.WarnActor(ROOT))]


def test_a_lead_is_told_to_stop_spawning_and_a_worker_to_finish() -> None:
    world = World(lead_timeout_secs=100)
    worker = world.spawn(timeout_secs=100)
    world.later(secs=90)
    world.perform()
    assert world.mail() == world.mail(worker) == ["time_near"]
    assert "Spawn no more workers" in world.actor().mail[0].text
    assert "Spawn" not in world.actor(worker).mail[0].text


def test_an_actor_is_told_once() -> None:
    world = World()
    world.do(c.WarnActor(ROOT))
    assert world.do(c.WarnActor(ROOT)) == []
    assert len(world.of(e.DeadlineNeared)) == 1


@pytest.mark.parametrize("command", [c.WarnActor, c.ExpireActor, c.WrapUpActor])
def test_the_time_of_who_has_settled_is_nobodys_concern(command: type[c.Command]) -> None:
    world = World()
    worker = world.settled()
    assert world.do(command(worker)) == []  # type: ignore[call-arg, arg-type]
    assert world.do(command(ActorId("root/W9"))) == []  # type: ignore[call-arg, arg-type]


# --- a worker's time


def test_a_worker_out_of_time_is_ended_as_timed_out() -> None:
    world = World()
    worker = world.spawn(timeout_secs=60)
    world.later(secs=60)
    assert world.due() == [fx.Submit(c.ExpireActor(worker))]
    world.perform()
    assert world.due() == [fx.Stop(worker)]
    world.perform([ROOT])
    assert world.record(worker).status == "TimedOut"
    assert world.record(worker).error == "its time is up (60 s)"


def test_a_workers_time_counts_from_its_spawn() -> None:
    world = World()
    world.later(secs=50)
    worker = world.spawn(timeout_secs=60)
    world.later(secs=59.999)
    world.perform()
    assert world.actor(worker).ending is None
    world.later(ms=1)
    world.perform()
    assert world.actor(worker).ending is not None


def test_expiring_who_is_ending_changes_nothing() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "enough"))
    assert world.do(c.ExpireActor(worker)) == []


# --- a lead's time


def expired(**given: Any) -> World:
    """A run whose lead's time has just run out."""
    world = World(lead_timeout_secs=600, grace_secs=30, **given)
    world.spawn()
    world.later(secs=600)
    world.perform()
    return world


def test_at_its_deadline_a_lead_is_told_to_report_and_its_workers_to_wrap_up() -> None:
    world = expired()
    assert world.actor().expired
    assert world.actor().final
    assert world.mail() == ["time_up"]
    assert world.mail("root/W1") == ["wrap_up"]
    assert "Your lead's time is up" in world.actor("root/W1").mail[0].text


def test_its_workers_are_cancelled_after_the_grace_period() -> None:
    world = expired()
    world.later(secs=29.999)
    assert world.due() == []
    world.later(ms=1)
    assert world.perform() == [
        c.CancelActor(ActorId("root/W1"), "its lead's time is up", "leadhand")
    ]
    world.perform([ROOT])
    assert world.record("root/W1").status == "Cancelled"
    assert world.record("root/W1").error == "its lead's time is up"


def test_the_last_turn_of_a_lead_has_a_report_and_the_run_is_timed_out_all_the_same() -> None:
    world = expired()
    world.exit("root/W1")
    assert world.admit().final
    world.answer()
    world.exit(final=REPORT)
    world.perform()
    assert world.record().status == "TimedOut"
    assert world.record().error == "its time was up"
    assert world.run.status == "timed_out"
    assert world.run.report_by == "lead"


def test_a_lead_that_uses_no_last_turn_is_stopped_and_the_log_reports() -> None:
    world = expired()
    world.exit("root/W1")
    world.later(secs=59.999)
    assert world.due() == []
    world.later(ms=1)
    world.perform([ROOT])
    assert world.due() == [fx.Stop(ROOT)]
    world.perform([])
    assert world.record().status == "TimedOut"
    assert world.record().error == "its time is up (600 s)"
    assert world.run.status == "timed_out"
    assert world.run.report_by == "runtime"


def test_expiring_a_lead_twice_does_not_take_its_last_turn_away() -> None:
    world = expired()
    assert world.do(c.ExpireActor(ROOT)) == []
    assert world.actor().ending is None


def test_a_lead_out_of_time_is_not_warned_any_more() -> None:
    world = World(lead_timeout_secs=600)
    world.later(secs=600)
    world.perform()
    assert world.mail() == ["time_up"]


def test_a_worker_that_wraps_up_already_is_given_no_more_time() -> None:
    world = World(lead_timeout_secs=600, grace_secs=30)
    worker = world.spawn()
    world.do(c.WrapUpActor(worker))
    world.later(secs=10)
    world.do(c.ExpireActor(ROOT))
    assert world.actor(worker).stop_at == 30_000
    assert world.mail(worker) == ["wrap_up"]


def test_a_worker_that_is_ending_is_not_told_to_wrap_up() -> None:
    world = World(lead_timeout_secs=600)
    worker = world.spawn()
    world.do(c.CancelActor(worker, "enough"))
    world.later(secs=600)
    world.do(c.ExpireActor(ROOT))
    assert world.mail(worker) == []


# --- workers whose lead has ended


def test_workers_whose_lead_has_ended_are_told_to_wrap_up() -> None:
    world = World()
    worker = world.spawn()
    world.exit(outcome="failed")
    assert world.due() == [fx.Submit(c.WrapUpActor(worker))]
    world.perform()
    assert world.mail(worker) == ["wrap_up"]
    assert "Your lead has ended" in world.actor(worker).mail[0].text


def test_workers_whose_lead_has_ended_are_cancelled_after_the_grace_period() -> None:
    world = World(grace_secs=20)
    worker = world.spawn()
    world.exit(outcome="failed")
    world.perform()
    world.later(secs=20)
    world.perform([])
    assert world.record(worker).status == "Cancelled"
    assert world.record(worker).error == "its lead has ended"
    assert world.run.status == "failed"


def test_a_worker_that_finishes_within_the_grace_period_succeeds() -> None:
    world = World()
    worker = world.spawn()
    world.exit(outcome="failed")
    world.perform()
    world.turn(worker)
    world.exit(worker)
    assert world.record(worker).status == "Success"


def test_wrapping_up_is_asked_once() -> None:
    world = World()
    worker = world.spawn()
    assert kinds(world.do(c.WrapUpActor(worker))) == ["WrapUpAsked", "MessageSent"]
    assert world.do(c.WrapUpActor(worker)) == []


def test_without_grace_everything_ends_at_the_deadline() -> None:
    world = World(lead_timeout_secs=10, grace_secs=0)
    world.spawn()
    world.later(secs=10)
    world.perform([])
    assert {record.status for record in world.run.records.values()} == {"Cancelled", "TimedOut"}
    assert world.run.status == "timed_out"


@settings(max_examples=30)
@given(st.integers(1, 4_000), st.integers(0, 60), st.integers(0, 3), st.integers(1, 4_000))
def test_every_run_is_over_soon_after_its_leads_deadline(
    timeout: int, grace: int, workers: int, step: int
) -> None:
    """Nobody answers and nobody exits: time alone ends it."""
    world = World(lead_timeout_secs=timeout, grace_secs=grace)
    for _ in range(workers):
        world.spawn(timeout_secs=4_000)
    while world.run_ms <= (timeout + 2 * grace) * 1000:
        world.perform([])
        waiting = [at for at in world.timers() if at > world.run_ms]
        world.run_ms = min([world.run_ms + step * 1000, *waiting])
    world.perform([])
    assert world.run.status == "timed_out"
