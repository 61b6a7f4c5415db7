"""Inbox: the questions of a run that wait for its operator."""

from collections.abc import Mapping

from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.clock import Now
from leadhand.domain.ids import ActorId
from leadhand.domain.money import as_usd
from leadhand.domain.state import Actor, Approval, Run


class Question(Struct, frozen=True, omit_defaults=True):
    """What an actor asks. approval: the id to answer it by. details: what is asked for, as JSON.
    waiting_ms, left_ms: run time; fallback answers when none is left. All texts are the actor's,
    not cleaned."""

    approval: str
    actor: ActorId
    category: str
    summary: str
    waiting_ms: int
    left_ms: int
    fallback: str
    label: str = ""
    tool: str = ""
    cost_usd: float = 0.0
    details: str = ""


def still(actor: Actor, asked: Approval, now: Now) -> int:
    """The instant (run_ms) at which the time of a question is: that of a paused actor's stands."""
    return now.run_ms if actor.paused is None else max(actor.paused.since, asked.since)


def inbox(run: Run, now: Now, asked: Mapping[str, e.ApprovalAsked]) -> list[Question]:
    """The questions that wait, the oldest first. asked: the events that ask them, by approval."""
    found = []
    for approval, (actor_id, call) in run.questions.items():
        actor, event = run.actors[actor_id], asked[approval]
        waits = actor.approvals[call]
        found.append(
            Question(
                approval=approval,
                actor=actor_id,
                category=waits.category,
                summary=event.summary,
                waiting_ms=max(0, now.run_ms - waits.since),
                left_ms=max(0, waits.until - still(actor, waits, now)),
                fallback=waits.fallback,
                label=actor.label,
                tool=waits.tool,
                cost_usd=as_usd(event.question.cost_nanousd),
                details=event.details,
            )
        )
    return found
