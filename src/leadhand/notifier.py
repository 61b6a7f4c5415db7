"""Notifier: what tells the operator, somewhere outside, of what happens in a run.

A notice may be sent more than once, always with the same id: who owns the run next does not know
what the last one sent and did not record.
"""

from typing import Protocol

from msgspec import Struct

from leadhand.domain.manifest import NoticeEvent, Severity
from leadhand.domain.outcomes import Report


class Notice(Struct, frozen=True, omit_defaults=True):
    """What a sink is told. id: of run, event and sink. at: UTC. actor: whom it concerns.
    summary: one line; what models wrote stands in it and in preview, report and question, cut, one
    line each. approval: the question's id. secs_left: until its fallback answers."""

    id: str
    event: NoticeEvent
    severity: Severity
    run_id: str
    at: str
    summary: str
    actor: str = ""
    status: str = ""
    spent_usd: float | None = None
    budget_usd: float | None = None
    preview: str = ""
    report: Report | None = None
    approval: str = ""
    category: str = ""
    tool: str = ""
    question: str = ""
    fallback: str = ""
    secs_left: int | None = None


class Notifier(Protocol):
    """Tells one sink."""

    async def send(self, notice: Notice) -> None:
        """Tell it, once or again. Raises NotifyError, whose words hold no secret."""
        ...


def headline(notice: Notice) -> str:
    """A notice in a few words, for people; what models wrote is in it as they wrote it."""
    more = f": {notice.preview}" if notice.preview else ""
    return f"[{notice.severity}] {notice.summary}{more}"
