"""Steer: pauses, continues, interrupts and tells actors, for their leads and for the operator."""

from leadhand.domain import commands as c
from leadhand.domain import estimates, ledger, notices
from leadhand.domain import events as e
from leadhand.domain.clock import Now
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.rules import budget, caps, contract, message
from leadhand.domain.rules import pause as pauses
from leadhand.domain.rules.actor import cut_short
from leadhand.domain.state import Actor, Record, Run
from leadhand.refusals import NotPaused, Paused, Settled, ToolNotAllowed, TurnsExhausted, WoundDown


def pause(run: Run, command: c.PauseActor, now: Now) -> list[e.Event]:
    """Let an actor, or all of its subtree, take no further step. One that is paused already stays
    so; a frozen one may be paused by cancel. Raises Settled, WoundDown, TurnTooLong, Paused."""
    meant = reached(run, command.actor, subtree=command.subtree)
    chosen = [
        each
        for each in meant
        if each.paused is None or (each.paused.mode, command.mode) == ("freeze", "cancel")
    ]
    if command.mode == "freeze":
        if not any(each.paused is None or each.paused.mode == "freeze" for each in meant):
            raise Paused(
                f"{command.actor} is paused already: its session is stopped, so there is nothing "
                "to freeze",
                "It stays paused until it is continued.",
            )
        for each in chosen:
            pauses.check_freeze(each, now)
    return [
        e.ActorPaused(each.id, mode=command.mode, by=command.by, reason=command.reason)
        for each in chosen
    ]


def continue_(run: Run, command: c.ContinueActor, now: Now) -> list[e.Event]:
    """Let paused actors go on, or a settled one for another stint. Raises Refused."""
    if message.sent(run, command.by, command.call):
        return []
    if command.prompt:
        message.check_text(command.prompt, "prompt")
    if command.actor in run.records and not command.subtree:
        return another_stint(run, run.records[command.actor], command)
    chosen = reached(run, command.actor, subtree=command.subtree)
    paused = [each for each in chosen if each.paused is not None]
    if not paused:
        what = f"nobody below {command.actor}" if command.subtree else command.actor
        raise NotPaused(f"{what} is paused" if command.subtree else f"{what} is not paused")
    events: list[e.Event] = []
    if command.prompt:
        # To who was asked for, or whoever of its subtree is nearest to it.
        message.check_room(paused[-1])
        message.check_read(paused[-1])
        events.append(said(paused[-1], command.by, "message", command.prompt, command.call))
    # Last, so that who is to go on finds its message.
    events += [e.ActorUnpaused(each.id, by=command.by, call=command.call) for each in paused]
    return events


def another_stint(run: Run, record: Record, command: c.ContinueActor) -> list[e.Event]:
    """The events by which a settled actor goes on with its whole conversation, within the caps and
    for money of its own. Raises Refused."""
    parent = run.actors.get(record.parent)
    if record.id == ROOT:
        raise ToolNotAllowed("a run's lead has settled", "Resume the run instead.")
    if parent is None:
        raise Settled(f"{record.parent}, the lead of {record.id}, has settled")
    if parent.role == "tasks":
        raise ToolNotAllowed(f"{record.id} was a task: its result stands")
    caps.check_open(run, parent)
    if command.by == parent.id:
        caps.check_going(parent)
    if record.role == "sublead":
        check_again(run, record)
    else:
        caps.check_place(run, parent)
    contract.check_claim(run, record.settings, record.duty.writes)
    settings, fresh = record.settings, 0
    if settings.budget_nanousd is None:
        history = run.history.get(f"{record.agent}|{record.model}", [])
        fresh = estimates.worker(record.price, settings.max_turns or 0, history)
    budget.check_spawn(run, parent, settings.budget_nanousd or fresh)
    own = settings.budget_nanousd is not None
    report = ledger.report_cost(run, record.model, record.price, record.context_tokens)
    return [
        e.ActorContinued(
            record.id,
            settings=settings,
            slice=report if own else 0,
            envelope=settings.budget_nanousd,
            estimate=0 if own else record.spent + fresh,
        ),
        e.MessageSent(
            record.id,
            number=record.message_count + 1,
            sender=command.by,
            kind="continued",
            text=command.prompt or notices.CONTINUED,
            call=command.call,
        ),
    ]


