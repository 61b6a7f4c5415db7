"""Why: for any actor that waits, failed or never started: what for, since when, what next, cost."""

from collections.abc import Callable
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.contract import CHECKS_SECS, Contract, Delivery, Evidence
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Subleads
from leadhand.domain.state import Run
from leadhand.refusals import MaxWorkersExceeded
from leadhand.views import why, why_run
from tests.rules.world import REPORT, World
from tests.views.kit import asks, scene, world

TIMED: dict[str, Any] = {"timeout_secs": 600}


def of(run: World, actor: str, held: str = "ann on desk, process 7") -> why.Why:
    return why.actor(run.run, ActorId(actor), scene(run, held))


def said(found: why.Why) -> str:
    return " ".join(found.sentences)


def of_run(run: World, held: str = "ann on desk, process 7") -> str:
    return said(why_run.whole_run(run.run, scene(run, held)))


# An actor that waits


def test_one_that_asks_its_model_says_since_when_and_what_it_may_cost() -> None:
    run = world()
    worker = run.spawn(label="reads", **TIMED)
    bound = run.admit(worker).bound
    found = of(run.later(secs=12), worker)
    assert (found.about, found.state, found.waiting_ms) == ("root/W1", "running", 12_000)
    assert found.waits_for == "claude-haiku-4-5 to answer"
    assert found.left_ms == 588_000
    assert "root/W1 (reads) is running." in found.sentences
    assert "It waits for claude-haiku-4-5 to answer, for 12 s now." in found.sentences
    assert "Its own time is up in 9 min 48 s (of 10 min); it then settles as TimedOut." in said(
        found
    )
    assert f"${bound / 1e9:.2f} more is reserved for the call in flight." in said(found)


def test_one_that_waits_for_an_entry_says_which_and_until_when() -> None:
    run = world()
    worker = run.spawn(**TIMED)
    asks(run, worker, "wait", tool="kv_wait")
    call = next(iter(run.actor(worker).tools))
    run.do(c.AwaitEntry(worker, call, "/shared/go", 2, 60))
    found = of(run.later(secs=5), worker)
    assert found.waits_for == "/shared/go to be written (version 2)"
    assert (found.waiting_ms, found.left_ms) == (5_000, 55_000)
    assert found.next == "it gets what has come; without that, it is told so and goes on"


def test_one_that_waits_for_a_lease_says_who_holds_it_and_who_is_before_it() -> None:
    run = world()
    first, second, third = run.spawn(), run.spawn(), run.spawn()
    run.do(c.AcquireLease(first, CallId("a"), "main.py", 60))
    for worker in (second, third):
        asks(run, worker, "wait", tool="lease_acquire")
        call = next(iter(run.actor(worker).tools))
        run.do(c.AcquireLease(worker, call, "main.py", 60, wait_secs=30))
    run.later(secs=10)
    assert of(run, third).waits_for == (
        "the lease main.py (held by root/W1 for 50 s at most, 1 other before it)"
    )
    assert of(run, second).waits_for == "the lease main.py (held by root/W1 for 50 s at most)"
    assert of(run, second).left_ms == 20_000
    assert (
        "It holds the lease main.py for 50 s more (2 others waiting)." in of(run, first).sentences
    )
    run.do(c.ReleaseLease(first, CallId("b"), "main.py"))
    assert "free, and about to be granted" in of(run, second).waits_for


def test_one_that_is_paused_says_by_whom_and_how_it_goes_on() -> None:
    run = world()
    worker = run.spawn(**TIMED)
    run.admit(worker)
    run.later(secs=60).do(c.PauseActor(worker, "freeze", "look at\nits files", by=ROOT))
    found = of(run.later(secs=5), worker)
    assert (found.state, found.waiting_ms, found.left_ms) == ("frozen", 5_000, None)
    assert found.waits_for == "someone to continue it: root froze it (look at its files)"
    assert "`leadhand continue run root/W1`, or when its lead says so" in found.next
    assert "Its own time stands still, with 9 min left (of 10 min)." in said(found)
    run.do(c.PauseActor(worker, "cancel"))
    assert of(run, worker).state == "paused"
    assert of(run, worker, held="").state == "interrupted"


