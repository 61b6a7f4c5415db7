"""Remaining: what an actor has left of money, workers and time comes with every answer."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.ledger import free
from leadhand.domain.manifest import Subleads
from leadhand.refusals import UnknownActor
from leadhand.views.remaining import remaining
from tests.views.kit import world


def test_a_lead_has_its_budget_its_workers_and_its_time() -> None:
    run = world(max_workers=3, lead_timeout_secs=600)
    run.spawn()
    found = remaining(run.run, ROOT, run.later(secs=100).now)
    assert found.budget_usd == free(run.envelope()) / 10**9
    assert 0 < found.budget_usd < 5
    assert (found.workers, found.secs) == (2, 500)


def test_the_last_spawns_of_a_run_count_too() -> None:
    run = world(max_workers=4, max_total_spawns=2)
    run.settled()
    assert remaining(run.run, ROOT, run.now).workers == 1
    run.settled()
    assert remaining(run.run, ROOT, run.now).workers == 0


def test_a_worker_has_its_own_envelope_and_spawns_nobody() -> None:
    run = world()
    worker = run.spawn(budget_nanousd=10**9, timeout_secs=60)
    found = remaining(run.run, worker, run.now)
    assert found.budget_usd == free(run.envelope(worker)) / 10**9 < 1
    assert (found.workers, found.secs) == (0, 60)


def test_a_drain_leaves_no_place_for_a_worker() -> None:
    run = world()
    run.do(c.DrainRun())
    assert remaining(run.run, ROOT, run.now).workers == 0


def test_time_that_is_up_is_nothing_and_never_less() -> None:
    run = world(lead_timeout_secs=10)
    assert remaining(run.run, ROOT, run.later(secs=30).now).secs == 0


def test_one_that_has_settled_has_nothing_to_ask_for() -> None:
    run = world()
    with pytest.raises(UnknownActor):
        remaining(run.run, ActorId("root/W1"), run.now)


def test_a_sub_lead_has_the_places_the_money_and_the_time_of_its_own() -> None:
    run = world(max_workers=3, lead_timeout_secs=600, subleads=Subleads(max_total_workers=3))
    first = run.sublead(budget_nanousd=10**9, max_workers=2, timeout_secs=60)
    found = remaining(run.run, first, run.now)
    assert found.budget_usd == free(run.envelope(first)) / 10**9
    assert 0.9 < found.budget_usd < 1
    assert (found.workers, found.secs) == (2, 60)
    run.spawn(), run.spawn()
    assert remaining(run.run, first, run.now).workers == 1, "max_total_workers allows no more"
    run.spawn(parent=first)
    assert remaining(run.run, first, run.now).workers == 0
    assert remaining(run.run, ROOT, run.now).workers == 0


def test_a_sub_lead_that_wraps_up_has_no_place_for_a_worker() -> None:
    run = world(subleads=Subleads())
    first = run.sublead(budget_nanousd=10**9)
    run.exit(outcome="failed")
    run.perform()
    assert remaining(run.run, first, run.now).workers == 0
