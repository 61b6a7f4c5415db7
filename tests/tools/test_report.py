"""Report: who has the tool, what it keeps, what it refuses."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.tools.report import report_tool
from tests.tools.lead_kit import Calling, leading

DONE = {"status": "completed", "summary": "All is done."}


def telling(root: Path, args: dict[str, Any], **spawn: Any) -> tuple[bool, str, list[e.Event]]:
    """What a worker's report gives, and the log after it."""

    async def deed(lead: Calling) -> tuple[bool, str, list[e.Event]]:
        worker = await lead.spawn(**spawn)
        lead.toolbox = type(lead.toolbox)([report_tool(lead.engine)])
        result = await lead.result("report", args, actor=worker, role="worker", call="r1")
        again = await lead.result("report", args, actor=worker, role="worker", call="r1")
        assert again.content == result.content
        return result.is_error, result.content, await lead.log()

    root.mkdir(exist_ok=True)
    return leading(root, deed)


def test_a_report_is_kept_whole_and_once_for_each_call(tmp_path: Path) -> None:
    more = {
        "outputs": [{"path": "a.md", "description": "the answer"}],
        "files_changed": ["a.md", "b.md"],
        "follow_ups": ["read it"],
        "confidence": 0.5,
        "returns": {"n": [1, None]},
    }
    failed, said, log = telling(tmp_path / "work", DONE | more)
    assert not failed
    assert said == "Reported: your session ends with this turn."
    (kept,) = [each for each in log if isinstance(each, e.OutcomeReported)]
    assert kept.actor == ActorId("root/W1")
    found = msgspec.json.decode(msgspec.json.encode(kept.delivery))
    assert found == {**DONE, **more, "returns": '{"n":[1,null]}'}


def test_a_worker_that_owes_a_value_is_told_so_and_may_fail_without_it(tmp_path: Path) -> None:
    owed = {"returns": {"type": "integer"}}
    failed, said, log = telling(tmp_path / "a", DONE, **owed)
    assert failed
    assert "your task is to return a value" in said
    assert not [each for each in log if isinstance(each, e.OutcomeReported)]
    failed, _, _ = telling(tmp_path / "b", {"status": "failed", "summary": "I cannot."}, **owed)
    assert not failed


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({}, "missing required field `status`"),
        (DONE | {"summary": ""}, "length >= 1"),
        (DONE | {"files_changed": ["x"] * 1_001}, "length <= 1000"),
        (DONE | {"outputs": [{"path": "x", "size": 1}]}, "unknown field `size`"),
        (DONE | {"confidence": "high"}, "Expected `float | null`"),
    ],
)
def test_a_report_is_read_strictly(tmp_path: Path, args: dict[str, Any], why: str) -> None:
    failed, said, _ = telling(tmp_path / "work", args)
    assert failed
    assert why in said


def test_a_lead_has_no_such_tool(tmp_path: Path) -> None:
    async def deed(lead: Calling) -> None:
        lead.toolbox = type(lead.toolbox)([report_tool(lead.engine)])
        refused = await lead.refused("report", DONE)
        assert refused["code"] == "unknown_tool"

    (tmp_path / "work").mkdir()
    leading(tmp_path / "work", deed)
