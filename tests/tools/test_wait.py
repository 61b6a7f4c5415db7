"""Wait: the tools that bring a worker's result, or say why not yet and how to go on."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import Usage
from leadhand.store import Row
from leadhand.stores.memory import MemoryStore
from leadhand.testing import clock
from leadhand.tools.wait import SHOWN_MAX
from tests.tools.lead_kit import Calling, leading, led

NAMES = ("worker_id", "task_id", "actor_id")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the lead works."""
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


class GatedStore(MemoryStore):
    """A store whose commits each wait to be let through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Semaphore(1_000)

    async def append(
        self,
        run: str,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        await self.gate.acquire()
        await super().append(run, epoch, after_seq, rows, verdicts, head)


async def idle() -> None:
    """Let everybody do what they can."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- what it brings


def test_a_wait_brings_a_settled_workers_result(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        waiting = asyncio.create_task(lead.call("wait_actor", {"worker_id": worker}))
        await lead.turn(worker, usage=Usage(1_000, 200))
        await lead.settle(worker, "three faults\nin a.py")
        found = await waiting
        left = found.pop("remaining")
        duration = found.pop("duration_ms")
        assert found == {
            "settled": True,
            "worker_id": "root/W1",
            "status": "Success",
            "outcome": "unverified",
            "result": "three faults\nin a.py",
            "cost_usd": 1.2e-6,
        }
        assert isinstance(duration, int)
        assert sorted(left) == ["budget_usd", "secs", "workers"]
        assert left["workers"] == 4

    leading(root, deed)


@pytest.mark.parametrize("tool", ["wait_actor", "wait_for_worker", "mcp__pitboss__wait_for_worker"])
@pytest.mark.parametrize("argument", NAMES)
@pytest.mark.parametrize("name", ["root/W1", "W1", "a.py"])
def test_a_worker_is_waited_for_by_any_of_its_names(
    root: Path, tool: str, argument: str, name: str
) -> None:
    async def deed(lead: Calling) -> None:
        await lead.settle(await lead.spawn(label="a.py"))
        assert (await lead.call(tool, {argument: name}))["worker_id"] == "root/W1"

    leading(root, deed)


@pytest.mark.parametrize("argument", [f"{name}s" for name in NAMES])
def test_a_wait_for_any_brings_who_settled_first(root: Path, argument: str) -> None:
    async def deed(lead: Calling) -> None:
        first, second, third = [await lead.spawn() for _ in range(3)]
        waiting = asyncio.create_task(
            lead.call("mcp__leadhand__wait_for_any", {argument: [first, second, "W3", "W3"]})
        )
        await asyncio.sleep(0)
        await lead.settle(third)
        assert (await waiting)["worker_id"] == third
        await lead.settle(first)
        again = await lead.call("wait_for_any", {argument: [first, second, third]})
        assert again["worker_id"] == third

    leading(root, deed)


def test_a_worker_that_failed_brings_its_error(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.settle(worker, "", "failed", "model error: no route")
        found = await lead.call("wait_actor", {"worker_id": worker})
        assert (found["settled"], found["status"]) == (True, "Failed")
        assert (found["result"], found["error"]) == ("", "model error: no route")
        assert found["cost_usd"] == 0

    leading(root, deed)


def test_a_worker_that_was_stopped_brings_the_last_that_it_said(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.turn(worker, words="first " * 100)
        await lead.turn(worker, words="half way through\n" * 100)
        await lead.settle(worker, "", "stopped")
        found = await lead.call("wait_actor", {"worker_id": worker})
        assert found["result"] == "half way through\n" * 100

    leading(root, deed)


def test_a_long_result_is_cut_and_its_whole_is_read_in_pages(root: Path) -> None:
    whole = "\n".join(f"line {number} {'x' * 90}" for number in range(3_000))

    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.settle(worker, whole)
        found = await lead.call("wait_actor", {"worker_id": worker})
        assert found["result"].startswith(whole[:SHOWN_MAX])
        assert len(found["result"]) < SHOWN_MAX + 200
        assert found["pointer"] in found["result"]
        read, offset = "", 1
        while offset <= 3_000:
            page = await lead.result(
                "Read", {"file_path": found["pointer"], "offset": offset, "limit": 500}
            )
            read += page.content
            offset += 500
        for number in range(3_000):
            assert f"line {number} " in read

    leading(root, deed)


def test_a_short_result_has_no_pointer(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.settle(worker, "x" * SHOWN_MAX)
        assert "pointer" not in await lead.call("wait_actor", {"worker_id": worker})

    leading(root, deed)


def test_a_wait_answers_with_nothing_that_is_not_durable(root: Path) -> None:
    store = GatedStore()

    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        store.gate = asyncio.Semaphore(0)
        waiting = asyncio.create_task(lead.call("wait_actor", {"worker_id": worker}))
        await idle()
        settling = asyncio.create_task(lead.settle(worker, "my result"))
        await idle()
        # The wait is let through; that the worker has settled is known, but not yet durable.
        store.gate.release()
        await idle()
        assert ActorId(worker) in lead.engine.run.records
        assert not waiting.done()
        store.gate.release()
        assert (await waiting)["result"] == "my result"
        await settling

    leading(root, deed, store=store)


# --- how it ends without a result


def test_a_wait_that_ran_out_says_why_and_how_to_go_on(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        found = await lead.call("wait_actor", {"worker_id": worker, "timeout_secs": 0})
        left = found.pop("remaining")
        assert found == {
            "settled": False,
            "worker_id": worker,
            "why": "the time of this wait ran out",
            "next": f"Call again to go on waiting for {worker}; "
            "worker_status shows where it stands.",
        }
        assert left["workers"] == 3

    leading(root, deed)


def test_a_wait_lasts_as_long_as_it_was_given_or_its_lead_has(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        loop = asyncio.get_running_loop()
        worker = await lead.spawn()
        for given, expected in ((30, 30), (None, 570), (10_000, 0)):
            began = loop.time()
            args = {"worker_id": worker, "timeout_secs": given}
            assert not (await lead.call("wait_actor", args))["settled"]
            assert loop.time() - began == pytest.approx(expected, abs=0.1)

    async def main() -> None:
        timing = clock.JumpingClock(asyncio.get_running_loop())
        await led(root, deed, clock=timing, lead_timeout_secs=600)

    clock.run(main())


def test_a_message_ends_a_wait_early(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        waiting = asyncio.create_task(lead.call("wait_actor", {"worker_id": worker}))
        await asyncio.sleep(0)
        await lead.engine.submit(c.WarnActor(ROOT))
        found = await waiting
        assert not found["settled"]
        assert "message for you" in found["why"]

    leading(root, deed)


@pytest.mark.parametrize(
    "command", [c.DrainRun(), c.ExpireActor(ROOT), c.CancelActor(ROOT, "enough")]
)
def test_a_wait_ends_early_when_its_caller_is_needed(root: Path, command: c.Command) -> None:
    async def deed(lead: Calling) -> None:
        first, second = await lead.spawn(), await lead.spawn()
        waiting = asyncio.create_task(lead.call("wait_for_any", {"worker_ids": [first, second]}))
        await asyncio.sleep(0)
        await lead.engine.submit(command)
        found = await waiting
        assert (found["settled"], found["worker_id"]) == (False, f"{first}, {second}")
        assert found["why"]

    leading(root, deed)


def test_a_wait_asked_for_again_goes_on_with_the_time_that_it_had(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        loop = asyncio.get_running_loop()
        worker = await lead.spawn()
        args = {"worker_id": worker, "timeout_secs": 30}
        first = asyncio.create_task(lead.call("wait_actor", args, call="one"))
        await asyncio.sleep(20)
        first.cancel()
        began = loop.time()
        assert not (await lead.call("wait_actor", args, call="one"))["settled"]
        assert loop.time() - began == pytest.approx(10, abs=0.1)

    async def main() -> None:
        await led(root, deed, clock=clock.JumpingClock(asyncio.get_running_loop()))

    clock.run(main())


# --- refusals


@pytest.mark.parametrize("name", ["W9", "root/W9", "root", "nobody", "\x00", "x" * 100_000])
@pytest.mark.parametrize("tool", ["wait_actor", "wait_for_any"])
def test_who_is_unknown_is_refused_in_the_words_of_the_seeds(
    root: Path, tool: str, name: str
) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn()
        args: dict[str, Any] = {"worker_ids": ["W1", name]}
        if tool == "wait_actor":
            args = {"worker_id": name}
        found = await lead.refused(tool, args)
        assert found["code"] == "unknown_actor"
        assert found["message"].startswith("unknown actor: ")
        assert len(found["message"]) < 200
        assert "list_workers" in found["next"]

    leading(root, deed)


@pytest.mark.parametrize(
    ("tool", "args", "code"),
    [
        ("wait_actor", {}, "unknown_actor"),
        ("wait_actor", {"worker_id": ""}, "unknown_actor"),
        ("wait_actor", {"worker_id": None}, "invalid_arguments"),
        ("wait_actor", {"worker_id": ["W1"]}, "invalid_arguments"),
        ("wait_actor", {"worker_id": {"id": "W1"}}, "invalid_arguments"),
        ("wait_actor", {"worker_id": "\udcff"}, "invalid_arguments"),
        ("wait_actor", {"worker_id": "W1", "timeout_secs": -1}, "invalid_arguments"),
        ("wait_actor", {"worker_id": "W1", "timeout_secs": 10**9}, "invalid_arguments"),
        ("wait_actor", {"worker_id": "W1", "timeout_secs": "soon"}, "invalid_arguments"),
        ("wait_actor", {"worker_id": "W1", "timeout_secs": float("nan")}, "invalid_arguments"),
        ("wait_actor", {"worker_id": "W1", "extra": 1}, "invalid_arguments"),
        ("wait_for_any", {}, "invalid_arguments"),
        ("wait_for_any", {"worker_ids": []}, "invalid_arguments"),
        ("wait_for_any", {"worker_ids": "W1"}, "invalid_arguments"),
        ("wait_for_any", {"worker_ids": [1]}, "invalid_arguments"),
        ("wait_for_any", {"worker_ids": ["W1"] * 100_000}, "invalid_arguments"),
        ("wait_for_any", {"worker_ids": [["W1"]]}, "invalid_arguments"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_arguments_are_refused(
    root: Path, tool: str, args: dict[str, Any], code: str
) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn()
        assert (await lead.refused(tool, args))["code"] == code

    leading(root, deed)


def test_a_worker_has_no_waiting_tools(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        first, second = await lead.spawn(), await lead.spawn()
        args = {"worker_id": second}
        found = await lead.refused("wait_actor", args, actor=first, role="worker")
        assert found["code"] == "unknown_tool"
        assert found["next"].startswith("Your tools are: Read, Write, request_approval, ")
        assert "wait_actor" not in found["next"]

    leading(root, deed)


def test_a_wait_of_a_lead_that_has_settled_is_refused(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.settle(ActorId(ROOT), outcome="failed")
        found = await lead.refused("wait_actor", {"worker_id": worker})
        assert found["code"] == "settled"

    leading(root, deed)
