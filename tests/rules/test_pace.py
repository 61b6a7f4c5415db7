"""Pace: a call that waits says so; a terminal quota parks the run, whose time then stands still."""

from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.questions import Question
from leadhand.domain.rules.pace import LET_GO_MS, PARK_MAX_MS, PARK_MIN_MS, PARKS_MAX
from tests.rules.world import WALL_MS, World, intent, kinds

HOUR = 3_600_000


def met(world: World, resets_at: int = 0, actor: str = ROOT) -> list[e.Event]:
    """A call of an actor meets a quota."""
    call = world.admit(actor).call
    return world.do(
        c.RecordCut(world.actor(actor).id, call, "no credit", False, True, resets_at=resets_at)
    )


def parked(resets_at: int = WALL_MS + HOUR, **given: Any) -> World:
    """A run that waits for a quota."""
    world = World(**given)
    met(world, resets_at)
    return world


def test_a_call_that_waits_for_its_provider_says_what_for() -> None:
    world = World()
    call = world.admit().call
    world.do(c.RecordHold(ROOT, call, "its provider, which limits the rate of calls", 9_000))
    found = world.actor().call
    assert found is not None
    assert (found.held, found.held_until) == (
        "its provider, which limits the rate of calls",
        9_000,
    )


def test_a_call_that_is_over_waits_for_nothing() -> None:
    world = World()
    call = world.admit().call
    world.answer()
    assert world.do(c.RecordHold(ROOT, call, "late", 9_000)) == []
    assert world.do(c.RecordHold(ROOT, CallId("none"), "late", 9_000)) == []


def test_a_terminal_quota_parks_the_run_until_the_reset() -> None:
    world = World()
    assert kinds(met(world, WALL_MS + HOUR)) == ["CallCut", "RunParked"]
    stands = world.run.parked
    assert stands is not None
    assert (stands.why, stands.since, stands.until) == ("no credit", WALL_MS, WALL_MS + HOUR)
    assert world.run.spent == 0


def test_a_run_that_shall_fail_on_a_quota_is_not_parked() -> None:
    world = World(on_quota="fail")
    assert kinds(met(world, WALL_MS + HOUR)) == ["CallCut"]
    assert world.run.parked is None


def test_no_call_leaves_a_parked_run_but_results_are_kept() -> None:
    world = World()
    world.turn(intents=(intent("a"),))
    worker = world.spawn()
    met(world, WALL_MS + HOUR, worker)
    result = c.RecordToolResult(ROOT, CallId("a"), "text")
    command = c.AdmitCall(ROOT, CallId("next"), 10, (result,))
    assert kinds(world.do(command)) == ["ToolReturned", "CallDeferred"]
    assert world.do(command) == []
    world.do(c.UnparkRun())
    assert kinds(world.do(command)) == ["CallAdmitted"]


def test_what_is_under_way_is_recorded_while_the_run_is_parked() -> None:
    world = World()
    worker = world.spawn()
    world.admit(worker)
    met(world, WALL_MS + HOUR)
    world.answer(worker)
    assert world.actor(worker).turns == 1


def test_a_parked_run_goes_on_at_the_reset_by_the_wall_clock() -> None:
    world = parked()
    assert world.due() == []
    world.later(ms=HOUR)
    assert world.due() == [fx.Submit(c.UnparkRun())]
    world.do(c.UnparkRun())
    assert world.run.parked is None
    assert world.do(c.UnparkRun()) == []


def test_a_reset_in_the_past_is_believed_a_minute_later() -> None:
    stands = parked(WALL_MS - HOUR).run.parked
    assert stands is not None
    assert stands.until == WALL_MS + PARK_MIN_MS


def test_a_reset_in_a_moment_is_believed_once_and_after_that_a_minute_later() -> None:
    world = parked(WALL_MS + 2_000)
    assert world.run.parked is not None
    assert world.run.parked.until == WALL_MS + 2_000
    world.later(ms=2_000).do(c.UnparkRun())
    met(world, world.now.wall_ms + 2_000)
    assert world.run.parked.until == world.now.wall_ms + PARK_MIN_MS


