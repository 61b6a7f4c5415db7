"""Transcript: an actor's events as lines for people and programs."""

from typing import Any

import msgspec

from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.views.record import iso


def line(at: At, event: e.Event) -> dict[str, Any] | None:
    """One line of a transcript, or None for an event that is no part of one."""
    body = said(event)
    if body is None:
        return None
    return {"seq": at.seq, "at": iso(at.now.wall_ms), **body}


def said(event: e.Event) -> dict[str, Any] | None:
    """What a transcript tells of an event."""
    match event:
        case e.ActorSpawned():
            return {"type": "prompt", "text": event.prompt, "model": event.settings.model}
        case e.MessageSent():
            return {"type": "message", "from": event.sender, "text": event.text}
        case e.TurnRecorded():
            return {
                "type": "answer",
                "content": msgspec.Raw(event.answer.encode()),
                "usage": event.usage,
                "cost_nanousd": event.cost,
                "stop_reason": event.stop_reason,
            }
        case e.ToolBegun():
            return {"type": "tool_call", "id": event.call, "tool": event.tool, "step": event.step}
        case e.ToolReturned():
            return {
                "type": "tool_result",
                "id": event.call,
                "is_error": event.is_error,
                "content": event.content,
            }
        case e.ConversationCompacted():
            return {
                "type": "compacted",
                "summary": event.summary,
                "archive": event.archive,
                "usage": event.usage,
                "cost_nanousd": event.cost,
            }
        case e.CallCut():
            return {"type": "call_cut", "why": event.why, "charged_nanousd": event.charged}
        case e.SessionCrashed():
            return {"type": "crash", "error": event.error}
        case e.OutcomeReported():
            return {"type": "report", "by": event.by, "report": event.delivery}
        case e.ChecksRecorded():
            return {"type": "checks", "evidence": event.evidence}
        case e.ActorSettled():
            return {
                "type": "settled",
                "status": event.status,
                "error": event.error,
                "text": event.final,
            }
        case _:
            return None
