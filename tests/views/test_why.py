"""Why: for any actor that waits, failed or never started: what for, since when, what next, cost."""

from collections.abc import Callable
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain.contract import CHECKS_SECS, Contract, Delivery, Evidence
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import Subleads
from leadhand.domain.state import Run
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
