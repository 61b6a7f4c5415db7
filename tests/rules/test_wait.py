"""Wait: it ends when who is waited for has settled, when its caller is needed, or in time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.rules.wait import over
from leadhand.refusals import InvalidArguments, Settled, UnknownActor
from tests.rules.world import World, intent, kinds

CALL = CallId("wait")


def waiting(world: World, *targets: str, any_of: bool = False, secs: int | None = None) -> str:
    """Wait, and say why it is over."""
    ids = tuple(ActorId(each) for each in targets)
    world.do(c.OpenWait(ROOT, CALL, ids, any_of, secs))
    return ended(world)


def ended(world: World) -> str:
    """Why the wait is over; empty while it holds."""
    return over(world.run, world.actor(), world.actor().waits[CALL], world.now)


# --- how it ends


def test_a_wait_holds_while_its_target_lives_and_ends_when_it_has_settled() -> None:
    world = World()
    worker = world.spawn()
    assert waiting(world, worker) == ""
    world.exit(worker)
    assert ended(world) == "settled"


def test_a_wait_for_who_has_settled_is_over_at_once() -> None:
    world = World()
    assert waiting(world, world.settled()) == "settled"


def test_a_wait_for_all_needs_all_and_one_for_any_needs_one() -> None:
    for any_of, expected in ((False, ""), (True, "settled")):
        world = World()
        first, second = world.spawn(), world.spawn()
        waiting(world, first, second, any_of=any_of)
        world.exit(second)
        assert ended(world) == expected


def test_a_message_ends_a_wait() -> None:
    world = World()
    waiting(world, world.spawn())
    world.do(c.WarnActor(ROOT))
    assert "message for you" in ended(world)


def test_a_result_is_worth_more_than_a_message() -> None:
    world = World()
    worker = world.spawn()
    waiting(world, worker)
    world.do(c.WarnActor(ROOT))
    world.exit(worker)
    assert ended(world) == "settled"


def test_a_drain_ends_a_wait() -> None:
    world = World()
    waiting(world, world.spawn())
    world.do(c.DrainRun())
    assert ended(world)


def test_winding_down_ends_a_wait() -> None:
    world = World()
    waiting(world, world.spawn())
    world.actor().final = True
    assert ended(world) == "you are winding down"


def test_being_cancelled_ends_a_wait() -> None:
    world = World()
    waiting(world, world.spawn())
    world.do(c.CancelActor(ROOT, "enough"))
    assert ended(world) == "you are winding down"


def test_a_wait_ends_when_the_time_it_was_given_is_over() -> None:
    world = World()
    assert waiting(world, world.spawn(), secs=30) == ""
    world.later(secs=29.999)
    assert ended(world) == ""
    world.later(ms=1)
    assert ended(world) == "the time of this wait ran out"


def test_a_wait_of_no_time_only_looks() -> None:
    world = World()
    assert waiting(world, world.spawn(), secs=0) == "the time of this wait ran out"


@settings(max_examples=30)
@given(st.none() | st.integers(0, 100_000), st.integers(1, 5_000), st.integers(0, 5_000))
def test_no_wait_is_longer_than_its_callers_own_time(
    asked: int | None, timeout: int, passed: int
) -> None:
    world = World(lead_timeout_secs=timeout)
    worker = world.spawn()
    world.later(secs=passed)
    waiting(world, worker, secs=asked)
    wait = world.actor().waits[CALL]
    assert world.run_ms <= wait.until <= max(world.run_ms, timeout * 1000)
    if asked is not None:
        assert wait.until <= world.run_ms + asked * 1000


# --- once


def test_the_same_call_goes_on_with_the_wait_that_it_began() -> None:
    world = World()
    worker = world.spawn()
    waiting(world, worker, secs=30)
    world.later(secs=20)
    assert world.do(c.OpenWait(ROOT, CALL, (worker,), False, 30)) == []
    assert world.actor().waits[CALL].until == 30_000


def test_the_same_call_goes_on_with_its_wait_under_another_owner() -> None:
    world = World()
    worker = world.spawn()
    waiting(world, worker, secs=30)
    world.do(c.OwnRun(2, "next"))
    assert world.do(c.OpenWait(ROOT, CALL, (worker,), False, 30)) == []


def test_a_wait_is_forgotten_when_its_tool_has_returned() -> None:
    world = World()
    worker = world.spawn()
    world.turn(intents=(intent(CALL),))
    waiting(world, worker)
    world.do(c.RecordToolResult(ROOT, CALL, "..."))
    assert world.actor().waits == {}
    assert kinds(world.do(c.OpenWait(ROOT, CALL, (worker,)))) == ["WaitOpened"]


def test_several_waits_may_be_open_at_once() -> None:
    world = World()
    worker = world.spawn()
    waiting(world, worker)
    world.do(c.OpenWait(ROOT, CallId("other"), (worker,)))
    assert [*world.actor().waits] == [CALL, "other"]


# --- refusals


def test_there_must_be_somebody_to_wait_for() -> None:
    refusal = World().refused(c.OpenWait(ROOT, CALL, ()), InvalidArguments)
    assert refusal.message == "there is nobody to wait for"
    assert refusal.next_step == "Name at least one worker."


@pytest.mark.parametrize("target", ["root/W9", "", "root", "root/W1/W1"])
def test_who_is_not_a_worker_of_the_caller_cannot_be_waited_for(target: str) -> None:
    world = World()
    world.spawn()
    refusal = world.refused(c.OpenWait(ROOT, CALL, (ActorId(target),)), UnknownActor)
    assert refusal.message == f"unknown actor: {target}"
    assert world.of(e.WaitOpened) == []


def test_a_sibling_cannot_be_waited_for() -> None:
    world = World()
    first, second = world.spawn(), world.spawn()
    world.refused(c.OpenWait(first, CALL, (second,)), UnknownActor)


def test_who_has_settled_does_not_wait() -> None:
    world = World()
    worker = world.settled()
    world.refused(c.OpenWait(worker, CALL, (ROOT,)), Settled)
