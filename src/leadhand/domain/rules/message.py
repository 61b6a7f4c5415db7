"""Message: what waits to be read by an actor, delivered once, by the admission that names it."""

from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.state import Mail, Run


def evolve_sent(run: Run, event: e.MessageSent, at: At) -> None:
    """Put the message into the actor's mail."""
    actor = run.actors[event.actor]
    actor.message_count = event.number
    actor.mail.append(Mail(event.number, event.sender, event.kind, event.text))
