"""Notice: what a sink is told is of one line, bounded, and says what the event says."""

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import NoticeEvent
from leadhand.domain.money import NANO
from leadhand.domain.outcomes import Report, ReportItem
from leadhand.domain.questions import Question
from leadhand.domain.state import Pending
from leadhand.notifier import Notice
from leadhand.views.notice import ITEMS_MAX, notice
from tests.rules.world import WALL_MS, World, manifest

LONG = "line\nbreak\x00 and \x1b[31m" + "x" * 3_000


def told(
    event: e.Event,
    world: World | None = None,
    report: Report | None = None,
    kind: NoticeEvent = "run_finished",
) -> Notice:
    """What a sink is told of an event."""
    run = (world or World()).run
    return notice(run, "9-1", Pending(kind, "error", 9, 1, WALL_MS), event, report)


def test_a_notice_has_the_id_of_run_event_and_sink_and_the_time_of_the_event() -> None:
    found = told(e.RunFinished())
    assert found.id == "run-9-1"
    assert found.at == "2023-11-14T22:13:20.000+00:00"


def test_the_end_of_a_run_has_its_status_its_spend_and_the_parsed_report() -> None:
    one = World(manifest(budget_nanousd=3 * NANO))
    one.run.spent = NANO // 2
    report = Report("partial", completed=(ReportItem("root/W1", "a", "b", usd=0.5),))
    found = told(e.RunFinished(status="partial"), one, report)
    assert found.summary == "run run ended: partial, at $0.50"
    assert (found.status, found.spent_usd, found.budget_usd) == ("partial", 0.5, 3.0)
    assert found.report == report


def test_a_question_has_its_id_its_tool_and_its_time() -> None:
    event = e.ApprovalAsked(
        ROOT, "A1", CallId("c"), Question("tool_use", "Bash"), "Push?", "{}", 60_000
    )
    found = told(event)
    assert found.summary == "root asks for approval A1 (Bash): Push?"
    assert (found.approval, found.tool, found.secs_left) == ("A1", "Bash", 60)
    again = told(e.ApprovalReminded(ROOT, approval="A1", summary="Push?", until=30_000))
    assert again.summary == "A1 of root still waits for an answer: Push?"
    assert (again.approval, again.secs_left) == ("A1", 30)


def test_the_others_say_what_happened() -> None:
    one = World()
    began = told(e.RunStarted(run_id="run"), one)
    assert began.summary == "run run (lead) began, with a budget of $0.0010"
    short = told(e.WindDownBegan(ROOT, why="budget"), one, kind="budget_exceeded")
    assert short.summary == "run run runs short of its budget: $0.00 of $0.0010"
    settled = e.ActorSettled(ActorId("root/W1"), status="TimedOut", error="too slow")
    assert told(settled).summary == "root/W1 of run run ended as TimedOut: too slow"


@pytest.mark.parametrize(
    "event",
    [
        e.ActorSettled(ActorId("root/W1"), status="Failed", error=LONG, final=LONG),
        e.ApprovalAsked(ROOT, "A1", CallId("c"), Question("tool_use", "Bash"), LONG, LONG, 1),
        e.ApprovalReminded(ROOT, approval="A1", summary=LONG),
        e.RunFinished(),
    ],
)
def test_what_models_wrote_is_cut_and_on_one_line(event: e.Event) -> None:
    item = ReportItem(LONG, LONG, LONG, LONG)
    report = Report("success", (item,) * 500, (item,), (item,) * 300, LONG)
    found = msgspec.to_builtins(told(event, report=report))
    texts: list[str] = []

    def collect(value: object) -> None:
        match value:
            case str():
                texts.append(value)
            case list() | tuple():
                assert len(value) <= ITEMS_MAX
                for each in value:
                    collect(each)
            case dict():
                collect([*value.values()])

    collect(found)
    assert all(len(text) <= 700 and len(text.splitlines()) <= 1 for text in texts)