def test_one_that_is_interrupted_says_so() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    run.do(c.RepromptActor(worker, "otherwise"))
    assert of(run, worker).waits_for == "its session to stop"
    assert "1 message to it goes with its next call." in said(of(run, worker))


def test_one_that_was_spawned_and_not_started_says_so() -> None:
    run = world()
    worker = run.spawn()
    found = of(run.later(secs=2), worker)
    assert (found.state, found.waits_for) == ("queued", "its first call to be admitted")
    assert (found.waiting_ms, found.cost_usd) == (2_000, 0.0)
    assert "It has cost $0.00 in 0 turns." in found.sentences


def test_one_without_its_worktree_yet_waits_for_that_and_says_where_it_stays() -> None:
    run = world()
    worker = run.spawn(directory="/repo", use_worktree=True)
    assert of(run, worker).waits_for == "its worktree to be made"
    run.do(c.RecordWorkspace(worker, "x", "abc", "/repo/.git"))
    assert of(run, worker).waits_for == "its worktree to be made"
    run.do(c.RecordWorkspaceMade(worker))
    assert of(run, worker).waits_for == "its first call to be admitted"
    run.exit(worker, "failed", error="it broke")
    run.perform()
    assert 'Its worktree stays: worktree_cleanup is "on_success", and it settled as Failed.' in (
        of(run, worker).sentences
    )


def test_one_that_could_not_be_placed_says_why() -> None:
    run = world()
    worker = run.spawn(directory="/repo", use_worktree=True)
    run.exit(worker, "unplaced", "", "/repo has no commit yet")
    found = of(run, worker)
    assert found.state == "SpawnFailed"
    assert "settled as SpawnFailed after 0 s: /repo has no commit yet." in said(found)
    assert "It never had a turn" not in said(found)


def test_a_lead_that_waits_for_workers_says_what_they_do() -> None:
    run = world()
    workers = [run.spawn(), run.spawn()]
    run.admit(workers[0])
    asks(run, "root", "wait_for_worker", tool="wait_for_worker")
    run.do(c.OpenWait(ROOT, next(iter(run.actor().tools)), tuple(workers), timeout_secs=60))
    found = of(run.later(secs=5), "root")
    assert found.waits_for == "root/W1 (asks claude-haiku-4-5) and root/W2 (queued) to settle"
    assert (found.waiting_ms, found.left_ms) == (5_000, 55_000)
    assert "in 55 s at the latest" in said(found)
    assert "its workers then have 30 s to wrap up, and it has one last turn." in said(found)


def test_a_lead_that_waits_for_the_first_says_so() -> None:
    run = world()
    workers = [run.spawn(), run.spawn()]
    asks(run, "root", "wait_for_any", tool="wait_for_any")
    run.do(c.OpenWait(ROOT, next(iter(run.actor().tools)), tuple(workers), True))
    assert of(run, "root").waits_for.startswith("the first of root/W1")


def test_one_whose_tools_run_names_them() -> None:
    run = world()
    asks(run, "root", "Bash make test", "Read a.py")
    found = of(run.later(secs=90), "root")
    assert found.waits_for == "Bash make test and Read a.py to return"
    assert "for 1 min 30 s now" in said(found)


def test_one_whose_next_call_waits_for_money_says_how_much_and_what_then() -> None:
    run = world(budget_nanousd=60_000_000)
    run.admit(run.spawn(max_turns=1))
    run.do(run.admitting("root", 4_000))
    found = of(run.later(secs=3), "root")
    assert found.waits_for.startswith("money: its next call needs $0.0")
    assert "of $0.06 $0.00 is spent" in found.waits_for
    assert "asked for again as calls settle, then made smaller, then refused, in" in said(found)
    deferral = run.actor().deferral
    assert deferral is not None
    assert found.left_ms == deferral.until - 3_000
    assert found.waiting_ms == 3_000


