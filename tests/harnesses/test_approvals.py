"""Approvals of sessions: a call that is asked about runs once, whoever owned the run meanwhile."""

import asyncio
from pathlib import Path

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import ApprovalPolicy, Approvals
from leadhand.model import Request, ToolResult
from tests.harnesses.session_kit import Ended, Owner, by_turn, calls, go_on, play, use
from tests.harnesses.test_sessions import REPORT

SCRIPT = by_turn(calls(use("Touch")), REPORT)
# Without an answer it is approved, so that a run without an operator comes to its end.
ASKED = Approvals((ApprovalPolicy("block", tool="Touch", ttl_secs=60, fallback="auto_approve"),))


def given(request: Request) -> list[ToolResult]:
    """What the tools of the last turn gave."""
    return [block for block in request.messages[-1].blocks if isinstance(block, ToolResult)]


def after(ended: Ended, kind: type[e.Event]) -> int:
    """How many events there were when the first of a kind was durable."""
    return next(n for n, each in enumerate(ended.events, 1) if isinstance(each, kind))


def test_a_call_waits_for_its_answer_and_runs_then(tmp_path: Path) -> None:
    async def operator(owner: Owner) -> None:
        await asyncio.sleep(7)
        assert owner.engine is not None
        assert owner.done == []
        await owner.engine.submit(c.AnswerApproval("A1", True))

    ended = play(tmp_path, SCRIPT, meet=operator, approvals=ASKED)
    assert [each.split()[0] for each in ended.done] == ["Touch"]
    assert 7 <= ended.secs < 8


def test_an_answer_that_never_comes_comes_from_the_fallback(tmp_path: Path) -> None:
    ended = play(tmp_path, SCRIPT, approvals=ASKED)
    assert [each.split()[0] for each in ended.done] == ["Touch"]
    assert 60 <= ended.secs < 61
    (answered,) = ended.all(e.ApprovalAnswered)
    assert answered.by == "ttl"


def test_a_call_that_was_only_asked_about_when_its_owner_died_runs_once(tmp_path: Path) -> None:
    ended = play(tmp_path, SCRIPT, approvals=ASKED)
    for kind in (e.TurnRecorded, e.ApprovalAsked, e.ApprovalAnswered):
        again = go_on(ended, tmp_path, SCRIPT, after(ended, kind))
        interrupted = kind is e.TurnRecorded
        assert len(again.done) == (0 if interrupted else 1), kind
        (result,) = given(again.requests()[0])
        assert result.is_error == interrupted, kind
        assert again.run.status == "succeeded"


def test_a_call_that_had_begun_when_its_owner_died_is_not_repeated(tmp_path: Path) -> None:
    ended = play(tmp_path, SCRIPT, approvals=ASKED)
    again = go_on(ended, tmp_path, SCRIPT, after(ended, e.ApprovalUsed))
    assert again.done == []
    (result,) = given(again.requests()[0])
    assert result.content.startswith("interrupted, outcome unknown")


def test_a_denied_call_never_runs_and_the_model_is_told(tmp_path: Path) -> None:
    no = Approvals((ApprovalPolicy("block", tool="Touch", ttl_secs=60),))
    ended = play(tmp_path, SCRIPT, approvals=no)
    assert ended.done == []
    (result,) = given(ended.requests()[1])
    assert result.is_error
    assert "approval_timed_out" in result.content


def test_what_is_approved_while_its_actor_is_frozen_begins_when_it_goes_on(tmp_path: Path) -> None:
    async def operator(owner: Owner) -> None:
        await asyncio.sleep(7)
        assert owner.engine is not None
        await owner.engine.submit(c.PauseActor(ROOT, "freeze"))
        await owner.engine.submit(c.AnswerApproval("A1", True))
        await asyncio.sleep(100)
        assert owner.done == []
        await owner.engine.submit(c.ContinueActor(ROOT))

    ended = play(tmp_path, SCRIPT, meet=operator, approvals=ASKED)
    assert [each.split()[0] for each in ended.done] == ["Touch"]
    assert ended.run.status == "succeeded"
    assert 107 <= ended.secs < 108


def test_a_frozen_actors_question_outlasts_its_time(tmp_path: Path) -> None:
    async def operator(owner: Owner) -> None:
        await asyncio.sleep(7)
        assert owner.engine is not None
        await owner.engine.submit(c.PauseActor(ROOT, "freeze"))
        await asyncio.sleep(300)
        await owner.engine.submit(c.ContinueActor(ROOT))

    ended = play(tmp_path, SCRIPT, meet=operator, approvals=ASKED)
    assert 360 <= ended.secs < 361
    (answered,) = ended.all(e.ApprovalAnswered)
    assert answered.by == "ttl"
