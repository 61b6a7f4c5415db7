"""Caps: how many workers may live, how many ever, and what a lead that does not listen is told."""

from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.rules.caps import REFUSALS_TOLD, workers
from leadhand.refusals import (
    BudgetExceeded,
    Draining,
    InvalidArguments,
    MaxSpawnsExceeded,
    MaxWorkersExceeded,
    OutOfTime,
    Refused,
    WoundDown,
)
from tests.rules.world import World


def full(**given: Any) -> World:
    """A run with all the workers that it may have."""
    world = World(max_workers=2, **given)
    world.spawn()
    world.spawn()
    return world


def test_no_more_workers_live_than_the_house_rules_allow() -> None:
    refusal = full().refused(World().spawning("third"), MaxWorkersExceeded)
    assert refusal.code == "max_workers_exceeded"
    assert refusal.message == "max_workers exceeded: 2 active (max 2)"
    assert "Wait for a running worker" in refusal.next_step


@pytest.mark.parametrize("state", ["queued", "running", "crashed", "cancelling"])
def test_a_live_worker_takes_its_place_whatever_it_does(state: str) -> None:
    world = World(max_workers=1)
    worker = world.spawn()
    if state != "queued":
        world.turn(worker)
    if state == "crashed":
        world.do(c.RecordCrash(worker, "gone"))
    if state == "cancelling":
        world.do(c.CancelActor(worker, "enough"))
    world.refused(world.spawning(), MaxWorkersExceeded)


def test_a_settled_worker_frees_its_place() -> None:
    world = full()
    world.exit("root/W1")
    world.spawn()
    assert workers(world.run) == 2


def test_the_lead_takes_no_place() -> None:
    assert workers(World().run) == 0


def test_no_more_workers_are_ever_spawned_than_the_house_rules_allow() -> None:
    world = World(max_total_spawns=2)
    world.settled()
    world.settled()
    refusal = world.refused(world.spawning(), MaxSpawnsExceeded)
    assert refusal.code == "max_total_spawns_exceeded"
    assert refusal.message == "max_total_spawns exceeded: 2 spawned (max 2)"
    assert "report what was deferred" in refusal.next_step


def test_nothing_new_starts_while_the_run_is_draining() -> None:
    world = World()
    world.do(c.DrainRun())
    refusal = world.refused(world.spawning(), Draining)
    assert refusal.code == "draining"
    assert refusal.message == "run is draining: no new workers accepted"
    assert "final report" in refusal.next_step


def test_nothing_new_starts_in_a_cancelled_run() -> None:
    world = World()
    world.spawn()
    world.do(c.CancelRun("enough"))
    assert world.refused(world.spawning(), Refused).code == "winding_down"


def test_a_lead_out_of_time_does_not_spawn() -> None:
    world = World(lead_timeout_secs=60)
    world.later(secs=60)
    world.perform()
    assert world.refused(world.spawning(), OutOfTime).code == "out_of_time"


def test_a_lead_that_is_ending_does_not_spawn() -> None:
    world = World()
    world.do(c.CancelActor(ROOT, "enough"))
    assert world.refused(world.spawning(), WoundDown).code == "winding_down"


def refuse(world: World, times: int) -> None:
    """Let a lead ask for a worker in vain, once a turn."""
    for _ in range(times):
        world.turn()
        world.refused(world.spawning(), Refused)


def test_a_lead_refused_ten_times_is_told_to_report() -> None:
    world = full()
    refuse(world, REFUSALS_TOLD - 1)
    assert world.mail() == []
    refuse(world, 1)
    assert world.mail() == ["refused_often"]
    assert not world.actor().final


def test_a_lead_that_is_refused_often_in_its_tenth_turn_is_told_once() -> None:
    world = full()
    refuse(world, REFUSALS_TOLD)
    for _ in range(5):
        world.refused(world.spawning(), MaxWorkersExceeded)
    assert world.mail() == ["refused_often"]


def test_a_lead_refused_once_more_is_wound_down() -> None:
    world = full()
    refuse(world, REFUSALS_TOLD + 1)
    assert world.actor().final
    assert world.actor().winding == "refused spawns"
    assert world.mail() == ["refused_too_often"]
    world.refused(world.spawning(), WoundDown)
    world.exit("root/W1")
    world.exit("root/W2")
    assert world.admit().final


def test_a_lead_is_wound_down_once() -> None:
    world = full()
    refuse(world, REFUSALS_TOLD + 1)
    for _ in range(5):
        world.refused(world.spawning(), WoundDown)
    assert len(world.of(e.WindDownBegan)) == 1
    assert len(world.of(e.SpawnRefused)) == REFUSALS_TOLD + 6


def test_many_refusals_of_one_turn_count_once() -> None:
    world = full()
    world.turn()
    for _ in range(50):
        world.refused(world.spawning(), MaxWorkersExceeded)
    assert world.mail() == []
    assert world.actor().refusals_in_row == 1


def test_a_spawn_that_succeeds_begins_the_count_anew() -> None:
    world = full()
    refuse(world, REFUSALS_TOLD - 1)
    world.exit("root/W1")
    world.spawn()
    refuse(world, REFUSALS_TOLD - 1)
    assert world.mail() == []


def test_refusals_of_every_kind_count() -> None:
    world = World()
    kinds: list[tuple[dict[str, Any], type[Refused]]] = [
        ({"agent": "cook"}, InvalidArguments),
        ({"budget_nanousd": 10**15}, BudgetExceeded),
    ]
    for number in range(REFUSALS_TOLD):
        given, kind = kinds[number % 2]
        world.turn()
        world.refused(world.spawning(**given), kind)
    assert world.mail() == ["refused_often"]


def test_the_count_outlives_the_owner() -> None:
    world = full()
    refuse(world, REFUSALS_TOLD - 1)
    assert world.refolded().actors[ROOT].refusals_in_row == REFUSALS_TOLD - 1