def test_one_whose_session_crashed_says_when_it_starts_again_and_when_it_fails() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    run.do(c.RecordCrash(worker, "the harness died"))
    found = of(run.later(ms=400), worker)
    assert found.waits_for == "its session, which crashed 1 time, to be started again"
    assert (found.waiting_ms, found.left_ms) == (400, 600)
    assert '"the harness died"; 3 in a row fail it.' in said(found)


def test_one_that_is_being_ended_says_by_whom_and_what_holds_it_up() -> None:
    run = world()
    worker = run.spawn()
    run.do(c.CancelActor(ROOT, "wrong repository"))
    assert of(run, "root").waits_for == "W1 to settle"
    found = of(run.later(secs=1), worker)
    assert (found.state, found.waits_for) == ("cancelling", "its session to stop")
    assert found.next == "it settles as Cancelled (wrong repository, by operator)"
    assert found.waiting_ms == 1_000


def test_one_whose_time_is_up_says_when_it_ends() -> None:
    run = world(lead_timeout_secs=60, grace_secs=10)
    run.admit()
    run.later(secs=60).do(c.ExpireActor(ROOT))
    found = said(of(run.later(secs=4), "root"))
    assert "It ends in 16 s at the latest: its time is up." in found
    assert "It was told to wind down (time)." in found
    assert "1 message to it goes with its next call." in found


def test_a_lead_whose_spawns_are_refused_says_why() -> None:
    run = world(max_workers=1)
    run.spawn()
    for _ in range(3):
        run.refused(run.spawning(), MaxWorkersExceeded)
    text = said(of(run, "root"))
    assert "Turns in a row whose spawns were refused: 1 (3 max_workers_exceeded)." in text
    assert "Spawns refused: 3 (3 max_workers_exceeded)." in of_run(run)


def test_without_an_owner_nothing_moves_and_that_is_said() -> None:
    run = world()
    worker = run.spawn()
    run.admit(worker)
    asks(run, "root", "Bash make", tool="Bash")
    found = of(run, worker, held="")
    assert found.state == "interrupted"
    assert "its clock stands still until `leadhand resume run`." in said(found)
    assert "counts as spent ($0.04) and is asked again." in said(found)


def test_an_interrupted_tool_with_effects_is_not_repeated_and_that_is_said() -> None:
    run = world()
    run.turn(intents=(e.Intent(CallId("a"), "Bash", "effects", "Bash make"),))
    assert "the outcome of the open tool call is unknown" in said(of(run, "root", held=""))


# An actor that has settled


def settled(outcome: c.Outcome, error: str = "") -> Callable[[World, ActorId], None]:
    def end(run: World, worker: ActorId) -> None:
        run.turn(worker)
        run.later(secs=8).exit(worker, outcome, "", error)

    return end


def cancelled(run: World, worker: ActorId) -> None:
    run.do(c.CancelActor(worker, "not needed", "root"))
    run.exit(worker, "stopped", "")


def timed_out(run: World, worker: ActorId) -> None:
    run.turn(worker)
    run.later(secs=600).do(c.ExpireActor(worker))
    run.exit(worker, "stopped", "")


