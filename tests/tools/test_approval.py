"""Approval tools: what an actor asks, and what it is told."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.manifest import ApprovalPolicy, Approvals, Settings
from tests.rules.world import manifest
from tests.tools.lead_kit import Calling, leading

PLAN = {
    "summary": "rename the module",
    "rationale": "its name lies",
    "resources": ["src/a.py"],
    "risks": ["imports break"],
    "rollback": "git revert",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "work"
    found.mkdir()
    return found


def asked(
    root: Path,
    tool: str,
    args: dict[str, Any],
    answer: c.Command | None = None,
    *policies: ApprovalPolicy,
    plan_required: bool = False,
) -> tuple[dict[str, Any], list[e.Event]]:
    """What a question brings, and the log."""

    async def deed(calling: Calling) -> tuple[dict[str, Any], list[e.Event]]:
        task = asyncio.create_task(calling.call(tool, args))
        if answer is not None:
            while not calling.engine.run.questions:
                assert not task.done()
                await asyncio.sleep(0)
            await calling.engine.submit(answer)
        found = await task
        if plan_required:
            await calling.spawn()
        return found, await calling.log()

    given = manifest(lead=Settings(directory=str(root)))
    approvals = Approvals(policies, plan_required=plan_required)
    return leading(root, deed, asked=replace(given, approvals=approvals))


def test_an_approval_brings_the_operators_words(root: Path) -> None:
    answer = c.AnswerApproval("A1", True, "but be quick", "rename only a.py")
    found, log = asked(root, "request_approval", {"summary": "may I rename?"}, answer)
    assert found == {
        "approval_id": "A1",
        "approved": True,
        "comment": "but be quick",
        "edited_summary": "rename only a.py",
        "next": "Only what edited_summary says is approved.",
    }
    question = next(event for event in log if isinstance(event, e.ApprovalAsked))
    assert (question.summary, question.question.category) == ("may I rename?", "tool_use")


def test_a_rejection_is_an_answer_with_its_reason_and_not_an_error(root: Path) -> None:
    answer = c.AnswerApproval("A1", False, "too risky")
    found, _ = asked(root, "request_approval", {"summary": "may I?"}, answer)
    assert (found["approved"], found["reason"]) == (False, "too risky")
    assert "another way" in found["next"]


@pytest.mark.slow
def test_a_question_that_nobody_answers_is_answered_by_its_fallback(root: Path) -> None:
    async def deed(calling: Calling) -> dict[str, Any]:
        task = asyncio.create_task(
            calling.call("request_approval", {"summary": "may I?", "ttl_secs": 1})
        )
        while not task.done():
            # No conductor works here: what is due is submitted by hand.
            await asyncio.sleep(0.05)
            await calling.engine.submit(c.ExpireApproval("A1"))
        return await task

    found = leading(root, deed)
    assert (found["approved"], found["from_ttl"]) == (False, True)


def test_a_cost_is_asked_in_its_category_and_a_policy_may_answer_it(root: Path) -> None:
    policy = ApprovalPolicy("auto_reject", category="cost", cost_over_nanousd=10**9, reason="dear")
    args = {"summary": "big model", "cost_estimate": 2.5}
    found, log = asked(root, "request_approval", args, None, policy)
    assert found["reason"] == "dear"
    question = next(event for event in log if isinstance(event, e.ApprovalAsked)).question
    assert (question.category, question.cost_nanousd) == ("cost", 2_500_000_000)


def test_a_proposed_plan_is_kept_whole_and_lets_workers_be_spawned(root: Path) -> None:
    answer = c.AnswerApproval("A1", True)
    found, log = asked(root, "propose_plan", {"plan": PLAN}, answer, plan_required=True)
    assert found["approved"]
    question = next(event for event in log if isinstance(event, e.ApprovalAsked))
    assert msgspec.json.decode(question.details) == {"plan": PLAN}
    assert question.question.category == "plan"


def test_a_spawn_without_an_approved_plan_says_what_to_call(root: Path) -> None:
    async def deed(calling: Calling) -> dict[str, str]:
        return await calling.refused("spawn_worker", {"prompt": "go"})

    given = manifest(lead=Settings(directory=str(root)))
    found = leading(root, deed, asked=replace(given, approvals=Approvals(plan_required=True)))
    assert found["code"] == "plan_approval_required"
    assert found["message"].startswith("plan approval required: call propose_plan")


@pytest.mark.parametrize(
    ("tool", "args", "said"),
    [
        ("request_approval", {"summary": ""}, "summary"),
        ("request_approval", {"summary": "x", "fallback": "auto_approve"}, "whom it binds"),
        ("request_approval", {"summary": "x", "ttl_secs": 0}, "ttl_secs"),
        ("request_approval", {"summary": "x", "cost_estimate": -1}, "cost_estimate"),
        ("request_approval", {"summary": "x", "cost_estimate": 1e300}, "cost_estimate"),
        ("request_approval", {"summary": "x", "extra": 1}, "extra"),
        ("propose_plan", {"plan": {}}, "summary"),
        ("propose_plan", {"plan": {"summary": "x", "risks": "none"}}, "risks"),
        ("propose_plan", {}, "plan"),
    ],
)
def test_a_question_with_a_fault_names_it_and_is_not_asked(
    root: Path, tool: str, args: dict[str, Any], said: str
) -> None:
    async def deed(calling: Calling) -> dict[str, str]:
        found = await calling.refused(tool, args)
        assert not calling.engine.run.questions
        return found

    found = leading(root, deed)
    assert found["code"] == "invalid_arguments"
    assert said in found["message"]


def test_a_worker_may_ask_for_approval_but_proposes_no_plan(root: Path) -> None:
    async def deed(calling: Calling) -> None:
        names = [tool.name for tool in calling.toolbox.offered("worker", ())]
        assert "request_approval" in names
        assert "propose_plan" not in names

    leading(root, deed)
