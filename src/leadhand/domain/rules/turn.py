"""Turn: one model request and its answer, and the tool calls that the answer asks for."""

from msgspec import structs

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.clock import At, Now
from leadhand.domain.money import Usage, cost
from leadhand.domain.rules import budget, compaction, message, pace, pause
from leadhand.domain.state import Actor, OpenTool, Run
from leadhand.domain.text import one_line
from leadhand.refusals import Refused, Settled, TurnsExhausted, WoundDown


def admit(run: Run, command: c.AdmitCall, now: Now) -> list[e.Event]:
    """Record what the tools gave and let the next call out, if money and turns are left.

    Raises Settled, WoundDown, TurnsExhausted, BudgetExceeded, Uncounted.
    """
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if actor.call is not None and actor.call.id == command.call:
        return []
    returned: list[e.Event] = [
        e.ToolReturned(actor.id, call=result.call, content=result.content, is_error=result.is_error)
        for result in command.results
        if result.call in actor.tools
    ]
    try:
        return returned + next_call(run, actor, command, now)
    except Refused as refusal:
        refusal.record = (*returned, *refusal.record)
        raise


def next_call(run: Run, actor: Actor, command: c.AdmitCall, now: Now) -> list[e.Event]:
    """Admit or defer the call, or first one that makes the conversation shorter."""
    over = actor.final_used or actor.duty.claimed_at is not None
    # A session in this process ends by itself when it has reported.
    over = over or (command.outside and has_reported(actor))
    if actor.ending is not None or over:
        raise WoundDown()
    pause.check_call(actor)
    if pause.frozen(actor):
        return budget.defer(actor, command.call, 0, pause.FROZEN, pause.never(now))
    if actor.turns >= actor.turns_max and not actor.final:
        raise TurnsExhausted(f"max_turns reached: {actor.turns} turns")
    if actor.call is not None:
        raise Refused("the actor's earlier call is still open", "Wait for its answer.")
    if run.parked is not None:
        return budget.defer(actor, command.call, 0, pace.PARKED, now.run_ms)
    if compaction.wanted(actor, command):
        shorter = budget.compaction(run, actor, command)
        if shorter:
            return shorter
    return budget.admit(run, actor, command, now)


def has_reported(actor: Actor) -> bool:
    """Whether an actor's last turn has reported how its work ended, and nothing unread asks it to
    go on: no other turn is needed."""
    told = actor.duty.told
    return told is not None and told.turn == actor.turns and not message.asks_more(actor)


def record(run: Run, command: c.RecordTurn, now: Now) -> list[e.Event]:
    """Book an answer; one whose call was settled before counts as money and not as content."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.call is None or actor.call.id != command.call:
        return late(run, command)
    price = actor.call.price or actor.price
    amount = cost(price, command.usage)
    return [
        e.TurnRecorded(
            actor.id,
            call=command.call,
            answer=command.answer,
            usage=command.usage,
            cost=amount,
            saved=price.saved(command.usage),
            slice=slice_at(run, actor, command.usage.context),
            stop_reason=command.stop_reason,
            intents=tuple(map(shortened, command.intents)),
            words=command.words,
            outside=actor.call.outside,
        ),
        *exceeding(run, actor, command.usage, amount),
    ]


def compacted(run: Run, command: c.RecordCompaction, now: Now) -> list[e.Event]:
    """Book a summary, and let the conversation go on from it."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.call is None or actor.call.id != command.call:
        return late(run, command)
    amount = cost(actor.price, command.usage)
    event = compaction.compacted(actor, command, actor.price, amount)
    return [
        structs.replace(event, slice=slice_at(run, actor, event.context)),
        *exceeding(run, actor, command.usage, amount),
    ]


def slice_at(run: Run, actor: Actor, context_tokens: int) -> int:
    """What the report turn of an envelope's owner would cost at this context."""
    if actor.pool != actor.id:
        return 0
    return ledger.report_cost(run, actor.model, actor.price, context_tokens)


def exceeding(run: Run, actor: Actor, usage: Usage, amount: int) -> list[e.Event]:
    """The event of an answer that cost more than its bound."""
    assert actor.call is not None
    if amount <= actor.call.bound:
        return []
    more = max(0, usage.context - usage.output - actor.call.input_bound)
    model = actor.call.model
    overhead = ledger.overhead(run, model) + more
    excess = amount - actor.call.bound
    return [e.BoundExceeded(actor.id, model=model, excess=excess, overhead=overhead)]


def shortened(intent: e.Intent) -> e.Intent:
    """The intent with a step that fits a line."""
    return e.Intent(
        intent.call, one_line(intent.tool, 80), intent.effect, one_line(intent.step, 100)
    )


def late(run: Run, command: c.RecordTurn | c.RecordCompaction) -> list[e.Event]:
    """The event of an answer that came too late: only what it cost beyond its settlement counts."""
    known = run.actors.get(command.actor) or run.records.get(command.actor)
    if known is None:
        return []
    amount = cost(known.price, command.usage)
    booked = max(0, amount - run.cut[command.call]) if command.call in run.cut else 0
    return [e.TurnLate(command.actor, call=command.call, cost=amount, booked=booked)]


def cut(run: Run, command: c.RecordCut, now: Now) -> list[e.Event]:
    """Settle a call that gave no answer: whole where it may have been billed, else at nothing. A
    terminal quota may park the run."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.call is None or actor.call.id != command.call:
        return []
    charged = actor.call.bound if command.billed else 0
    why = one_line(command.why, 500)
    return [
        e.CallCut(actor.id, call=command.call, charged=charged, why=why),
        *pace.exhausted(run, actor, command, now),
    ]


def returned(run: Run, command: c.RecordToolResult, now: Now) -> list[e.Event]:
    """Record what a tool gave; nothing where its call is not open."""
    actor = run.actors.get(command.actor)
    if actor is None or command.call not in actor.tools:
        return [e.ToolLate(command.actor, call=command.call)]
    return [
        e.ToolReturned(
            actor.id, call=command.call, content=command.content, is_error=command.is_error
        )
    ]


def evolve_recorded(run: Run, event: e.TurnRecorded, at: At) -> None:
    """Open the tool calls of the answer."""
    actor = run.actors[event.actor]
    actor.turns += 1
    actor.crashes = actor.retry_at = 0
    run.parks_in_row = 0
    if event.intents:
        actor.unfinished = 0
    # Of a session outside, others of its calls may be under way, and what has begun stays so.
    others = actor.tools if event.outside else {}
    actor.tools = {
        intent.call: OpenTool(intent.call, intent.tool, intent.effect, intent.step, at.now.run_ms)
        for intent in event.intents
    } | others
    if event.words:
        actor.last_words = one_line(event.words)
    if event.intents:
        actor.last_step = one_line(event.intents[-1].step or event.intents[-1].tool, 100)


def evolve_returned(run: Run, event: e.ToolReturned, at: At) -> None:
    """Close the tool call, and the wait that it was."""
    actor = run.actors[event.actor]
    actor.tools.pop(event.call, None)
    actor.waits.pop(event.call, None)
