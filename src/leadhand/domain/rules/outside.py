"""Outside: tool calls of sessions outside this process, and callers that are turned away."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.rules import pause
from leadhand.domain.state import OpenTool, Run
from leadhand.domain.text import one_line
from leadhand.refusals import Paused, Settled

# How many are recorded: whoever hammers at the door does not fill the log.
DENIALS_MAX = 1_000


def begin(run: Run, command: c.BeginTool, now: Now) -> list[e.Event]:
    """Open a tool call; one that is open goes on. Raises Settled, Paused."""
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if actor.ending is not None or actor.duty.claimed_at is not None:
        raise Settled(f"{command.actor} is being ended")
    pause.check_call(actor)
    if pause.frozen(actor):
        raise Paused()
    intent = command.intent
    if intent.call in actor.tools:
        return []
    return [
        e.ToolBegun(
            actor.id,
            call=intent.call,
            tool=one_line(intent.tool, 80),
            effect=intent.effect,
            step=one_line(intent.step, 100),
        )
    ]


def deliver(run: Run, command: c.DeliverMail, now: Now) -> list[e.Event]:
    """Record which messages went out; nothing where none of them still waits."""
    actor = run.actors.get(command.actor)
    waiting = {mail.number for mail in actor.mail} if actor else set()
    numbers = tuple(each for each in command.messages if each in waiting)
    return [e.MailDelivered(command.actor, messages=numbers)] if numbers else []


def denied(run: Run, command: c.RecordDenial, now: Now) -> list[e.Event]:
    """Record that a caller was turned away, unless that has happened too often."""
    if run.denials >= DENIALS_MAX:
        return []
    why = one_line(command.why, 300)
    return [e.CallerDenied(command.actor, tool=one_line(command.tool, 80), why=why)]


def evolve_begun(run: Run, event: e.ToolBegun, at: At) -> None:
    """Open the tool call; the first of all begins the actor's time."""
    actor = run.actors[event.actor]
    if actor.started_at is None:
        actor.started_at, actor.started_wall_ms = at.now.run_ms, at.now.wall_ms
    actor.tools[event.call] = OpenTool(
        event.call, event.tool, event.effect, event.step, at.now.run_ms
    )
    actor.last_step = event.step or event.tool
    actor.crashes = actor.retry_at = 0


def evolve_delivered(run: Run, event: e.MailDelivered, at: At) -> None:
    """Take the messages out of the mail."""
    actor = run.actors[event.actor]
    actor.mail = [mail for mail in actor.mail if mail.number not in event.messages]


def evolve_denied(run: Run, event: e.CallerDenied, at: At) -> None:
    """Count it."""
    run.denials += 1