def check_again(run: Run, record: Record) -> None:
    """Refuse another stint of a sub-lead where there is no place for one more, or while those that
    it left behind still draw on its envelope. Raises MaxSubleadsExceeded, WoundDown."""
    if run.manifest is not None and run.manifest.subleads is not None:
        caps.check_sublead_place(run, run.manifest.subleads)
    if record.id in run.envelopes:
        raise WoundDown(f"those below {record.id} are still being ended", "Ask again in a while.")


def reprompt(run: Run, command: c.RepromptActor, now: Now) -> list[e.Event]:
    """Interrupt an actor's turn, and let it go on with a prompt, also out of a pause. Raises
    Refused."""
    if message.sent(run, command.by, command.call):
        return []
    message.check_text(command.prompt, "prompt")
    (actor,) = reached(run, command.actor, subtree=False)
    if actor.role == "tasks":
        raise ToolNotAllowed("a run of tasks has no session to reprompt", "Name one of its tasks.")
    if actor.final or (actor.turns >= actor.turns_max and actor.call is None):
        raise TurnsExhausted(f"{actor.id} has no turn left: only its last answer is awaited")
    message.check_room(actor)
    going_on: list[e.Event] = []
    if actor.paused is not None:
        going_on.append(e.ActorUnpaused(actor.id, by=command.by))
    return [
        *going_on,
        e.ActorReprompted(actor.id, by=command.by),
        said(actor, command.by, "reprompt", command.prompt, command.call),
    ]


def send(run: Run, command: c.SendMessage, now: Now) -> list[e.Event]:
    """Leave a message with an actor, or with all of its subtree that have sessions. Raises
    Refused."""
    if message.sent(run, command.by, command.call):
        return []
    message.check_text(command.text, "message")
    chosen = [
        each
        for each in reached(run, command.actor, subtree=command.subtree)
        if each.role != "tasks"
    ]
    if not chosen:
        raise ToolNotAllowed("a run of tasks has no session to send to", "Name one of its tasks.")
    for each in chosen:
        message.check_room(each)
        message.check_read(each)
    return [said(each, command.by, "message", command.text, command.call) for each in chosen]


def halted(run: Run, command: c.RecordHalted, now: Now) -> list[e.Event]:
    """Settle the call of a session that is stopped; after a reprompt its tools give no result."""
    actor = run.actors.get(command.actor)
    if actor is None or not actor.halting:
        return []
    events = cut_short(actor, pauses.CUT[actor.halting])
    if actor.halting == "reprompt":
        events += [
            e.ToolReturned(actor.id, call=tool, content=pauses.INTERRUPTED, is_error=True)
            for tool in actor.tools
        ]
    return [*events, e.SessionHalted(actor.id)]


def reached(run: Run, actor_id: ActorId, *, subtree: bool) -> list[Actor]:
    """The actor that is meant, or all of its subtree that still work, whoever was made last
    first. Raises Settled, WoundDown, UnknownActor."""
    if subtree:
        inside = [
            each
            for each in run.actors.values()
            if each.id == actor_id or each.id.startswith(f"{actor_id}/")
        ]
        if found := [each for each in reversed(inside) if works(each)]:
            return found
    if actor_id in run.records:
        status = run.records[actor_id].status
        raise Settled(
            f"{actor_id} has settled as {status}",
            "continue_worker (or `leadhand continue`) lets it go on with its whole conversation.",
        )
    actor = run.live(actor_id)
    if actor.ending is not None:
        raise WoundDown(f"{actor_id} is being ended", "Wait for it to settle.")
    if not works(actor):
        raise WoundDown(
            f"{actor_id} has ended its work, which is being checked",
            "Wait for it to settle; continue_worker lets it go on then.",
        )
    return [actor]


def works(actor: Actor) -> bool:
    """Whether an actor's session goes on: it is not ending, and its work is not being checked."""
    return actor.ending is None and actor.duty.claimed_at is None


def said(actor: Actor, by: str, kind: str, text: str, call: CallId) -> e.MessageSent:
    """A message of one who steers."""
    number = actor.message_count + 1
    return e.MessageSent(actor.id, number=number, sender=by, kind=kind, text=text, call=call)
