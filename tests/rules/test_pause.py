"""Pause: what is due of a paused actor, what stands still, and what a new owner finds."""

from typing import Any, Literal

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.due import due
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings, Task
from leadhand.domain.rules import pause
from leadhand.domain.rules.wait import over
from leadhand.refusals import Paused, TurnTooLong
from tests.rules.world import UNIT, UNIT_PRICE, World, intent, kinds

Mode = Literal["cancel", "freeze"]


def paused(mode: Mode = "cancel", **given: Any) -> tuple[World, ActorId]:
    """A worker that was paused in the middle of its first call."""
    world = World(**given)
    worker = world.spawn(timeout_secs=100)
    world.admit(worker)
    world.do(c.PauseActor(worker, mode, "look first"))
    return world, worker


def frozen_due(world: World, *frozen: str) -> list[fx.Effect]:
    """What is due while the commands of these stand still and everybody's session runs."""
    return due(world.run, [*world.run.actors], world.now, None, [ActorId(each) for each in frozen])


def test_the_session_of_a_paused_actor_is_stopped_and_not_started_again() -> None:
    world, worker = paused()
    assert fx.Stop(worker) in world.due()
    assert fx.Submit(c.RecordHalted(worker)) in world.due([ROOT])
    assert kinds(world.do(c.RecordHalted(worker))) == ["CallCut", "SessionHalted"]
    assert world.due([ROOT]) == []


def test_a_call_that_a_pause_cuts_counts_as_spent() -> None:
    world, worker = paused()
    call = world.actor(worker).call
    assert call is not None
    world.perform([ROOT])
    assert world.actor(worker).spent == call.bound
    assert world.of(e.CallCut)[0].why == "its actor was paused"


def test_a_session_that_is_to_halt_gets_no_call_but_keeps_its_results() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker, intents=(intent("a"),))
    world.do(c.PauseActor(worker))
    result = c.RecordToolResult(worker, intent("a").call, "found")
    asked = c.AdmitCall(worker, world.call_id(), 10, (result,))
    assert world.refused(asked, Paused).code == "paused"
    assert world.actor(worker).tools == {}
    assert world.of(e.ToolReturned)[0].content == "found"
    assert worker in world.run.actors


def test_a_session_that_ends_as_it_is_paused_does_not_settle_its_actor() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker)
    world.do(c.PauseActor(worker))
    assert world.exit(worker) == []
    world.perform([ROOT])
    assert world.due([ROOT]) == []
    world.do(c.ContinueActor(worker))
    assert world.due([ROOT]) == [fx.Launch(worker)]


def test_nothing_starts_before_the_session_has_halted_even_if_it_is_continued_at_once() -> None:
    world, worker = paused()
    world.do(c.ContinueActor(worker))
    assert fx.Stop(worker) in world.due()
    assert fx.Launch(worker) not in world.due([ROOT])
    world.perform([ROOT])
    assert world.due([ROOT]) == [fx.Launch(worker)]


def test_a_frozen_actor_keeps_its_session_and_its_call_waits_for_the_thaw() -> None:
    world, worker = paused("freeze")
    assert frozen_due(world) == [fx.Freeze(worker)]
    assert frozen_due(world, worker) == []
    world.answer(worker)
    assert kinds(world.do(world.admitting(worker))) == ["CallDeferred"]
    deferral = world.actor(worker).deferral
    assert deferral is not None
    assert deferral.why == pause.FROZEN
    world.do(c.ContinueActor(worker))
    assert world.actor(worker).deferral is None
    assert frozen_due(world, worker) == [fx.Thaw(worker)]
    assert world.admit(worker).actor == worker


def test_a_turn_longer_than_a_provider_keeps_a_stream_is_not_frozen() -> None:
    world = World()
    worker = world.spawn()
    world.admit(worker)
    world.later(ms=pause.STREAM_MS)
    world.do(c.PauseActor(worker, "freeze"))
    world.do(c.ContinueActor(worker))
    world.later(ms=1)
    refusal = world.refused(c.PauseActor(worker, "freeze"), TurnTooLong)
    assert 'mode "cancel"' in refusal.next_step
    world.do(c.PauseActor(worker))
    assert world.actor(worker).halting == "pause"


def test_a_frozen_actor_can_be_paused_for_good() -> None:
    world, worker = paused("freeze")
    world.later(secs=5)
    world.do(c.PauseActor(worker, "cancel"))
    stands = world.actor(worker).paused
    assert stands is not None
    assert (stands.mode, stands.since) == ("cancel", 0)
    assert frozen_due(world, worker) == [fx.Thaw(worker), fx.Stop(worker)]


