"""Waiting: calls that wait for their provider, in virtual time: who gives up, and what it costs."""

import asyncio
from pathlib import Path

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Settings
from leadhand.errors import ModelError
from leadhand.gateway.pace import PATIENCE_SECS
from leadhand.model import Request
from leadhand.models.scripted import Reply
from tests.harnesses.session_kit import Ended, Owner, by_turn, calls, cast, play, use
from tests.harnesses.test_sessions import REPORT

WORKERS = 40


def overloaded() -> ModelError:
    return ModelError("HTTP 529: busy", kind="overloaded", billed=False)


def crowd(base: Path, worker: object, count: int = WORKERS, **given: object) -> Ended:
    """A run whose lead starts so many workers at once and waits for all."""
    spawned = [use("spawn_worker", prompt="work") for _ in range(count)]
    waits = [use("wait_actor", worker_id=f"W{number + 1}") for number in range(count)]
    lead = by_turn(calls(*spawned), calls(*waits), REPORT)
    return play(
        base,
        cast(root=lead, worker=worker),  # type: ignore[arg-type]
        max_workers=count,
        lead_timeout_secs=80_000,
        budget_nanousd=10**9,
        defaults=Settings(timeout_secs=40_000),
        **given,  # type: ignore[arg-type]
    )


def test_a_slow_provider_that_goes_on_answering_is_waited_for_as_long_as_it_takes(
    tmp_path: Path,
) -> None:
    busy = 0

    async def worker(request: Request) -> Reply:
        nonlocal busy
        if busy >= 2:
            raise overloaded()
        busy += 1
        try:
            await asyncio.sleep(120)
        finally:
            busy -= 1
        return Reply(text="done")

    ended = crowd(tmp_path, worker)
    assert ended.secs > 2 * PATIENCE_SECS
    assert ended.run.status == "succeeded"
    assert len(ended.asked) < 8 * WORKERS


def test_a_provider_that_answers_nobody_is_given_up_after_a_quarter_of_an_hour(
    tmp_path: Path,
) -> None:
    def script(request: Request) -> str:
        raise overloaded()

    ended = play(tmp_path, script)
    assert ended.secs == pytest.approx(PATIENCE_SECS, abs=75)
    record = ended.record()
    assert (record.status, record.error) == (
        "Failed", "model error: HTTP 529: busy (for 15 min)",
    )  # fmt: skip
    assert len(ended.asked) < 40
    assert ended.run.spent == 0


def test_a_provider_that_asks_for_more_patience_than_there_is_has_no_quota(tmp_path: Path) -> None:
    def script(request: Request) -> str:
        raise ModelError("wait", kind="rate_limited", billed=False, retry_after_secs=7_200)

    ended = play(tmp_path, script, on_quota="fail")
    assert len(ended.asked) == 1
    assert ended.record().error == "model error: wait"
    assert ended.secs < 1


@pytest.mark.parametrize("how", ["cancelled", "stopped"])
def test_a_call_that_never_left_costs_nothing_when_it_is_ended(tmp_path: Path, how: str) -> None:
    async def worker(request: Request) -> Reply:
        if request.actor_id != "root/W1":
            raise ModelError("slow down", kind="rate_limited", billed=False, retry_after_secs=600)
        await asyncio.sleep(9_999)
        return Reply(text="late")

    async def meet(owner: Owner) -> None:
        await asyncio.sleep(60)
        assert owner.engine is not None
        assert owner.conductor is not None
        if how == "cancelled":
            await owner.engine.submit(c.CancelRun("enough"))
        else:
            owner.conductor.suspend()

    ended = crowd(tmp_path, worker, 9, meet=meet)
    cuts = {each.actor: each for each in ended.all(e.CallCut)}
    assert set(cuts) == {f"root/W{number + 1}" for number in range(9)}
    (bound,) = (each.bound for each in ended.all(e.CallAdmitted, "root/W1"))
    assert cuts.pop(ActorId("root/W1")).charged == bound > 0
    assert {each.charged for each in cuts.values()} == {0}