def crashed(run: World, worker: ActorId) -> None:
    for _ in range(3):
        run.do(c.RecordCrash(worker, "no such harness"))
        run.later(secs=10)


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (settled("failed", "model error: 500"), "settled as Failed after 8 s: model error: 500."),
        (settled("budget", "budget exceeded"), "settled as BudgetExceeded after 8 s: budget"),
        (cancelled, "settled as Cancelled after 0 s: not needed (by root)."),
        (cancelled, "It never had a turn: its model gave no answer."),
        (timed_out, "settled as TimedOut after 10 min: its time is up (600 s) (by leadhand)."),
        (crashed, "Its session crashed: no such harness."),
        (settled("completed"), "settled as Success after 8 s."),
    ],
)
def test_one_that_has_settled_says_how_and_why(
    end: Callable[[World, ActorId], None], sentence: str
) -> None:
    run = world()
    worker = run.spawn(**TIMED)
    end(run, worker)
    found = of(run, worker)
    assert sentence in said(found)
    assert "Next: nothing, for it has settled; root decides what follows." in found.sentences
    assert found.sentences[-1].startswith("It has cost $0.0")


# The run


def test_a_run_that_goes_on_says_by_whom() -> None:
    run = world()
    run.spawn()
    assert of_run(run.later(secs=61)) == (
        "The run is run by ann on desk, process 7; it has run for 1 min 1 s and has 1 live worker. "
        "It has cost $0.00 of $5.00."
    )


def test_a_run_without_an_owner_says_how_to_go_on() -> None:
    run = world()
    found = why_run.whole_run(run.run, scene(run, held=""))
    assert found.state == "interrupted"
    assert "nobody runs it. Its last owner was test." in said(found)
    assert "`leadhand resume run` goes on with its 1 actor where they were." in said(found)


def test_a_cancelled_run_without_an_owner_says_what_resume_would_do() -> None:
    run = world()
    run.do(c.CancelRun("enough"))
    assert "`leadhand resume run` settles its 1 actor as Cancelled" in of_run(run, held="")
    assert "It was cancelled (enough); its actors are being ended." in of_run(run)


def test_a_drain_says_what_it_means() -> None:
    run = world(grace_secs=30)
    run.do(c.DrainRun())
    assert "What is not done in 20 s waits for `leadhand resume run`." in of_run(run.later(secs=10))


def test_a_run_that_never_began_says_so() -> None:
    empty = World(begin=False)
    assert "never began" in of_run(empty, held="")
    assert "just being started by ann" in of_run(empty)


def ended(run: World, final: str = REPORT) -> str:
    run.exit(final=final)
    run.perform()
    return of_run(run)


def test_a_run_that_succeeded_says_so() -> None:
    run = world()
    run.settled()
    text = ended(run)
    assert "succeeded. Its lead's report says success. 1 worker, and none failed." in text


def test_a_run_with_a_failed_worker_says_which_and_what_the_report_hides() -> None:
    run = world()
    worker = run.spawn(label="a.py")
    run.turn(worker)
    run.exit(worker, "failed", error="it broke")
    text = ended(run)
    assert "partial. Its lead's report says success." in text
    assert "The log disagrees: root/W1: reported as completed, but it settled as Failed." in text
    assert "1 of 1 worker did not succeed: root/W1 (a.py) Failed: it broke." in text


def test_a_run_whose_lead_gave_no_report_says_who_wrote_it() -> None:
    run = world()
    run.turn()
    run.exit(outcome="failed", final="", error="model error: 500")
    run.perform()
    text = of_run(run)
    assert "failed. Its lead settled as Failed: model error: 500." in text
    assert "Its lead gave no report; the one written from the log says failed." in text
    assert "It had no workers." in text


def test_a_drained_run_that_left_work_says_how_to_take_it_up() -> None:
    run = world()
    run.turn()
    run.do(c.DrainRun())
    text = ended(
        run, REPORT.replace("success", "partial").replace("- W1 — a.py — has no faults", "")
    )
    assert "`leadhand resume run` takes it up again." in text


def test_a_cancelled_run_says_by_whom() -> None:
    run = world()
    run.do(c.CancelRun("enough"))
    run.perform(alive=[])
    text = of_run(run)
    assert "cancelled. It was cancelled by operator: enough." in text
    assert "takes it up" not in text


