"""Why run: a parked run says what for, since when, and how it goes on."""

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT
from leadhand.views import head, why, why_run
from leadhand.views.tree import tree
from tests.rules.world import World
from tests.views.kit import scene, world


def parked(resets_in_ms: int) -> World:
    """A run whose lead has met a quota ten minutes ago."""
    run = world()
    call = run.admit().call
    resets_at = run.now.wall_ms + resets_in_ms if resets_in_ms else 0
    run.do(c.RecordCut(ROOT, call, "credit is too low", False, True, resets_at))
    run.do(run.admitting())
    return run.later(secs=600)


def said(run: World, held: str = "ann on desk, process 7") -> str:
    return " ".join(why_run.whole_run(run.run, scene(run, held)).sentences)


def test_a_parked_run_says_why_since_when_and_when_it_goes_on() -> None:
    told = said(parked(3_600_000))
    assert "It is parked for 10 min now, and its time stands still" in told
    assert 'claude-haiku-4-5 gives nothing more ("credit is too low")' in told
    assert "Next: it goes on by itself in 50 min." in told


def test_a_run_that_nobody_waits_for_says_how_to_go_on() -> None:
    told = said(parked(0), held="")
    assert "Next: `leadhand resume run` asks again; do it once there is quota." in told


def test_an_actor_of_a_parked_run_waits_for_it() -> None:
    run = parked(3_600_000)
    found = why.actor(run.run, ROOT, scene(run))
    assert found.waits_for == "the run to go on, which is parked"
    assert found.next == "its call is admitted when the run goes on"


def test_an_actor_whose_call_waits_for_its_provider_says_so() -> None:
    run = world()
    call = run.admit().call
    why_held = "its provider, which limits the rate of calls"
    run.do(c.RecordHold(ROOT, call, why_held, run.run_ms + 30_000))
    found = why.actor(run.run, ROOT, scene(run.later(secs=10)))
    assert (found.waits_for, found.waiting_ms, found.left_ms) == (why_held, 10_000, 20_000)
    found = why.actor(run.run, ROOT, scene(run.later(secs=30)))
    assert found.waits_for == "claude-haiku-4-5 to answer"


def test_the_head_and_the_tree_of_a_parked_run_say_so() -> None:
    run = parked(3_600_000)
    brief = head.head_of(run.run)
    assert (brief.parked, brief.parked_until) == (
        "credit is too low",
        run.now.wall_ms + 3_000_000,
    )
    assert tree(run.run, run.now).parked_ms == 3_000_000
    run.do(c.UnparkRun())
    assert head.head_of(run.run).parked == ""
    assert tree(run.run, run.now).parked_ms is None


def test_a_run_that_ran_out_of_budget_says_what_takes_it_up_again() -> None:
    run = world()
    run.exit(outcome="budget", error="budget exceeded")
    run.perform()
    assert (
        "It ran out of budget: `leadhand resume run --budget-usd AMOUNT` takes it up again with "
        "more."
    ) in said(run, held="")
    run.do(c.ChangeHouse(budget_nanousd=9 * 10**9))
    told = said(run, held="")
    assert (
        "It ran out of budget, and has more now: `leadhand resume run` takes it up again." in told
    )
    assert "of $9.00." in told


def test_a_run_that_ran_out_of_time_says_what_takes_it_up_again() -> None:
    run = world(lead_timeout_secs=60).later(secs=60)
    run.perform()
    run.exit(outcome="failed")
    run.perform()
    told = said(run, held="")
    assert "`leadhand resume run --lead-timeout-secs SECS` takes it up again with more." in told
