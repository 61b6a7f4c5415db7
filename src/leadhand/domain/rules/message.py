"""Message: what waits to be read by an actor, delivered once, by the admission that names it."""

from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.ids import CallId
from leadhand.domain.state import Actor, Mail, Run
from leadhand.refusals import InvalidArguments, MailboxFull, TurnsExhausted

TEXT_MAX = 16_000
UNREAD_MAX = 100
# The kinds that a lead or the operator sends, and those of the runtime that ask for more than an
# actor has said as its last.
SENT = frozenset("message reprompt continued".split())
ASKING = SENT | frozenset("report reopened cut empty".split())


def asks_more(actor: Actor) -> bool:
    """Whether something unread asks an actor to go on whose last answer called no tool."""
    return any(mail.kind in ASKING for mail in actor.mail)


def sent_more(actor: Actor) -> bool:
    """Whether somebody's message came while the actor wrote what would have been its last."""
    return any(mail.kind in SENT for mail in actor.mail)


def check_text(text: str, what: str) -> None:
    """Refuse what is no message. Raises InvalidArguments."""
    if not text.strip():
        raise InvalidArguments(f"the {what} is empty", f"Say something in the {what}.")
    if len(text) > TEXT_MAX:
        raise InvalidArguments(
            f"the {what} has {len(text)} characters; {TEXT_MAX} is the most",
            "Shorten it, or write it to a file and send the path.",
        )


def check_room(actor: Actor) -> None:
    """Refuse a message to who has too many unread. Raises MailboxFull."""
    unread = sum(mail.sender != "leadhand" for mail in actor.mail)
    if unread >= UNREAD_MAX:
        raise MailboxFull(f"{actor.id} has {unread} unread messages (max {UNREAD_MAX})")


def check_read(actor: Actor) -> None:
    """Refuse a message that no call is left to bring. Raises TurnsExhausted."""
    answering = actor.call is not None and not actor.call.compacts
    left = actor.turns_max - actor.turns - answering
    if actor.final_used if actor.final else left <= 0:
        raise TurnsExhausted(
            f"{actor.id} has no turn left in which it could read that",
            "Wait for it to settle; continue_worker (or `leadhand continue`) lets it go on then.",
        )


def sent(run: Run, by: str, call: CallId) -> bool:
    """Whether this tool call has sent its message already, before its process died."""
    return run.has_done(by, call) > 0


def evolve_sent(run: Run, event: e.MessageSent, at: At) -> None:
    """Put the message into the actor's mail."""
    actor = run.actors[event.actor]
    actor.message_count = event.number
    actor.mail.append(Mail(event.number, event.sender, event.kind, event.text))
    run.done(event.sender, event.call)
