"""Head: one row tells how a run stands, and an older Leadhand can read a newer one."""

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT
from leadhand.domain.state import Run
from leadhand.views.head import Head, head, head_of, ran_ms, read
from tests.rules.world import REPORT
from tests.views.kit import world


def test_a_run_without_events_has_an_empty_head() -> None:
    assert read(b"") == Head()
    assert read(head(Run())).status == ""


def test_a_head_is_read_back_as_it_was_written() -> None:
    run = world()
    run.turn()
    run.spawn()
    assert read(head(run.run)) == head_of(run.run)


def test_a_head_counts_and_sums_what_the_run_holds() -> None:
    run = world()
    run.settled()
    failed = run.spawn()
    run.later(secs=5).turn(failed)
    run.exit(failed, "failed")
    run.spawn()
    found = head_of(run.run)
    assert (found.run_id, found.lead, found.status) == ("run", "lead", "running")
    assert (found.live, found.settled, found.failed) == (2, 2, 1)
    assert (found.spent, found.budget) == (run.run.spent, 5_000_000_000)
    assert (found.run_ms, found.finished_wall_ms, found.preview) == (5_000, None, "")


def test_a_head_counts_who_is_paused() -> None:
    run = world()
    worker = run.spawn()
    run.do(c.PauseActor(worker))
    run.do(c.PauseActor(ROOT))
    run.do(c.PauseActor(ROOT))
    assert head_of(run.run).paused == 2
    run.do(c.ContinueActor(ROOT))
    assert head_of(run.run).paused == 1
    run.do(c.CancelActor(worker, "enough"))
    run.perform(["root"])
    assert head_of(run.run).paused == 0


def test_a_head_tells_of_a_drain_a_cancel_and_the_end() -> None:
    run = world()
    run.turn()
    run.do(c.DrainRun())
    assert (head_of(run.run).draining, head_of(run.run).cancelled) == (True, False)
    run.do(c.CancelRun("enough"))
    assert head_of(run.run).cancelled
    run.exit(final=REPORT)
    run.perform()
    found = head_of(run.run)
    assert (found.status, found.finished_wall_ms) == ("cancelled", run.now.wall_ms)
    assert found.preview.startswith("1. STATUS: success 2. COMPLETED")


def test_a_newer_head_is_read_without_what_it_adds() -> None:
    assert read(b'{"status":"running","moons":2}') == Head(status="running")


def test_a_run_that_goes_on_has_run_longer_than_when_its_head_was_written() -> None:
    run = world()
    found = head_of(run.later(secs=5).run, 10_000)
    assert ran_ms(found, 17_000) == found.run_ms + 7_000
    assert ran_ms(found, 3_000) == found.run_ms
    run.settled()
    run.exit(final=REPORT)
    run.perform([])
    over = head_of(run.run, 10_000)
    assert ran_ms(over, 17_000) == over.run_ms