@pytest.mark.parametrize("parks", range(1, PARKS_MAX + 1))
def test_calls_that_meet_one_quota_together_are_one_try(parks: int) -> None:
    world = World()
    worker = world.spawn()
    for _ in range(parks - 1):
        met(world, world.now.wall_ms + 1)
        world.do(c.UnparkRun())
    call = world.admit(worker).call
    met(world, world.now.wall_ms + 1)
    before = world.run.parked
    assert before is not None
    cut = c.RecordCut(worker, call, "no credit", False, True, world.now.wall_ms + 1)
    assert kinds(world.do(cut)) == ["CallCut"]
    assert world.run.parked == before
    assert world.due() == []


@pytest.mark.parametrize("resets_at", [0, WALL_MS + PARK_MAX_MS + 1])
def test_a_run_is_let_go_of_that_would_wait_for_days_or_nobody_knows_how_long(
    resets_at: int,
) -> None:
    world = parked(resets_at)
    assert world.due() == [fx.Suspend()]


def test_a_run_is_not_let_go_of_in_the_middle_of_something_but_soon() -> None:
    world = World()
    worker = world.spawn()
    world.admit(worker)
    met(world)
    assert world.due() == []
    world.later(ms=LET_GO_MS)
    assert world.due() == [fx.Suspend()]


def test_a_quota_that_comes_back_in_name_only_lets_go_of_the_run_in_the_end() -> None:
    world = World()
    for _ in range(PARKS_MAX):
        met(world, world.now.wall_ms + 1)
        assert world.due() == []
        world.later(ms=PARK_MIN_MS)
        world.do(c.UnparkRun())
    met(world, world.now.wall_ms + 1)
    assert world.due() == [fx.Suspend()]


def test_an_answer_in_between_begins_the_count_anew() -> None:
    world = World()
    for _ in range(PARKS_MAX + 2):
        met(world, world.now.wall_ms + 1)
        assert world.due() == []
        world.do(c.UnparkRun())
        world.turn()


def test_a_second_quota_only_counts_where_it_takes_longer() -> None:
    world = World()
    worker = world.spawn()
    world.admit(worker)
    call = world.actor(worker).call
    assert call is not None
    met(world, WALL_MS + HOUR)

    def again(resets_at: int) -> list[str]:
        cut = c.RecordCut(worker, call.id, "none here", False, True, resets_at)
        return kinds(world.do(cut))

    assert again(WALL_MS + HOUR) == ["CallCut"]


def test_a_new_owner_asks_again_at_once() -> None:
    world = parked()
    assert "RunUnparked" in kinds(world.do(c.OwnRun(2, "another")))
    assert world.run.parked is None


def test_who_only_leaves_a_command_leaves_the_run_parked() -> None:
    world = parked()
    world.do(c.OwnRun(2, "a visitor", acts=False))
    assert world.run.parked is not None


def test_a_drain_lets_go_of_a_parked_run() -> None:
    world = parked()
    world.do(c.DrainRun())
    assert world.due() == [fx.Suspend()]


def test_a_parked_run_is_let_go_of_while_the_operator_is_asked() -> None:
    world = World()
    world.turn(intents=(intent("push", "effects", "Bash"),))
    met(world, actor=world.spawn())
    assert world.due() == []
    world.do(c.AskApproval(ROOT, CallId("push"), Question("tool_use", "Bash"), "git push"))
    assert world.due() == [fx.Suspend()]
    world.do(c.AnswerApproval("A1", True))
    assert world.due() == []


def test_a_parked_run_can_be_cancelled_and_is_then_parked_no_longer() -> None:
    world = parked()
    world.do(c.CancelRun("enough"))
    world.exit(outcome="stopped")
    world.do(c.FinishRun())
    assert (world.run.status, world.run.parked) == ("cancelled", None)
