"""Budget: what a call or a worker may cost; what does not fit waits, shrinks, or is refused."""

from msgspec import Struct
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import estimates, ledger, notices
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import CallId
from leadhand.domain.money import MILLION, Price, bound, dearest, show
from leadhand.domain.prices import price_of
from leadhand.domain.state import Actor, Call, Deferral, ModelSpend, Run
from leadhand.refusals import BudgetExceeded, Uncounted

# What a call waits for.
CALLS = "reservations in flight"
WORKERS = "workers to settle"


def exceeded(run: Run, actor: Actor, asked: int) -> BudgetExceeded:
    """The refusal, in the figures of the envelope that the actor draws on."""
    envelope = run.envelopes[actor.pool]
    reserved = ledger.used(envelope) - envelope.spent
    return BudgetExceeded(
        f"budget exceeded: {show(envelope.spent)} spent + {show(reserved)} reserved + "
        f"{show(asked)} estimated > {show(envelope.limit)} budget"
    )


def check_spawn(run: Run, parent: Actor, amount: int) -> None:
    """Refuse a worker whose envelope or estimate does not fit. Raises BudgetExceeded."""
    if amount > ledger.free(run.envelopes[parent.pool]):
        raise exceeded(run, parent, amount)


class Asked(Struct, frozen=True):
    """A call that is to be admitted. price: None where it is the actor's. output_max: the most
    that the answer is to have (tokens). mail: what it reads of messages (tokens); outside: of
    those, the last call alone delivers any."""

    call: CallId
    model: str
    price: Price
    own: bool
    input_bound: int
    output_max: int
    mail: int
    outside: bool


def asked(run: Run, actor: Actor, command: c.AdmitCall) -> Asked:
    """What a call may read and answer, and at which price. Raises UnknownModel."""
    model = command.model or actor.model
    own = model == actor.model
    most = actor.output_max
    if command.outside:
        most = min(command.asked or run.house.max_output_tokens, run.house.max_output_tokens)
    mail = sum(estimates.mail_tokens(each.sender, each.kind, each.text) for each in actor.mail)
    return Asked(
        command.call,
        model,
        actor.price if own else price_of(run.manifest, model),
        own,
        read_at_most(run, actor, command, model) + (0 if command.outside else mail),
        most,
        mail if command.outside else 0,
        command.outside,
    )


def read_at_most(run: Run, actor: Actor, command: c.AdmitCall, model: str) -> int:
    """The most tokens that a call can read beside mail: of what the last answer left, of all that
    is new, and of what the provider adds; or what the provider counted, where that is less."""
    known = command.new_bytes + (0 if command.whole else actor.context_tokens)
    if command.counted:
        known = min(known, command.counted)
    return known + estimates.NOTICE_BYTES + ledger.overhead(run, model)


def admit(run: Run, actor: Actor, command: c.AdmitCall, now: Now) -> list[e.Event]:
    """Reserve the worst case of a call: as asked, else later, else smaller, else not at all.

    The owner of an envelope that can afford no ordinary call gets a last one from its report
    slice. Raises BudgetExceeded, UnknownModel; Uncounted where the provider's counter may show that
    it fits.
    """
    wanted = asked(run, actor, command)
    price, call, input_bound = wanted.price, command.call, wanted.input_bound
    room = ledger.room(run, actor)
    most = bound(price, input_bound, wanted.output_max)
    if command.counted is None and command.new_bytes >= estimates.COUNT_WORTH_BYTES:
        if most > room:
            raise Uncounted()
    if actor.final:
        return last_call(run, actor, wanted, now)
    least = min(estimates.OUTPUT_MIN, wanted.output_max)
    output_max = affordable(price, input_bound, room, wanted.output_max)
    if output_max < wanted.output_max:
        why, until = worth_waiting(run, actor, output_max >= least, now)
        if holds(actor, call, why, until, now):
            return defer(actor, call, most, why, until)
    if output_max < least:
        if actor.pool != actor.id:
            raise exceeded(run, actor, most)
        began: list[e.Event] = [
            e.WindDownBegan(actor.id, why="budget", final=True),
            notices.notice(actor, "budget_gone", notices.BUDGET_GONE),
        ]
        return began + last_call(run, actor, wanted, now, fresh=1)
    low = output_max < min(estimates.OUTPUT_LOW, wanted.output_max)
    return ordinary(actor, wanted, output_max, low)


