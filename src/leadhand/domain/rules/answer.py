"""Answer: what follows an answer that is no end: one that was cut at its length, or is empty."""

from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import At
from leadhand.domain.state import Actor, Run

# How often in a row an actor is asked to go on.
CUTS_MAX = 3
EMPTY_MAX = 1


def asked_on(actor: Actor, outcome: str) -> list[e.Event]:
    """The events that ask an actor to go on; none where it ended, or was asked often enough."""
    most = {"cut": CUTS_MAX, "empty": EMPTY_MAX}.get(outcome, 0)
    over = actor.ending is not None or actor.final or actor.turns >= actor.turns_max
    if over or actor.unfinished >= most:
        return []
    text = notices.CUT if outcome == "cut" else notices.EMPTY
    return [
        e.AnswerUnfinished(actor.id, why=outcome),
        notices.notice(actor, outcome, text),
    ]


def evolve_unfinished(run: Run, event: e.AnswerUnfinished, at: At) -> None:
    """Count the answers in a row that were no end."""
    run.actors[event.actor].unfinished += 1
