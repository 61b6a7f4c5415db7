"""Cost: every cent of a run is somebody's, and the sums are the ledger's."""

from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage
from leadhand.views.cost import cost
from tests.views.kit import HAIKU, world


def test_a_run_that_has_spent_nothing_costs_nothing() -> None:
    run = world()
    found = cost(run.run)
    assert (found.spent, found.reserved, found.calls, found.models) == (0, 0, 0, ())
    assert [share.id for share in found.shares] == [ROOT]
    assert found.free < found.budget == 5_000_000_000


def test_the_lead_comes_first_and_then_the_dearest() -> None:
    run = world()
    run.turn(usage=Usage(10, 10))
    cheap, dear = run.spawn(label="cheap"), run.spawn(label="dear")
    run.turn(cheap, Usage(100, 10))
    run.turn(dear, Usage(100, 1_000))
    run.exit(dear)
    found = cost(run.run)
    assert [share.id for share in found.shares] == [ROOT, dear, cheap]
    assert [share.state for share in found.shares] == ["running", "Success", "running"]
    assert [share.label for share in found.shares] == ["lead", "dear", "cheap"]
    assert found.shares[1].spent == 100 * 1_000 + 1_000 * 5_000
    [model] = found.models
    assert (model.model, model.calls, model.spent) == (HAIKU, 3, run.run.spent)
    assert model.usage == found.usage == Usage(210, 1_020)


def test_what_is_in_flight_is_reserved_and_not_spent() -> None:
    run = world()
    bound = run.admit().bound
    found = cost(run.run)
    assert (found.spent, found.reserved) == (0, bound)


def test_a_call_that_gave_no_answer_is_told_apart() -> None:
    run = world()
    admitted = run.admit()
    run.do(c.RecordCut(ROOT, admitted.call, "the network broke"))
    found = cost(run.run)
    assert found.unanswered == found.spent == admitted.bound


@given(st.lists(st.integers(0, 20_000), max_size=8), st.integers(0, 10))
def test_the_shares_add_up_however_many_are_shown(outputs: list[int], rows: int) -> None:
    run = world(max_workers=16, budget_nanousd=10**15)
    for output in outputs:
        worker = run.spawn()
        run.turn(worker, Usage(100, output))
        run.exit(worker)
    found = cost(run.run, rows)
    assert len(found.shares) == min(rows, len(outputs) + 1)
    assert len(found.shares) + found.others == len(outputs) + 1
    assert sum(share.spent for share in found.shares) + found.others_spent == found.spent
    assert sum(model.spent for model in found.models) == found.spent == run.run.spent
