"""Tree: who works in a run, what each does, and what it all has cost, in the rows there are."""

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Subleads
from leadhand.domain.questions import Question
from leadhand.views.tree import LEAD, SUBLEAD, WORKER, tree
from tests.rules.world import REPORT
from tests.views.kit import ESCAPES, asks, world


def test_a_run_that_has_just_begun_is_its_lead() -> None:
    run = world(max_workers=3)
    seen = tree(run.run, run.later(secs=2).now)
    [lead] = seen.branches
    assert (lead.glyph, lead.name, lead.state, lead.turns, lead.spent) == (
        LEAD,
        "lead",
        "queued",
        0,
        0,
    )
    assert (seen.spawned, seen.live, seen.max_workers, seen.elapsed_ms) == (0, 0, 3, 2000)
    assert (seen.status, seen.grace_ms, seen.budget) == ("running", None, 5_000_000_000)


def test_workers_stand_below_their_lead_with_what_they_do_and_cost() -> None:
    run = world()
    run.turn()
    first, second = run.spawn(label="first half"), run.spawn(label="second half")
    run.later(secs=3)
    asks(run, first, "Read a.py")
    run.turn(second)
    run.later(secs=4).exit(second, final="All is well.")
    seen = tree(run.run, run.now)
    lead, one, two = seen.branches
    assert [each.depth for each in seen.branches] == [0, 1, 1]
    assert (one.glyph, one.name, one.label) == (WORKER, "W1", "first half")
    assert (one.state, one.step, one.turns, one.elapsed_ms) == ("running", "Read a.py", 1, 4000)
    assert (two.state, two.step, two.elapsed_ms) == ("Success", "All is well.", 4000)
    assert lead.spent + one.spent + two.spent == seen.spent == run.run.spent > 0
    assert (seen.spawned, seen.live, seen.hidden) == (2, 1, 0)


def test_a_failed_worker_shows_why() -> None:
    run = world()
    worker = run.spawn()
    run.turn(worker)
    run.exit(worker, "failed", final="", error="model error: it is down")
    assert tree(run.run, run.now).branches[1].step == "model error: it is down"


def test_where_rows_are_short_the_live_and_the_failed_stay() -> None:
    run = world(max_workers=16)
    for number in range(10):
        worker = run.spawn()
        run.turn(worker)
        run.exit(worker, "failed" if number == 3 else "completed", error="no")
    alive = run.spawn()
    seen = tree(run.run, run.now, rows=5)
    assert [each.id for each in seen.branches] == [
        "root", "root/W4", "root/W9", "root/W10", alive,
    ]  # fmt: skip
    assert seen.hidden == 7
    assert [each.id for each in tree(run.run, run.now, rows=1).branches] == ["root"]
    assert tree(run.run, run.now, rows=1).hidden == 11


def test_a_lead_that_has_settled_shows_what_it_reported_and_whether_that_is_so() -> None:
    run = world()
    run.settled()
    run.exit(final=REPORT)
    assert tree(run.run, run.now).branches[0].step == "reported success"
    run = world()
    run.exit(final=REPORT)
    step = tree(run.run, run.now).branches[0].step
    assert step == "reported success; the log disagrees in 1 point"


def test_a_drain_shows_the_time_that_is_left_and_its_end_none() -> None:
    run = world(grace_secs=30)
    run.turn()
    run.do(c.DrainRun())
    assert tree(run.run, run.later(secs=10).now).grace_ms == 20_000
    run.exit(final="1. STATUS: partial\n2. COMPLETED\n3. DEFERRED OR FAILED\n4. COST SUMMARY")
    run.perform()
    over = tree(run.run, run.later(secs=100).now)
    assert (over.status, over.grace_ms, over.elapsed_ms) == ("partial", None, 10_000)


def test_nothing_that_a_model_says_takes_over_the_terminal() -> None:
    run = world()
    worker = run.spawn(label=f"{ESCAPES}[bold]x[/]")
    asks(run, worker, f"Read {ESCAPES}")
    shown = tree(run.run, run.now).branches[1]
    assert "\x1b" not in shown.label + shown.step
    assert shown.label.endswith("[bold]x[/]")


def test_sub_leads_stand_between_the_lead_and_their_workers_with_the_cost_of_all_below() -> None:
    run = world(subleads=Subleads(max_depth=3), max_workers=4)
    first = run.sublead(label="phase one", budget_nanousd=10**9, max_workers=2)
    second = run.sublead(parent=first, budget_nanousd=4 * 10**8, max_workers=1)
    worker, mine = run.spawn(parent=second), run.spawn()
    for each in (first, second, worker, mine):
        run.turn(each)
    seen = tree(run.run, run.now)
    assert [(each.depth, each.glyph, each.name, each.label) for each in seen.branches] == [
        (0, LEAD, "lead", ""),
        (1, SUBLEAD, "S1", "phase one"),
        (2, SUBLEAD, "S1", ""),
        (3, WORKER, "W1", ""),
        (1, WORKER, "W1", ""),
    ]
    cost = run.run.spent // 4
    assert [each.spent for each in seen.branches] == [0, 3 * cost, 2 * cost, cost, cost]
    assert [each.envelope for each in seen.branches] == [None, 10**9, 4 * 10**8, None, None]
    assert (seen.spawned, seen.subleads, seen.live, seen.max_workers) == (2, 2, 2, 7)
    run.exit(worker), run.exit(second), run.exit(first)
    seen = tree(run.run, run.now)
    assert [each.spent for each in seen.branches] == [0, 3 * cost, 2 * cost, cost, cost]
    assert {each.envelope for each in seen.branches} == {None}


def test_the_places_of_a_tree_are_at_most_those_of_the_whole_run() -> None:
    run = world(subleads=Subleads(max_total_workers=5), max_workers=4)
    run.sublead(budget_nanousd=10**9, max_workers=3)
    assert tree(run.run, run.now).max_workers == 5


def test_who_is_paused_is_shown_with_by_whom_and_for_how_long() -> None:
    run = world()
    one, other = run.spawn(), run.spawn()
    run.do(c.PauseActor(one, "cancel", "the wrong\nfile"))
    run.do(c.PauseActor(other, "freeze", by=ROOT))
    seen = {each.id: each for each in tree(run.later(secs=7).run, run.now).branches}
    assert (seen[one].state, seen[one].step) == ("paused", "for 7 s by operator: the wrong file")
    assert (seen[other].state, seen[other].step) == ("frozen", "for 7 s by root")
    run.do(c.RepromptActor(one, "otherwise"))
    (branch,) = [each for each in tree(run.run, run.now).branches if each.id == one]
    assert branch.step == "is interrupted for a new prompt"


def test_who_asks_the_operator_shows_the_question_and_the_tree_counts_it() -> None:
    run = world()
    worker = run.spawn()
    asks(run, worker, "Bash git push", tool="Bash")
    question = Question("tool_use", "Bash")
    run.do(c.AskApproval(worker, next(iter(run.actor(worker).tools)), question, "git push"))
    seen = tree(run.run, run.now)
    assert seen.branches[1].step == "asks you A1: git push"
    assert (seen.questions, seen.paused) == (1, 0)
    run.do(c.PauseActor(worker))
    assert tree(run.run, run.now).paused == 1
