"""Notify: what sinks are told follows from the log, is told once, and not tried for ever."""

import random

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import (
    ApprovalPolicy,
    Approvals,
    Notification,
)
from leadhand.domain.questions import Question
from leadhand.domain.rules import notify
from leadhand.domain.rules.notify import ATTEMPTS_MAX, KEPT_MS, PENDING_MAX
from tests.rules.world import World, kinds, manifest

ALL = Notification("webhook", "https://example.com/")
CALL, PUSH = CallId("ask"), Question("tool_use", "Bash", command="git push", digest="d")


def world(*sinks: Notification, approvals: Approvals | None = None, **given: object) -> World:
    """A run with these sinks."""
    asked = manifest(approvals=approvals or Approvals(), **given)  # type: ignore[arg-type]
    return World(replace(asked, notifications=sinks or (ALL,)))


def told(one: World) -> list[str]:
    """What is still to be told."""
    return [each.event for each in one.run.outbox.pending.values()]


def forget(one: World) -> None:
    """Tell all that is to be told."""
    for key in [*one.run.outbox.pending]:
        one.do(c.RecordDelivered(key))


def ask(one: World, ttl_secs: int = 600) -> None:
    """Ask the operator something."""
    one.do(c.AskApproval(ROOT, CALL, PUSH, "May I push?", "{}", ttl_secs))


def fail(one: World, name: str = "a") -> None:
    """Spawn a worker that fails."""
    [event] = [
        each
        for each in one.do(c.SpawnActor(ROOT, CallId(name), "Do it."))
        if isinstance(each, e.ActorSpawned)
    ]
    one.do(c.RecordExit(event.actor, "failed", "", "no way"))


def test_a_run_that_begins_is_told_once_to_each_sink_that_wants_it() -> None:
    other = Notification("log", events=("run_finished",))
    bad = Notification("log", severity_min="warning")
    one = world(ALL, other, bad, ALL)
    assert [*one.run.outbox.pending] == ["2-0", "2-3"]
    # The next owner tells nothing anew.
    one.do(c.OwnRun(2, "next"))
    assert [*one.run.outbox.pending] == ["2-0", "2-3"]


def test_without_sinks_nothing_is_kept() -> None:
    one = World()
    ask(one)
    fail(one)
    assert not one.run.outbox.pending
    assert one.later(secs=301).due() == []


def test_what_is_told_is_told_once() -> None:
    one = world()
    assert kinds(one.do(c.RecordDelivered("2-0"))) == ["NoticeDelivered"]
    assert one.do(c.RecordDelivered("2-0")) == []
    assert one.do(c.RecordUndelivered("2-0", "too late", final=True)) == []
    assert one.run.outbox.delivered == 1


def test_a_question_is_told_but_not_one_that_a_policy_answered() -> None:
    rules = Approvals((ApprovalPolicy("auto_approve", tool="Bash"),))
    one = world(approvals=rules)
    forget(one)
    ask(one)
    assert told(one) == []
    two = world()
    forget(two)
    ask(two)
    assert told(two) == ["approval_request"]


def test_the_operator_is_reminded_once_when_half_of_the_time_is_over() -> None:
    one = world()
    ask(one, 600)
    forget(one)
    assert one.later(secs=299).due() == []
    assert one.later(secs=1).due() == [fx.Submit(c.RemindApproval("A1"))]
    assert one.do(c.RemindApproval("A1")) != []
    assert told(one) == ["approval_pending"]
    assert one.do(c.RemindApproval("A1")) == []
    assert one.due() == []


def test_the_instant_of_a_reminder_is_among_the_timers_of_who_asked() -> None:
    one = world()
    ask(one, 600)
    assert 300_000 in one.timers()


def test_nobody_is_reminded_too_early_or_of_what_is_answered_or_unknown() -> None:
    one = world()
    ask(one, 600)
    assert one.do(c.RemindApproval("A1")) == []
    one.later(secs=400).do(c.AnswerApproval("A1", True))
    assert one.do(c.RemindApproval("A1")) == []
    assert one.do(c.RemindApproval("A9")) == []
    assert one.due() == []


def test_a_reminder_that_no_sink_wants_is_not_written() -> None:
    one = world(Notification("log", events=("run_finished",)))
    ask(one, 600)
    assert one.later(secs=400).due() == []


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("completed", []), ("failed", ["worker_failed"]), ("budget", ["worker_failed"])],
)
def test_a_worker_that_failed_is_told(outcome: str, expected: list[str]) -> None:
    one = world()
    forget(one)
    one.do(c.SpawnActor(ROOT, CallId("a"), "Do it."))
    one.do(c.RecordExit(ActorId("root/W1"), outcome))  # type: ignore[arg-type]
    assert [each for each in told(one) if each == "worker_failed"] == expected


