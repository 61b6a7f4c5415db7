"""Inbox: what waits for the operator, since when, and what answers it without one."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.questions import Question
from leadhand.views import why
from leadhand.views.inbox import inbox
from tests.rules.world import World, intent
from tests.views.kit import scene, world


def asking(run: World, *calls: str) -> None:
    """The lead asks its operator."""
    run.turn(intents=tuple(intent(call, "keyed", "request_approval") for call in calls))
    for call in calls:
        question = Question("cost", cost_nanousd=2_000_000_000)
        run.do(c.AskApproval(ROOT, CallId(call), question, f"may I {call}?", "{}"))


def asked(run: World) -> dict[str, e.ApprovalAsked]:
    return {event.approval: event for event in run.of(e.ApprovalAsked)}


def test_the_questions_that_wait_are_listed_oldest_first() -> None:
    run = world()
    asking(run, "fly", "swim")
    run.later(secs=60)
    found = inbox(run.run, run.now, asked(run))
    assert [(each.approval, each.summary, each.cost_usd) for each in found] == [
        ("A1", "may I fly?", 2.0),
        ("A2", "may I swim?", 2.0),
    ]
    assert (found[0].waiting_ms, found[0].left_ms) == (60_000, 540_000)
    run.do(c.AnswerApproval("A1", True))
    assert [each.approval for each in inbox(run.run, run.now, asked(run))] == ["A2"]


def test_why_says_that_the_operator_is_waited_for_and_what_happens_without_an_answer() -> None:
    run = world()
    asking(run, "fly")
    found = why.actor(run.run, ROOT, scene(run.later(secs=60)))
    assert found.waits_for == "the operator to answer A1: may I fly?"
    assert (found.waiting_ms, found.left_ms) == (60_000, 540_000)
    assert "without an answer it is rejected by its fallback" in found.next


def test_the_time_of_a_paused_actors_question_stands_still() -> None:
    run = world()
    asking(run, "fly")
    run.later(secs=60).do(c.PauseActor(ROOT))
    [found] = inbox(run.run, run.later(secs=60).now, asked(run))
    assert (found.waiting_ms, found.left_ms) == (120_000, 540_000)
