"""Actor: launched while it should live, ended deepest first, settled exactly once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import estimates
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Usage
from leadhand.domain.rules import actor as actors
from leadhand.domain.rules.actor import CRASH_BACKOFF_MS, CRASHES_MAX, find
from leadhand.refusals import Settled, UnknownActor
from tests.rules.world import REPORT, World, intent, kinds


def stopping(world: World, alive: list[str] | None = None) -> list[fx.Effect]:
    """What is due but the launches."""
    return [effect for effect in world.due(alive) if not isinstance(effect, fx.Launch)]


# --- launching


def test_an_actor_whose_session_does_not_run_is_launched() -> None:
    world = World()
    worker = world.spawn()
    assert world.due([]) == [fx.Launch(ROOT), fx.Launch(worker)]
    assert world.due([ROOT]) == [fx.Launch(worker)]
    assert world.due([ROOT, worker]) == []


def test_a_settled_actor_is_not_launched() -> None:
    world = World()
    world.settled()
    assert world.due([]) == [fx.Launch(ROOT)]


# --- cancelling


def test_cancelling_ends_all_below_deepest_first() -> None:
    world = World()
    workers = [world.spawn(), world.spawn()]
    events = world.do(c.CancelActor(ROOT, "wrong branch", by="operator"))
    assert [event.actor for event in events] == [*workers, ROOT]
    assert kinds(events) == ["ActorEnding"] * 3
    assert world.actor(workers[0]).ending is not None


def test_who_is_cancelled_is_stopped_and_then_settled_its_workers_before_it() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(ROOT, "wrong branch"))
    assert stopping(world) == [fx.Stop(worker)]
    assert stopping(world, [ROOT]) == [fx.Submit(c.RecordExit(worker, "stopped"))]
    world.perform([ROOT])
    assert stopping(world, [ROOT]) == [fx.Stop(ROOT)]
    world.perform([])
    assert [record.status for record in world.run.records.values()] == ["Cancelled"] * 2
    assert [*world.run.records] == [worker, ROOT]


def test_the_reason_of_a_cancel_reaches_the_record() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "looks at the wrong file", by=ROOT))
    world.perform([ROOT])
    assert world.record(worker).error == "looks at the wrong file"
    assert world.of(e.ActorEnding)[0].by == ROOT


def test_cancelling_twice_is_cancelling_once() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "first"))
    assert world.do(c.CancelActor(worker, "second")) == []
    world.perform([ROOT])
    assert world.record(worker).error == "first"


def test_cancelling_a_lead_leaves_alone_who_is_ending_already() -> None:
    world = World()
    first, second = world.spawn(), world.spawn()
    world.do(c.CancelActor(first, "first"))
    events = world.do(c.CancelActor(ROOT, "all"))
    assert [event.actor for event in events] == [second, ROOT]


def test_a_settled_actor_cannot_be_cancelled() -> None:
    world = World()
    refusal = world.refused(c.CancelActor(world.settled(), "late"), Settled)
    assert refusal.code == "settled"
    assert refusal.message == "root/W1 has already settled as Success"


def test_nobody_cannot_be_cancelled() -> None:
    refusal = World().refused(c.CancelActor(ActorId("root/W9"), "who"), UnknownActor)
    assert refusal.code == "unknown_actor"
    assert refusal.message == "unknown actor: root/W9"
    assert "list_workers" in refusal.next_step


def test_who_ends_by_itself_while_being_cancelled_is_cancelled() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "too late"))
    world.exit(worker, "completed", "I was done")
    assert world.record(worker).status == "Cancelled"
    assert world.record(worker).preview == "I was done"


# --- settling


@pytest.mark.parametrize(
    ("outcome", "error", "status", "told"),
    [
        ("completed", "", "Success", ""),
        ("failed", "model error: no route", "Failed", "model error: no route"),
        ("failed", "", "Failed", "its session ended without an answer"),
        ("stopped", "", "Failed", "its session ended without an answer"),
        ("budget", "budget exceeded: ...", "BudgetExceeded", "budget exceeded: ..."),
    ],
)
def test_the_way_a_session_ends_is_its_actors_status(
    outcome: c.Outcome, error: str, status: str, told: str
) -> None:
    world = World()
    worker = world.spawn()
    world.exit(worker, outcome, "last words", error)
    record = world.record(worker)
    assert (record.status, record.error, record.preview) == (status, told, "last words")


def test_an_actor_settles_exactly_once() -> None:
    world = World()
    worker = world.settled()
    assert kinds(world.exit(worker, "failed")) == ["ExitLate"]
    assert kinds(world.do(c.RecordCrash(worker, "gone"))) == ["ExitLate"]
    assert world.record(worker).status == "Success"
    assert len(world.of(e.ActorSettled)) == 1


def test_the_exit_of_somebody_nobody_knows_changes_nothing() -> None:
    world = World()
    assert kinds(world.exit("root/W9")) == ["ExitLate"]


def test_settling_closes_the_open_call_as_spent() -> None:
    world = World()
    worker = world.spawn()
    bound = world.admit(worker).bound
    assert kinds(world.exit(worker, "failed")) == ["CallCut", "ActorSettled"]
    assert world.record(worker).spent == bound


def test_a_record_keeps_what_its_actor_was_and_cost() -> None:
    world = World()
    worker = world.spawn(label="a.py")
    world.later(secs=5)
    world.turn(worker, Usage(100, 20))
    world.later(secs=3)
    world.turn(worker, Usage(10, 2))
    world.exit(worker, final="x" * 1_000)
    record = world.record(worker)
    assert (record.parent, record.role, record.label, record.turns) == (ROOT, "worker", "a.py", 2)
    assert record.usage == Usage(110, 22)
    assert record.spent == 132
    assert record.duration_ms == 3_000
    assert record.ended_wall_ms - record.started_wall_ms == 3_000
    assert len(record.preview) == 200
    final = world.log[record.final_seq - 1][0]
    assert isinstance(final, e.ActorSettled)
    assert final.final == "x" * 1_000


def test_who_said_nothing_at_the_end_is_remembered_by_what_it_last_said() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker, words="half way", intents=(intent("t"),))
    world.exit(worker, "stopped", final="")
    assert world.record(worker).preview == "half way"


def test_a_settled_worker_is_no_longer_its_leads_child() -> None:
    world = World()
    world.settled()
    assert world.actor().live_children == []


def test_what_is_learned_of_a_kind_of_worker_stays_bounded() -> None:
    world = World(max_workers=1, max_total_spawns=1_000, budget_nanousd=10**9)
    for _ in range(estimates.HISTORY_MAX + 5):
        world.exit(world.spawn())
    assert [len(each) for each in world.run.history.values()] == [estimates.HISTORY_MAX]


# --- crashing


def test_a_crashed_session_is_started_again_after_a_while() -> None:
    world = World()
    world.do(c.RecordCrash(ROOT, "RuntimeError: gone"))
    assert world.due([]) == []
    assert world.timers()[0] == CRASH_BACKOFF_MS
    world.later(ms=CRASH_BACKOFF_MS)
    assert world.due([]) == [fx.Launch(ROOT)]


def test_each_crash_in_a_row_waits_twice_as_long() -> None:
    world = World()
    for number in range(CRASHES_MAX - 1):
        world.do(c.RecordCrash(ROOT, "gone"))
        assert world.actor().retry_at - world.run_ms == CRASH_BACKOFF_MS * 2**number
        world.later(secs=60)


def test_the_third_crash_in_a_row_fails_the_actor() -> None:
    world = World()
    worker = world.spawn()
    for _ in range(CRASHES_MAX):
        world.do(c.RecordCrash(worker, "RuntimeError:\n" + "x" * 10_000))
    record = world.record(worker)
    assert record.status == "Failed"
    assert record.error.startswith("its session crashed 3 times: RuntimeError: xxx")
    assert len(record.error) <= 500


def test_a_turn_between_crashes_begins_the_count_anew() -> None:
    world = World()
    for _ in range(5):
        world.do(c.RecordCrash(ROOT, "gone"))
        world.later(secs=10)
        world.turn()
    assert world.actor().crashes == 0
    assert world.due([]) == [fx.Launch(ROOT)]


def test_a_crash_settles_the_call_in_flight_as_spent() -> None:
    world = World()
    bound = world.admit().bound
    assert kinds(world.do(c.RecordCrash(ROOT, "gone"))) == ["CallCut", "SessionCrashed"]
    assert world.run.spent == bound


def test_a_worker_that_crashes_while_it_is_cancelled_is_cancelled() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "enough"))
    for _ in range(CRASHES_MAX):
        world.do(c.RecordCrash(worker, "gone"))
    assert world.record(worker).status == "Cancelled"
    assert world.record(worker).error == "enough"


def test_a_lead_that_crashes_after_its_time_was_up_is_timed_out() -> None:
    world = World(lead_timeout_secs=60)
    world.later(secs=60)
    world.perform()
    for _ in range(CRASHES_MAX):
        world.do(c.RecordCrash(ROOT, "gone"))
    assert world.record().status == "TimedOut"


# --- the report of a lead


def test_a_lead_that_ends_without_a_report_is_asked_for_one() -> None:
    world = World()
    world.turn()
    events = world.exit(final="Let me know if you need anything else!")
    assert kinds(events) == ["ReportAsked", "MessageSent"]
    assert world.mail() == ["report"]
    assert "STATUS" in world.actor().mail[0].text
    assert world.admit().messages == (1,)


def test_a_lead_is_asked_once() -> None:
    world = World()
    world.turn()
    world.exit(final="bye")
    world.turn()
    assert kinds(world.exit(final="bye, really")) == ["ActorSettled"]
    assert world.record().status == "Success"


def test_a_lead_with_a_report_is_not_asked() -> None:
    world = World()
    world.settled()
    assert kinds(world.exit(final=REPORT)) == ["ActorSettled", "ReportChecked"]


@pytest.mark.parametrize("outcome", ["failed", "budget", "stopped"])
def test_a_lead_that_did_not_complete_is_not_asked(outcome: c.Outcome) -> None:
    world = World()
    assert kinds(world.exit(outcome=outcome, final="sorry")) == ["ActorSettled"]


def test_a_report_counts_however_its_lead_ended() -> None:
    world = World()
    world.settled()
    assert kinds(world.exit(outcome="failed", final=REPORT)) == ["ActorSettled", "ReportChecked"]
    assert world.run.report_by == "lead"


def test_a_lead_that_is_ending_is_not_asked() -> None:
    world = World()
    world.do(c.CancelActor(ROOT, "enough"))
    assert kinds(world.exit(final="bye")) == ["ActorSettled"]


def test_a_lead_that_took_its_last_call_is_not_asked() -> None:
    world = World(lead_timeout_secs=60)
    world.later(secs=60)
    world.perform()
    world.turn()
    assert kinds(world.exit(final="bye")) == ["ActorSettled"]


def test_a_lead_without_turns_left_is_not_asked() -> None:
    world = World(lead=Settings(max_turns=1))
    world.turn()
    assert kinds(world.exit(final="bye")) == ["ActorSettled"]
    assert world.record().status == "Success"


def test_a_worker_is_never_asked_for_a_report() -> None:
    world = World()
    assert kinds(world.exit(world.spawn(), final="bye")) == ["ActorSettled"]


# --- finding


def test_a_name_stands_for_a_path_its_last_step_or_a_label_that_only_one_has() -> None:
    world = World()
    first = world.spawn(label="a.py")
    second = world.settled(label="b.py")
    assert find(world.run, "root/W1", ROOT) == first
    assert find(world.run, "W2", ROOT) == second
    assert find(world.run, "b.py", ROOT) == second
    assert find(world.run, "root", ROOT) == ROOT


def test_a_label_that_two_have_stands_for_nobody() -> None:
    world = World()
    world.spawn(label="same")
    world.spawn(label="same")
    with pytest.raises(UnknownActor, match="unknown actor: same"):
        find(world.run, "same", ROOT)


def test_nobody_finds_an_actor_outside_its_own_subtree() -> None:
    world = World()
    first, second = world.spawn(), world.spawn()
    for name in (ROOT, first, "W1"):
        with pytest.raises(UnknownActor):
            find(world.run, name, second)


@settings(max_examples=30)
@given(st.text())
def test_no_name_breaks_finding(name: str) -> None:
    world = World()
    world.spawn(label="a")
    if name in ("root", "root/W1", "W1", "a"):
        return
    with pytest.raises(UnknownActor) as caught:
        find(world.run, name, ROOT)
    assert len(caught.value.message) < 120


def test_a_subtree_is_walked_deepest_first() -> None:
    world = World()
    workers = [world.spawn(), world.spawn()]
    assert [each.id for each in actors.below(world.run, ROOT)] == [*workers, ROOT]
