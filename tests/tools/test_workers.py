"""Workers: the tools by which a lead sees and ends its workers, and sees its own limits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.money import Usage
from tests.tools.lead_kit import Calling, leading


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the lead works."""
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


REMAINING = ["budget_usd", "secs", "workers"]


def test_all_workers_are_listed_live_and_settled(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        queued, running, failed = [await lead.spawn(label=name) for name in "abc"]
        cancelling = await lead.spawn(label="d")
        await lead.turn(running, usage=Usage(1_000, 500))
        await lead.turn(failed)
        await lead.settle(failed, "half\ndone", "failed", "no route")
        await lead.engine.submit(c.CancelActor(ActorId(cancelling), "enough"))
        found = await lead.call("list_workers")
        assert sorted(found["remaining"]) == REMAINING
        workers = {each["worker_id"]: each for each in found["workers"]}
        assert list(workers) == [queued, running, failed, cancelling]
        states = [each["state"] for each in found["workers"]]
        assert states == ["queued", "running", "Failed", "cancelling"]
        assert [each["label"] for each in found["workers"]] == ["a", "b", "c", "d"]
        assert workers[running] == {
            "worker_id": running,
            "state": "running",
            "label": "b",
            "last_step": "",
            "cost_usd": 1.5e-6,
            "turns": 1,
            "model": "unit",
        }
        assert workers[failed]["result_preview"] == "half done"
        assert workers[failed]["error"] == "no route"

    leading(root, deed)


def test_a_workers_last_step_is_shown(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.engine.submit(c.AdmitCall(ActorId(worker), CallId("x"), 1))
        step = e.Intent(CallId("t"), "Read", "reads", "Read a.py")
        turn = c.RecordTurn(ActorId(worker), CallId("x"), "[]", Usage(1), "tool_use", (step,))
        await lead.engine.submit(turn)
        found = await lead.call("worker_status", {"worker_id": worker})
        assert found["worker"]["last_step"] == "Read a.py"
        assert sorted(found["remaining"]) == REMAINING

    leading(root, deed)


def test_workers_are_listed_in_the_order_of_their_numbers(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        workers = [await lead.spawn() for _ in range(12)]
        await lead.settle(workers[4])
        found = await lead.call("list_workers")
        assert [each["worker_id"] for each in found["workers"]] == workers

    leading(root, deed, max_workers=20, budget_nanousd=10_000_000)


def test_without_workers_the_list_is_empty(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        assert (await lead.call("list_workers"))["workers"] == []

    leading(root, deed)


@pytest.mark.parametrize("argument", ["worker_id", "task_id", "actor_id"])
@pytest.mark.parametrize("tool", ["worker_status", "mcp__pitboss__cancel_worker"])
def test_a_worker_is_named_by_any_of_its_names(root: Path, tool: str, argument: str) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn(label="a.py")
        for name in (worker, "W1", "a.py"):
            found = await lead.call(tool, {argument: name})
            assert found["worker"]["worker_id"] == worker

    leading(root, deed)


def test_the_reason_of_a_cancel_reaches_the_record(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        found = await lead.call("cancel_worker", {"worker_id": worker, "reason": "wrong\nfile"})
        assert found["worker"]["state"] == "cancelling"
        ending = next(each for each in await lead.log() if isinstance(each, e.ActorEnding))
        assert (ending.actor, ending.by, ending.reason) == (worker, ROOT, "wrong file")
        await lead.settle(worker, outcome="stopped")
        record = lead.engine.run.records[ActorId(worker)]
        assert (record.status, record.error) == ("Cancelled", "wrong file")
        found = await lead.call("wait_actor", {"worker_id": worker})
        assert (found["status"], found["error"]) == ("Cancelled", "wrong file")

    leading(root, deed)


def test_a_cancel_without_a_reason_says_who_it_was(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.call("cancel_worker", {"worker_id": await lead.spawn()})
        ending = next(each for each in await lead.log() if isinstance(each, e.ActorEnding))
        assert ending.reason == "cancelled by its lead"

    leading(root, deed)


def test_a_cancel_that_is_repeated_changes_nothing(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.call("cancel_worker", {"worker_id": worker, "reason": "first"}, call="one")
        before = len(await lead.log())
        await lead.call("cancel_worker", {"worker_id": worker, "reason": "second"}, call="one")
        assert len(await lead.log()) == before

    leading(root, deed)


def test_a_settled_worker_cannot_be_cancelled(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.settle(worker)
        found = await lead.refused("cancel_worker", {"worker_id": worker})
        assert found["code"] == "settled"
        assert found["message"] == f"{worker} has already settled as Success"

    leading(root, deed)


def test_a_lead_does_not_cancel_itself(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        found = await lead.refused("cancel_worker", {"actor_id": "root"})
        assert found["code"] == "tool_not_allowed"
        assert found["next"] == "End with your final report."

    leading(root, deed)


def test_the_house_rules_tell_the_limits_and_what_is_left(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.turn(ROOT, usage=Usage(2_000, 500))
        worker = await lead.spawn(budget_usd=0.0001)
        await lead.turn(worker, usage=Usage(1_000, 0))
        found = await lead.call("house_rules")
        left = found.pop("remaining")
        assert found == {
            "max_workers": 2,
            "max_total_spawns": 9,
            "budget_usd": 0.001,
            "spent_usd": 3.5e-6,
            "lead_timeout_secs": 500,
            "spawned_total": 1,
        }
        assert left["workers"] == 1
        assert 490 <= left["secs"] <= 500
        assert left["budget_usd"] < 0.001 - 0.0001 - 2.5e-6

    leading(root, deed, max_workers=2, max_total_spawns=9, lead_timeout_secs=500)


def test_no_worker_may_be_spawned_by_who_is_told_that_none_remains(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.engine.submit(c.DrainRun())
        assert (await lead.call("house_rules"))["remaining"]["workers"] == 0

    leading(root, deed)


HUGE = "x" * 1_000_000


@pytest.mark.parametrize(
    ("tool", "args", "code"),
    [
        ("worker_status", {}, "unknown_actor"),
        ("worker_status", {"worker_id": HUGE}, "unknown_actor"),
        ("worker_status", {"worker_id": "\x00"}, "unknown_actor"),
        ("worker_status", {"worker_id": "../../etc"}, "unknown_actor"),
        ("worker_status", {"worker_id": 1}, "invalid_arguments"),
        ("worker_status", {"worker_id": ["W1"]}, "invalid_arguments"),
        ("worker_status", {HUGE: 1}, "invalid_arguments"),
        ("cancel_worker", {}, "unknown_actor"),
        ("cancel_worker", {"worker_id": "W9"}, "unknown_actor"),
        ("cancel_worker", {"worker_id": "W1", "reason": 5}, "invalid_arguments"),
        ("cancel_worker", {"worker_id": "W1", "reason": "\ud800"}, "invalid_arguments"),
        ("cancel_worker", {"worker_id": "W1", "why": "x"}, "invalid_arguments"),
        ("list_workers", {"all": True}, "invalid_arguments"),
        ("list_workers", [], "invalid_arguments"),
        ("house_rules", {"x": {"y": ["z"]}}, "invalid_arguments"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_arguments_are_refused_in_few_words(
    root: Path, tool: str, args: dict[str, Any], code: str
) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn()
        found = await lead.refused(tool, args)
        assert found["code"] == code
        assert 0 < len(found["message"]) < 1_000
        assert not any(isinstance(each, e.ActorEnding) for each in await lead.log())

    leading(root, deed)


def test_a_reason_of_a_megabyte_is_cut(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.call("cancel_worker", {"worker_id": await lead.spawn(), "reason": HUGE})
        ending = next(each for each in await lead.log() if isinstance(each, e.ActorEnding))
        assert len(ending.reason) <= 500

    leading(root, deed)


@pytest.mark.parametrize("tool", ["list_workers", "worker_status", "cancel_worker", "house_rules"])
def test_a_worker_has_none_of_these_tools(root: Path, tool: str) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        found = await lead.refused(tool, {}, actor=worker, role="worker")
        assert found["code"] == "unknown_tool"

    leading(root, deed)


def test_all_tools_of_one_turn_run_at_the_same_time(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        spawned = await asyncio.gather(*[lead.spawn(label=str(n)) for n in range(4)])
        assert sorted(spawned) == [f"root/W{number}" for number in range(1, 5)]
        waits = [asyncio.create_task(lead.call("wait_actor", {"worker_id": w})) for w in spawned]
        await asyncio.gather(*[lead.settle(worker, f"of {worker}") for worker in spawned])
        assert {(await wait)["result"] for wait in waits} == {f"of {worker}" for worker in spawned}

    leading(root, deed)
