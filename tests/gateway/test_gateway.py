"""Gateway: every call is admitted first and settled whatever happens to it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import NANO, Usage
from leadhand.errors import ModelError
from leadhand.model import Request
from leadhand.testing import Reply, prompt
from tests.seeds.kit import LEAD, Ended, Part, calls, cast, play, report, spawn, wait

PRICED = '\n[prices."script:x.py:f"]\ninput = 1.0\noutput = 1.0\n'
MANIFEST = (
    "[run]\nmax_workers = 8\nbudget_usd = BUDGET\n"
    + LEAD.replace("claude-haiku-4-5", "script:x.py:f")
    + PRICED
)
SMALL = Usage(100, 100)


def one_worker(base: Path, worker: Callable[[Request], Reply], budget: float = 2.0) -> Ended:
    """A run whose lead starts one worker and waits for it."""

    def lead(request: Request) -> Part:
        yield Reply(calls=(spawn("work", max_turns=6),), usage=SMALL)
        yield Reply(calls=(wait("W1"),), usage=SMALL)
        return report("partial")

    return play(MANIFEST.replace("BUDGET", str(budget)), cast(lead, worker), base)


def test_an_answer_settles_its_call_at_what_it_cost(tmp_path: Path) -> None:
    ended = one_worker(tmp_path, lambda request: Reply(text="done", usage=Usage(1_000, 500)))
    assert ended.run.records[ActorId("root/W1")].spent == 1_500 * NANO // 1_000_000
    assert ended.run.envelopes[ROOT].reserved == ended.run.envelopes[ROOT].held == 0


@pytest.mark.parametrize("billed", [True, False])
def test_a_call_that_failed_costs_all_of_its_bound_or_nothing(tmp_path: Path, billed: bool) -> None:
    def worker(request: Request) -> Reply:
        raise ModelError("no", billed=billed)

    ended = one_worker(tmp_path, worker)
    record = ended.run.records[ActorId("root/W1")]
    assert (record.status, record.error) == ("Failed", "model error: no")
    (cut,) = ended.all(e.CallCut)
    (admitted,) = [each for each in ended.all(e.CallAdmitted) if each.actor == record.id]
    assert record.spent == cut.charged == (admitted.bound if billed else 0)


@pytest.mark.slow
def test_a_retryable_failure_is_asked_again_after_a_while(tmp_path: Path) -> None:
    tries: list[str] = []

    def worker(request: Request) -> Reply:
        tries.append(request.call_id)
        if len(tries) < 2:
            raise ModelError("busy", retryable=True, billed=False)
        return Reply(text="done", usage=SMALL)

    ended = one_worker(tmp_path, worker)
    assert ended.statuses["root/W1"] == "Success"
    assert len(set(tries)) == 2


@pytest.mark.slow
def test_a_call_cut_by_a_cancel_counts_whole(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        yield calls(spawn("work"))
        yield calls(("wait_actor", {"worker_id": "W1", "timeout_secs": 1}))
        yield calls(("cancel_worker", {"worker_id": "W1"}))
        yield calls(wait("W1"))
        return report("partial")

    slow = Reply(text="done", delay_secs=60)
    ended = play(MANIFEST.replace("BUDGET", "2.0"), cast(lead, lambda request: slow), tmp_path)
    (cut,) = ended.all(e.CallCut)
    assert cut.actor == "root/W1"
    assert cut.charged == ended.run.records[ActorId("root/W1")].spent > 0


def test_a_call_that_does_not_fit_waits_for_others_to_settle(tmp_path: Path) -> None:
    async def worker(request: Request) -> Reply:
        await asyncio.sleep(0.05)
        return Reply(text=prompt(request), usage=SMALL)

    def lead(request: Request) -> Part:
        names = [f"w{number}" for number in range(6)]
        args = {"max_turns": 1}
        yield Reply(calls=tuple(spawn(name, **args) for name in names), usage=SMALL)
        yield Reply(calls=tuple(wait(f"W{number + 1}") for number in range(6)), usage=SMALL)
        return report("success")

    ended = play(MANIFEST.replace("BUDGET", "0.08"), cast(lead, worker), tmp_path)
    assert set(ended.statuses.values()) == {"Success"}
    assert any(each.why == "reservations in flight" for each in ended.all(e.CallDeferred))
    assert ended.run.spent <= 80_000_000


def test_a_worker_whose_call_never_fits_settles_as_budget_exceeded(tmp_path: Path) -> None:
    def worker(request: Request) -> Reply:
        spend = Usage(8_000, 8_000)
        return Reply(text="so far so good", calls=(("Glob", {"pattern": "*"}),), usage=spend)

    ended = one_worker(tmp_path, worker, budget=0.1)
    record = ended.run.records[ActorId("root/W1")]
    assert record.status == "BudgetExceeded"
    assert record.error.startswith("budget exceeded: $")
    assert record.preview == "so far so good"
    assert ended.run.spent <= 100_000_000
    assert ended.run.records[ROOT].status == "Success"