def compaction(run: Run, actor: Actor, command: c.AdmitCall) -> list[e.Event]:
    """Admit the call that summarizes a conversation; none where it does not fit beside the report
    slice, so that the conversation goes on as it is."""
    input_bound = asked(run, actor, command).input_bound + estimates.COMPACT_BYTES
    need = bound(actor.price, input_bound, estimates.COMPACT_OUTPUT)
    if need > ledger.room(run, actor):
        return []
    return [
        e.CallAdmitted(
            actor.id,
            call=command.call,
            model=actor.model,
            bound=need,
            input_bound=input_bound,
            output_max=estimates.COMPACT_OUTPUT,
            compacts=True,
        )
    ]


def ordinary(actor: Actor, wanted: Asked, output_max: int, low: bool) -> list[e.Event]:
    """Admit a call, with the notices that go with it."""
    told: list[e.Event] = []
    if low and not actor.winding:
        told.append(e.WindDownBegan(actor.id, why="budget"))
        told.append(notices.notice(actor, "budget_low", notices.BUDGET_LOW))
    if actor.turns + 1 == actor.turns_max:
        told.append(notices.notice(actor, "last_turn", notices.LAST_TURN, len(told) // 2))
    fresh = sum(isinstance(event, e.MessageSent) for event in told)
    messages = () if wanted.outside else undelivered(actor, fresh)
    return [*told, admitted(actor, wanted, wanted.input_bound, output_max, messages)]


def last_call(run: Run, actor: Actor, wanted: Asked, now: Now, fresh: int = 0) -> list[e.Event]:
    """Admit an actor's last call, once its workers have settled, from its report slice."""
    until = last_call_by(run, actor, now)
    if actor.live_children and holds(actor, wanted.call, WORKERS, until, now):
        return defer(actor, wanted.call, 0, WORKERS, until)
    room = ledger.room(run, actor)
    room += run.envelopes[actor.id].slice if actor.pool == actor.id else 0
    most = min(wanted.output_max, estimates.REPORT_OUTPUT)
    input_bound = wanted.input_bound + wanted.mail
    output_max = affordable(wanted.price, input_bound, room, most)
    if output_max < min(estimates.OUTPUT_MIN, most):
        raise exceeded(run, actor, bound(wanted.price, input_bound, most))
    event = admitted(actor, wanted, input_bound, output_max, undelivered(actor, fresh))
    return [replace(event, final=True)]


def admitted(
    actor: Actor, wanted: Asked, input_bound: int, output_max: int, messages: tuple[int, ...]
) -> e.CallAdmitted:
    """The admission of a call, at its bound."""
    return e.CallAdmitted(
        actor.id,
        call=wanted.call,
        model=wanted.model,
        bound=bound(wanted.price, input_bound, output_max),
        input_bound=input_bound,
        output_max=output_max,
        messages=messages,
        outside=wanted.outside,
        price=None if wanted.own else wanted.price,
    )


def undelivered(actor: Actor, fresh: int) -> tuple[int, ...]:
    """The numbers of all waiting messages and of `fresh` ones made in this decision."""
    made = range(actor.message_count + 1, actor.message_count + 1 + fresh)
    return (*(message.number for message in actor.mail), *made)


def affordable(price: Price, input_bound: int, room: int, wanted: int) -> int:
    """The largest answer, in tokens up to wanted, whose call fits into the room; 0 if none."""
    if bound(price, input_bound, 0) > room:
        return 0
    reading, answering = dearest(price, input_bound)
    if answering == 0:
        return wanted
    return min(wanted, (room * MILLION - reading * input_bound) // answering)


def worth_waiting(run: Run, actor: Actor, fits: bool, now: Now) -> tuple[str, int]:
    """What may still free money for a call and until when (run_ms); empty where nothing can.

    fits: whether a smaller answer could be had at once. Where not even that can, what the
    actor's own workers hold comes back as they settle, which is better than its last call now.
    """
    if not fits and actor.pool == actor.id and actor.live_children:
        return WORKERS, last_call_by(run, actor, now)
    if run.envelopes[actor.pool].reserved > 0:
        return CALLS, patience(actor, now.run_ms + estimates.DEFER_MS)
    return "", 0


def last_call_by(run: Run, actor: Actor, now: Now) -> int:
    """When an actor's last call goes out, whether or not its workers have settled (run_ms)."""
    grace = run.house.grace_secs * 1000
    end = actor.stop_at or (actor.deadline or now.run_ms) + grace
    return patience(actor, end - grace // 2)


def patience(actor: Actor, until: int) -> int:
    """The instant, or the end of the actor's own time where that comes first (run_ms)."""
    return until if actor.deadline is None else min(until, max(actor.deadline, actor.stop_at or 0))


def holds(actor: Actor, call: CallId, why: str, until: int, now: Now) -> bool:
    """Whether a call goes on, or begins, to wait for this; until: how long it would."""
    deferral = actor.deferral
    if deferral is not None and (deferral.call, deferral.why) == (call, why):
        until = deferral.until
    return bool(why) and now.run_ms < until


def defer(actor: Actor, call: CallId, needed: int, why: str, until: int) -> list[e.Event]:
    """Let a call wait; one that already waits for this goes on waiting."""
    deferral = actor.deferral
    if deferral is not None and (deferral.call, deferral.why) == (call, why):
        return []
    return [e.CallDeferred(actor.id, call=call, needed=needed, why=why, until=until)]


def evolve_admitted(run: Run, event: e.CallAdmitted, at: At) -> None:
    """Reserve, open the call and hand over the messages."""
    actor = run.actors[event.actor]
    if actor.started_at is None:
        actor.started_at, actor.started_wall_ms = at.now.run_ms, at.now.wall_ms
    if event.final and actor.pool == actor.id:
        run.envelopes[actor.id].slice = 0
    ledger.reserve(run, actor, event.bound)
    actor.call = Call(
        event.call,
        event.model,
        event.bound,
        event.input_bound,
        at.now.run_ms,
        event.final,
        event.compacts,
        outside=event.outside,
        price=event.price,
    )
    actor.deferral = None
    actor.final_used = actor.final_used or event.final
    delivered = set(event.messages)
    actor.mail = [message for message in actor.mail if message.number not in delivered]


def evolve_deferred(run: Run, event: e.CallDeferred, at: At) -> None:
    """Remember what the actor waits for, so that it can be explained."""
    actor = run.actors[event.actor]
    actor.deferral = Deferral(event.call, event.needed, event.why, at.now.run_ms, event.until)


def evolve_cut(run: Run, event: e.CallCut, at: At) -> None:
    """Count the charged part as spent."""
    actor = run.actors[event.actor]
    run.cut[event.call] = event.charged
    count(run, actor.call.model if actor.call else actor.model, event.charged)
    final = actor.call.final if actor.call else False
    if actor.call and actor.call.compacts:
        # The conversation goes on as it is; the next turn may try again.
        actor.compacted_turn = actor.turns
    ledger.settle(run, actor, event.charged)
    if final:
        actor.final_used = False
    ledger.slice_report(run, actor)


def evolve_turn(run: Run, event: e.TurnRecorded, at: At) -> None:
    """Book what the answer cost."""
    book(run, event)
    run.actors[event.actor].context_tokens = event.usage.context


def book(run: Run, event: e.TurnRecorded | e.ConversationCompacted) -> None:
    """Settle the call of an answer, and count what it used."""
    actor = run.actors[event.actor]
    spend = count(run, actor.call.model if actor.call else actor.model, event.cost)
    spend.usage = spend.usage.plus(event.usage)
    spend.saved += event.saved
    ledger.settle(run, actor, event.cost)
    actor.usage = actor.usage.plus(event.usage)
    run.usage = run.usage.plus(event.usage)
    ledger.slice_report(run, actor, event.slice)


def evolve_compacted(run: Run, event: e.ConversationCompacted, at: At) -> None:
    """Book what the summary cost."""
    book(run, event)


def evolve_late(run: Run, event: e.TurnLate, at: At) -> None:
    """Book the part of a late answer that its settled reservation did not cover."""
    if not event.booked:
        return
    run.cut.pop(event.call, None)
    actor = run.actors.get(event.actor)
    pool = actor.pool if actor else ledger.nearest(run, event.actor)
    if actor:
        before = ledger.hold(actor)
        actor.spent += event.booked
        run.envelopes[pool].held += ledger.hold(actor) - before
    elif event.actor in run.records:
        run.records[event.actor].spent += event.booked
    ledger.spend(run, pool, event.booked)
    run.late += event.booked


def evolve_excess(run: Run, event: e.BoundExceeded, at: At) -> None:
    """Expect more of this model's provider from now on."""
    run.overheads[event.model] = event.overhead


def evolve_wind_down(run: Run, event: e.WindDownBegan, at: At) -> None:
    """Remember that the actor was told."""
    actor = run.actors[event.actor]
    actor.winding = event.why
    actor.final = actor.final or event.final


def count(run: Run, model: str, cost: int) -> ModelSpend:
    """Add one settled call to a model's figures."""
    spend = run.models.setdefault(model, ModelSpend())
    spend.calls += 1
    spend.spent += cost
    run.calls += 1
    return spend
