"""Steer: a lead pauses, continues, interrupts and tells its own workers, and nobody else."""

from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from tests.tools.lead_kit import Calling, leading

TOOLS = ("pause_worker", "continue_worker", "reprompt_worker", "send")


async def state(lead: Calling, worker: str) -> str:
    """How a worker stands, as its lead sees it."""
    found = await lead.call("worker_status", {"worker_id": worker})
    shown: str = found["worker"]["state"]
    return shown


def test_a_worker_is_paused_and_continued(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        found = await lead.call("pause_worker", {"worker_id": worker, "reason": "wait"})
        assert found["worker"]["state"] == "paused"
        assert await state(lead, worker) == "paused"
        await lead.call("continue_worker", {"worker_id": worker, "prompt": "now"})
        assert await state(lead, worker) == "queued"
        (mail,) = lead.engine.run.live(lead.engine.run.actors[ROOT].live_children[0]).mail
        assert (mail.sender, mail.text) == ("root", "now")

    leading(tmp_path, deed)


def test_a_frozen_worker_is_shown_as_frozen(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.call("pause_worker", {"task_id": worker, "mode": "freeze"})
        assert await state(lead, worker) == "frozen"

    leading(tmp_path, deed)


def test_a_settled_worker_works_on_and_has_another_result(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        await lead.turn(worker, "half")
        await lead.settle(worker, "half")
        assert (await lead.call("wait_actor", {"actor_id": worker}))["result"] == "half"
        await lead.call("continue_worker", {"worker_id": worker, "prompt": "the rest"})
        assert await state(lead, worker) == "queued"
        await lead.turn(worker, "whole")
        await lead.settle(worker, "whole")
        assert (await lead.call("wait_actor", {"actor_id": worker}))["result"] == "whole"

    leading(tmp_path, deed)


def test_a_reprompt_and_a_message_reach_the_worker(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn(label="job")
        await lead.call("reprompt_worker", {"worker_id": "job", "prompt": "other way"})
        await lead.call("send", {"actor_id": worker, "message": "hello"})
        sent = [event for event in await lead.log() if isinstance(event, e.MessageSent)]
        assert [(each.kind, each.text) for each in sent] == [
            ("reprompt", "other way"),
            ("message", "hello"),
        ]

    leading(tmp_path, deed)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_lead_steers_neither_itself_nor_who_is_not_its_own(tmp_path: Path, tool: str) -> None:
    words = {"reprompt_worker": {"prompt": "x"}, "send": {"message": "x"}}.get(tool, {})

    async def deed(lead: Calling) -> None:
        await lead.spawn()
        found = await lead.refused(tool, {"worker_id": "root", **words})
        assert found["code"] == "tool_not_allowed"
        found = await lead.refused(tool, {"worker_id": "root/W9", **words})
        assert found["code"] == "unknown_actor"
        assert "list_workers" in found["next"]

    leading(tmp_path, deed)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_worker_has_none_of_these_tools(tmp_path: Path, tool: str) -> None:
    async def deed(lead: Calling) -> None:
        worker = await lead.spawn()
        args = {"worker_id": worker}
        found = await lead.refused(tool, args, actor=worker, role="worker")
        assert found["code"] == "unknown_tool"

    leading(tmp_path, deed)


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("pause_worker", {"worker_id": "root/W1", "mode": "gently"}),
        ("reprompt_worker", {"worker_id": "root/W1"}),
        ("send", {"worker_id": "root/W1", "message": "x" * 16_001}),
        ("continue_worker", {"worker_id": "root/W1", "prompt": 7}),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field(
    tmp_path: Path, tool: str, args: dict[str, object]
) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn()
        found = await lead.refused(tool, args)
        assert found["code"] == "invalid_arguments"

    leading(tmp_path, deed)