def test_a_worker_that_was_cancelled_is_not_told() -> None:
    one = world()
    forget(one)
    one.do(c.SpawnActor(ROOT, CallId("a"), "Do it."))
    one.do(c.CancelActor(ActorId("root/W1"), "enough"))
    one.do(c.RecordExit(ActorId("root/W1"), "stopped"))
    assert told(one) == []


def test_a_want_of_money_is_told_once_and_again_after_there_was_more() -> None:
    one = world()
    forget(one)
    one.fold([e.WindDownBegan(ROOT, why="budget"), e.WindDownBegan(ROOT, why="budget")])
    assert told(one) == ["budget_exceeded"]
    one.do(c.ChangeHouse(budget_nanousd=2_000_000))
    one.fold([e.WindDownBegan(ROOT, why="budget")])
    assert told(one) == ["budget_exceeded"] * 2


def test_a_worker_that_fails_for_want_of_the_runs_money_is_told_of_and_so_is_that() -> None:
    one = world()
    forget(one)
    one.do(c.SpawnActor(ROOT, CallId("a"), "Do it."))
    one.fold([e.ActorSettled(ActorId("root/W1"), status="BudgetExceeded")])
    seq = one.run.seq
    assert [*one.run.outbox.pending] == [f"{seq}-0", f"{seq}-0-budget"]
    assert told(one) == ["worker_failed", "budget_exceeded"]


def test_the_end_of_a_run_is_told_by_how_bad_it_is() -> None:
    worst = Notification("log", events=("run_finished",), severity_min="error")
    one = world(Notification("log", events=("run_finished",)), worst)
    one.do(c.RecordExit(ROOT, "failed", "", "no way"))
    one.do(c.FinishRun())
    assert one.run.status == "failed"
    assert told(one) == ["run_finished"] * 2
    report = next(at.seq for event, at in one.log if isinstance(event, e.ReportChecked))
    assert one.run.outbox.report == report


def test_a_sink_is_tried_again_but_not_for_ever() -> None:
    one = world()
    for number in range(ATTEMPTS_MAX - 1):
        assert kinds(one.do(c.RecordUndelivered("2-0", "it answered 503"))) == ["NoticeDeferred"]
        assert one.run.outbox.pending["2-0"].attempts == number + 1
    [dropped] = one.do(c.RecordUndelivered("2-0", "it answered 503"))
    assert isinstance(dropped, e.NoticeDropped)
    assert dropped.why == "it answered 503 (attempt 12, the last)"
    assert not one.run.outbox.pending
    assert (one.run.outbox.dropped, one.run.outbox.why) == (1, dropped.why)


def test_what_is_final_is_dropped_at_once_and_what_is_old_too() -> None:
    one = world(ALL, ALL, ALL)
    assert kinds(one.do(c.RecordUndelivered("2-0", "gone", final=True))) == ["NoticeDropped"]
    far = one.now.wall_ms + KEPT_MS
    assert kinds(one.do(c.RecordUndelivered("2-1", "busy", far))) == ["NoticeDropped"]
    one.later(ms=KEPT_MS)
    assert kinds(one.do(c.RecordUndelivered("2-2", "busy"))) == ["NoticeDropped"]


def test_notices_that_wait_are_bounded_and_the_end_of_the_run_still_finds_room() -> None:
    one = world(max_total_spawns=PENDING_MAX * 2)
    for number in range(PENDING_MAX + 20):
        fail(one, str(number))
    box = one.run.outbox
    assert (len(box.pending), box.lost) == (PENDING_MAX, 21)
    one.do(c.RecordExit(ROOT, "failed", "", "no way"))
    one.do(c.FinishRun())
    assert told(one)[-1] == "run_finished"


def test_what_is_wanted_is_what_a_sink_names_and_is_bad_enough() -> None:
    rng = random.Random(7)
    names = ["run_finished", "worker_failed", "approval_request", "budget_exceeded"]
    order = ["info", "warning", "error"]
    for _ in range(2_000):
        events = tuple(rng.sample(names, rng.randrange(len(names))))
        least, severity, event = rng.choice(order), rng.choice(order), rng.choice(names)
        sink = Notification("log", events=events, severity_min=least)  # type: ignore[arg-type]
        naive = (event in (events or names)) and order.index(severity) >= order.index(least)
        assert notify.wants(sink, event, severity) == naive  # type: ignore[arg-type]