@pytest.mark.parametrize("mode", ["cancel", "freeze"])
def test_a_paused_actors_own_time_stands_still(mode: Mode) -> None:
    world, worker = paused(mode, lead_timeout_secs=10_000)
    world.perform([ROOT])
    world.later(secs=1_000)
    assert world.perform([ROOT]) == []
    assert all(instant > 1_000_000 for instant in world.timers())
    world.do(c.ContinueActor(worker))
    assert world.actor(worker).deadline == 1_100_000
    world.later(secs=101)
    assert c.ExpireActor(worker) in world.perform([ROOT])


def test_a_paused_worker_whose_lead_has_ended_does_not_hang() -> None:
    world, worker = paused(grace_secs=30)
    world.turn()
    world.exit(outcome="failed")
    assert c.WrapUpActor(worker) in world.perform([])
    world.later(secs=31)
    world.perform([])
    assert world.record(worker).status == "Cancelled"
    assert world.run.status == "failed"


def test_a_wait_of_a_frozen_actor_ends_early_and_that_of_a_paused_one_goes_on_later() -> None:
    world = World()
    worker = world.spawn()
    world.turn(intents=(intent("wait"),))
    world.do(c.OpenWait(ROOT, intent("wait").call, (worker,), timeout_secs=60))
    wait = world.actor().waits[intent("wait").call]
    world.do(c.PauseActor(ROOT, "freeze"))
    assert over(world.run, world.actor(), wait, world.now) == "you are paused"
    world.do(c.PauseActor(ROOT, "cancel"))
    assert over(world.run, world.actor(), wait, world.now) == ""
    world.perform([worker])
    world.later(secs=100)
    world.do(c.ContinueActor(ROOT))
    assert wait.until == 60_000 + 100_000


def test_what_was_frozen_is_paused_when_its_owner_died() -> None:
    world, worker = paused("freeze")
    world.do(c.OwnRun(2, "a visitor", acts=False))
    assert world.actor(worker).paused == world.refolded().actors[worker].paused
    assert fx.Freeze(worker) in world.due()
    world.do(c.OwnRun(3, "the next"))
    stands = world.actor(worker).paused
    assert stands is not None
    assert stands.mode == "cancel"
    assert world.due([ROOT]) == []


def test_a_paused_actor_that_is_cancelled_settles_and_its_commands_are_let_go() -> None:
    world, worker = paused("freeze")
    world.do(c.CancelActor(worker, "enough"))
    assert frozen_due(world, worker) == [fx.Thaw(worker), fx.Stop(worker)]
    world.perform([ROOT])
    assert world.record(worker).status == "Cancelled"
    assert frozen_due(world, worker) == [fx.Thaw(worker)]


def test_a_run_of_tasks_that_is_paused_starts_none() -> None:

    tasks = tuple(Task(name, "do it", settings=Settings(model=UNIT)) for name in "ab")
    house = HouseRules(budget_nanousd=1_000_000, max_parallel_tasks=1)
    world = World(Manifest(Lead("all", ""), house, prices={UNIT: UNIT_PRICE}, tasks=tasks))
    world.perform([])
    world.do(c.PauseActor(ROOT, subtree=True))
    world.perform([])
    (worker,) = world.actor().live_children
    world.do(c.CancelActor(worker, "enough"))
    world.perform([])
    assert world.actor().live_children == []
    world.do(c.ContinueActor(ROOT, subtree=True))
    world.perform([])
    assert len(world.actor().live_children) == 1


def test_a_paused_lead_that_gets_more_time_has_all_of_it_when_it_is_continued() -> None:
    world = World(lead_timeout_secs=100)
    world.later(secs=10).do(c.PauseActor(ROOT))
    world.later(secs=50).do(c.ChangeHouse(lead_timeout_secs=200))
    world.later(secs=40).do(c.ContinueActor(ROOT))
    assert world.actor().deadline == 100_000 + 200_000


def test_a_log_of_pauses_gives_the_same_run_once_it_is_read_again() -> None:
    world, worker = paused()
    world.perform([ROOT])
    world.later(secs=3)
    world.do(c.PauseActor(ROOT, "freeze"))
    world.do(c.ContinueActor(ROOT, subtree=True))
    world.do(c.RepromptActor(worker, "other way"))
    assert world.refolded() == world.run