def test_those_that_want_an_explanation_live_or_failed() -> None:
    run = world()
    run.settled()
    failed = run.spawn()
    run.turn(failed)
    run.exit(failed, "failed")
    alive = run.spawn()
    assert why_run.unwell(run.run) == ["root", alive, failed]
    assert why_run.unwell(Run()) == []


def test_any_actor_at_any_moment_can_be_explained() -> None:
    run = world(max_workers=2)
    worker = run.spawn(budget_nanousd=10**9, **TIMED)
    moments: list[Callable[[], object]] = [
        lambda: run.admit(worker),
        lambda: run.answer(worker),
        lambda: asks(run, worker, "Read"),
        lambda: run.do(c.WrapUpActor(worker)),
        lambda: run.do(c.CancelActor(worker, "")),
        lambda: run.exit(worker, "stopped"),
    ]
    for moment in moments:
        moment()
        for held in ("", "ann"):
            assert len(of(run, worker, held).sentences) >= 3
            assert len(of(run, "root", held).sentences) >= 3


# Sub-leads


def test_a_sub_lead_says_what_it_and_all_below_it_have_cost_and_what_is_left() -> None:
    run = world(subleads=Subleads())
    first = run.sublead(label="phase", budget_nanousd=10**9, timeout_secs=60)
    worker = run.spawn(parent=first)
    run.turn(worker)
    asks(run, first, "wait_actor W1", tool="wait_actor")
    run.do(c.OpenWait(first, CallId(f"{first}:wait_actor W1"), (worker,)))
    found = of(run, first)
    assert found.waits_for.startswith("root/S1/W1 (")
    assert "It and all below it have cost $" in said(found)
    assert "of $1.00, $0." in said(found)
    assert "1 of at most 2 workers live." in said(found)
    assert "its workers then have 30 s to wrap up" in said(found)
    assert "all below it" not in said(of(run, worker))


def test_the_run_says_how_many_sub_leads_live_and_who_failed_below() -> None:
    run = world(subleads=Subleads())
    first = run.sublead(budget_nanousd=10**9)
    worker = run.spawn(parent=first)
    assert "has 1 live worker and 1 sub-lead" in of_run(run)
    run.exit(worker, "failed", error="it broke")
    run.exit(first)
    run.exit(final=REPORT)
    run.perform()
    assert "1 of 2 actors did not succeed: root/S1/W1 Failed: it broke" in of_run(run)


# Checks


def checking(run: World) -> ActorId:
    """A worker whose work is checked."""
    worker = run.spawn(contract=Contract(files=("out.md",)))
    run.turn(worker)
    run.do(c.RecordOutcome(worker, CallId("r"), Delivery("completed", "I made it.")))
    run.exit(worker)
    return worker


def test_one_that_is_checked_says_so_and_until_when() -> None:
    run = world()
    worker = checking(run)
    found = of(run.later(secs=30), worker)
    assert (found.state, found.waits_for) == ("checking", "the checks of its work")
    assert (found.waiting_ms, found.left_ms) == (30_000, (CHECKS_SECS - 30) * 1000)
    assert "it settles as they find, verified or refuted" in said(found)


def test_one_that_is_refuted_says_by_what() -> None:
    run = world()
    worker = checking(run)
    bad = Evidence("files", "out.md", ok=False, detail="is not there")
    run.do(c.RecordChecks(worker, (Evidence("files", "a", ok=True), bad), "Done."))
    text = said(of(run, worker))
    assert "settled as Failed, refuted after" in text
    assert 'It reported completed: "I made it."' in text
    assert "Of 2 checks 1 failed. Failed: files out.md: is not there." in text


def test_one_that_is_verified_says_so() -> None:
    run = world()
    worker = checking(run)
    run.do(c.RecordChecks(worker, (Evidence("files", "a", ok=True),), "Done."))
    text = said(of(run, worker))
    assert "settled as Success, verified after" in text
    assert "Of 1 check 0 failed." in text
