"""Transcript: an actor's conversation as lines, with nothing left out of what was said."""

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import CallId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Usage
from leadhand.views.transcript import line
from tests.views.kit import at

W1 = "root/W1"


def decoded(event: e.Event) -> dict[str, object] | None:
    """A line as a reader of the file gets it."""
    found = line(at(7, 0), event)
    return None if found is None else msgspec.json.decode(msgspec.json.encode(found))


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (
            e.ActorSpawned(prompt="Do\nit.", settings=Settings(model="m")),
            {"type": "prompt", "text": "Do\nit.", "model": "m"},
        ),
        (
            e.MessageSent(number=1, sender="leadhand", kind="draining", text="Wrap up."),
            {"type": "message", "from": "leadhand", "text": "Wrap up."},
        ),
        (
            e.TurnRecorded(
                answer='[{"type":"text","text":"Hi."}]',
                usage=Usage(3, 4),
                cost=5,
                stop_reason="end_turn",
            ),
            {
                "type": "answer",
                "content": [{"type": "text", "text": "Hi."}],
                "usage": {"input": 3, "output": 4},
                "cost_nanousd": 5,
                "stop_reason": "end_turn",
            },
        ),
        (
            e.ToolReturned(call=CallId("c1"), content="x" * 100_000, is_error=True),
            {"type": "tool_result", "id": "c1", "is_error": True, "content": "x" * 100_000},
        ),
        (
            e.CallCut(call=CallId("c1"), charged=9, why="cancelled"),
            {"type": "call_cut", "why": "cancelled", "charged_nanousd": 9},
        ),
        (e.SessionCrashed(error="boom"), {"type": "crash", "error": "boom"}),
        (
            e.ActorSettled(status="Failed", error="why", final="whole"),
            {"type": "settled", "status": "Failed", "error": "why", "text": "whole"},
        ),
    ],
)
def test_what_is_said_is_a_line(event: e.Event, body: dict[str, object]) -> None:
    assert decoded(event) == {"seq": 7, "at": "1970-01-01T00:00:00.000+00:00", **body}


@pytest.mark.parametrize(
    "event", [e.CallAdmitted(), e.DeadlineNeared(), e.WaitOpened(), e.RunOwned()]
)
def test_what_only_the_runtime_does_is_no_line(event: e.Event) -> None:
    assert line(at(), event) is None
