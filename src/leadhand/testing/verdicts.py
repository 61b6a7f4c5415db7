"""Verdicts: what must hold of a simulated run whenever it rests, and once it is over."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from msgspec import Struct

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.clock import Now
from leadhand.domain.due import due, timers
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import Price, cost
from leadhand.domain.rules import wait as waits
from leadhand.domain.rules.pause import frozen
from leadhand.domain.rules.run import over
from leadhand.domain.state import Actor, Run
from leadhand.stores.memory import KeptRun
from leadhand.testing import asking, sharing
from leadhand.testing.witness import encoded, event_of, folded
from leadhand.testing.world import World

# How the players break a session.
MEANT = ("RuntimeError: the script broke", "RuntimeError: the pen broke")
# A sleep ends a millisecond late, and instants are cut to whole milliseconds.
LATE_MS = 3
PARKED_MS = 60_000 + LATE_MS


class Broken(AssertionError):
    """Something that must always hold did not."""


class Rest(NamedTuple):
    """A moment at which nobody can do anything until time passes. ending: sessions that were told
    to end and take their time. frozen: whose commands stand still."""

    live: Run
    durable: Run
    alive: Collection[ActorId]
    ending: Collection[ActorId]
    now: Now
    frozen: Collection[ActorId] = ()


def at_rest(rest: Rest, secs: float) -> Iterator[str]:
    """Faults of a run that rests, and will for so many seconds.

    All that was due a moment ago must have been performed, which a full pass shows: so what the
    conductor did by what was touched and by timers is all that there was to do.
    """
    live, alive, now = rest.live, rest.alive, rest.now
    if encoded(live) != encoded(rest.durable):
        yield "the live state is not what the durable log gives"
    then = Now(now.wall_ms, now.run_ms - LATE_MS)
    if fx.Suspend() in due(live, alive, now, None, rest.frozen):
        soon = live.parked is not None and secs * 1000 <= PARKED_MS
        if (
            fx.Suspend() in due(live, alive, then, None, rest.frozen)
            and len(rest.ending) != len(alive)
            and not soon
        ):
            yield "at rest, but not suspended"
        return
    excused = [fx.Submit(c.UnparkRun()), *(fx.Stop(each) for each in rest.ending)]
    for effect in due(live, alive, then, None, rest.frozen):
        if effect not in excused:
            yield f"at rest, but {effect} is due"
    # The time of a parked run stands still; only the wall clock can bring something.
    wakes = now.run_ms + (0 if live.parked else secs * 1000 - LATE_MS)
    # A wall clock that was moved is looked at again within a minute.
    if live.parked and secs * 1000 > PARKED_MS and live.parked.until < now.wall_ms + secs * 1000:
        yield "the run sleeps beyond the end of its park"
    if live.drain_until is not None and now.run_ms < live.drain_until < wakes:
        yield "the run sleeps beyond the end of its drain"
    for actor in live.actors.values():
        yield from forgotten(live, actor, alive, then)
        checked = actor.duty.claimed_at is not None
        working = actor.id in alive and actor.id not in rest.ending and not checked
        if working:
            yield from held_up(live, actor, then)
        for instant in instants(live, actor, working):
            if now.run_ms < instant < wakes:
                yield f"{actor.id}: the run sleeps beyond its {instant}"


def instants(run: Run, actor: Actor, working: bool) -> Iterator[int]:
    """When something may have to be done for an actor by time alone (run_ms)."""
    yield from timers(run, actor.id)
    if working:
        yield from (wait.until for wait in actor.waits.values())
        if actor.deferral is not None:
            yield actor.deferral.until


def forgotten(run: Run, actor: Actor, alive: Collection[ActorId], then: Now) -> Iterator[str]:
    """Faults of a live actor that nobody looks after."""
    runs = actor.id in alive or actor.role == "tasks" or actor.paused is not None
    if actor.ending is None and not runs and actor.retry_at < then.run_ms:
        yield f"{actor.id}: is live, but nobody runs it"
    if actor.ending is not None and actor.id not in alive and not actor.live_children:
        yield f"{actor.id}: has ended and does not settle"
    if actor.ending is not None and actor.ending.status == "Cancelled":
        for child in actor.live_children:
            if run.actors[child].ending is None:
                yield f"{child}: goes on below one that is cancelled"
    checked = actor.duty.claimed_at is not None
    if actor.parent in run.records and actor.ending is None and actor.stop_at is None:
        if checked:
            return
        yield f"{actor.id}: goes on without an end though its lead has settled"


def held_up(run: Run, actor: Actor, then: Now) -> Iterator[str]:
    """Faults of a session that waits for what has come already."""
    # A session that began as its actor was frozen takes up its waits when that goes on.
    for wait in () if frozen(actor) else actor.waits.values():
        if wait.since < then.run_ms and (why := waits.over(run, actor, wait, then)):
            yield f"{actor.id}: still waits, though {why}"
    deferral = actor.deferral
    if deferral is None:
        return
    envelope = run.envelopes[actor.pool]
    if deferral.why == "workers to settle" and not actor.live_children:
        yield f"{actor.id}: its last call waits for workers that have settled"
    if deferral.why == "reservations in flight":
        if not envelope.reserved or deferral.needed <= ledger.room(run, actor):
            yield f"{actor.id}: its call waits for money that is free"


def at_end(kept: KeptRun, live: Run) -> Iterator[str]:
    """Faults of a run that is over."""
    run = folded(kept)
    if encoded(run) != encoded(live):
        yield "the live state is not what the log gives"
    if not over(run) or run.finished_wall_ms is None:
        yield f"the run is not finished: {run.status}"
    if run.actors or ROOT not in run.records:
        yield "someone is live in a finished run"
    if list(run.envelopes) != [ROOT]:
        yield f"envelopes are left: {sorted(run.envelopes)}"
    root = run.envelopes[ROOT]
    if root.reserved or root.held or root.granted or root.slice:
        yield f"money is still set aside: {root}"
    if run.spent != root.spent or run.spent != sum(each.spent for each in run.records.values()):
        yield "what was spent does not add up"
    if run.status == "succeeded" and any(r.status != "Success" for r in run.records.values()):
        yield "a run with a failed actor succeeded"


def of_story(kept: KeptRun, world: World) -> Iterator[str]:
    """Faults of the whole log of a finished run, beside what the world saw of it."""
    events = [event_of(kept, row) for row in kept.rows]
    yield from of_calls(events, world)
    yield from of_money(events, folded(kept))
    yield from of_actors(events)
    yield from of_breaks(events)
    yield from of_ends(events, folded(kept))
    yield from sharing.of_entries(events)
    yield from sharing.of_leases(events, folded(kept))
    yield from of_checks(events)
    yield from asking.of_questions(events, [(each.call, each.seq) for each in world.notings])


class Bill(Struct):
    """One admitted call, and what became of it."""

    admitted: e.CallAdmitted
    price: Price
    ends: int = 0
    booked: int = 0
    unbilled: bool = False


def bills(events: list[e.Event]) -> Iterator[tuple[str, Bill]]:
    """Each admission of a log with its bill."""
    prices: dict[str, Price] = {}
    found: dict[str, Bill] = {}
    for event in events:
        match event:
            case e.ActorSpawned():
                prices[event.actor] = event.price
            case e.CallAdmitted():
                found[event.call] = Bill(event, prices[event.actor])
                yield event.call, found[event.call]
            case e.TurnRecorded() | e.ConversationCompacted():
                found[event.call].ends += 1
                found[event.call].booked += event.cost
            case e.CallCut():
                found[event.call].ends += 1
                found[event.call].booked += event.charged
                found[event.call].unbilled = event.charged == 0
            case e.TurnLate() if event.call in found:
                found[event.call].booked += event.booked
            case _:
                pass


def of_calls(events: list[e.Event], world: World) -> Iterator[str]:
    """Each call is admitted once and ends once; what was asked was admitted; all is paid for."""
    admissions = list(bills(events))
    admitted = dict(admissions)
    if len(admitted) != len(admissions):
        yield "a call was admitted twice"
    asked = Counter(asking.call for asking in world.askings)
    for call, bill in admissions:
        if bill.ends != 1:
            yield f"{call}: was settled {bill.ends} times"
        free = call in world.unbilled or call not in asked
        if bill.unbilled and bill.admitted.bound and not free:
            yield f"{call}: may have been billed, but nothing is booked"
    for call, times in asked.items():
        # What was refused at no cost may be asked again with the same reservation.
        if times - world.refused[call] > 1 or call not in admitted:
            yield f"{call}: was asked {times} times, admitted: {call in admitted}"
    for call, usage in world.answered.items():
        if call in admitted and not admitted[call].unbilled:
            owed = min(cost(admitted[call].price, usage), admitted[call].admitted.bound)
            if admitted[call].booked < owed:
                yield f"{call}: cost {owed}, but {admitted[call].booked} is booked"


def of_money(events: list[e.Event], run: Run) -> Iterator[str]:
    """Nothing but dear answers goes past the limit, and by no more than they did."""
    dear = sum(event.excess for event in events if isinstance(event, e.BoundExceeded))
    late = sum(event.booked for event in events if isinstance(event, e.TurnLate))
    past = run.spent - run.house.budget_nanousd
    if past > dear + late:
        yield f"{past} was spent past the limit, dear answers account for {dear + late}"


def of_actors(events: list[e.Event]) -> Iterator[str]:
    """Workers are made once, messages are delivered once, tools return once."""
    spawned: set[tuple[str, str]] = set()
    ids: set[str] = set()
    delivered: set[tuple[str, int]] = set()
    intents: set[str] = set()
    returned: set[str] = set()
    for event in events:
        match event:
            case e.ActorSpawned():
                if event.actor in ids or (event.parent, event.key) in spawned:
                    yield f"{event.actor}: was spawned twice"
                ids.add(event.actor)
                spawned.add((event.parent, event.key))
            case e.CallAdmitted():
                for number in event.messages:
                    if (event.actor, number) in delivered:
                        yield f"{event.actor}: message {number} was delivered twice"
                    delivered.add((event.actor, number))
            case e.TurnRecorded():
                intents |= {intent.call for intent in event.intents}
            case e.ToolReturned():
                if event.call in returned or event.call not in intents:
                    yield f"{event.call}: returned twice, or unasked"
                returned.add(event.call)
            case _:
                pass


def of_breaks(events: list[e.Event]) -> Iterator[str]:
    """Sessions and tools break only where the players break them; a final turn runs no tool."""
    final: set[str] = set()
    forbidden: set[str] = set()
    for event in events:
        match event:
            case e.SessionCrashed():
                if not event.error.startswith(MEANT):
                    yield f"{event.actor}: its session crashed: {event.error}"
            case e.CallAdmitted() if event.final:
                final.add(event.call)
            case e.TurnRecorded() if event.call in final:
                forbidden |= {intent.call for intent in event.intents}
            case e.ToolReturned():
                if event.call in forbidden:
                    yield f"{event.call}: ran in a final turn"
                if event.is_error and '"tool_failed"' in event.content:
                    yield f"{event.call}: a tool broke: {event.content}"
            case _:
                pass


def of_checks(events: list[e.Event]) -> Iterator[str]:
    """Who has reported is not asked again; who claims is checked before it settles well; what fails
    or is denied is no success."""
    told: dict[str, str] = {}
    claimed: dict[str, bool | None] = {}
    for event in events:
        match event:
            case e.ActorSpawned() | e.ActorContinued():
                told.pop(event.actor, None)
                claimed.pop(event.actor, None)
            case e.OutcomeReported():
                told[event.actor] = event.delivery.status
            case e.CallAdmitted() if event.messages and event.actor not in claimed:
                # It has been given more to read.
                told.pop(event.actor, None)
            case e.CallAdmitted(compacts=False) if event.actor in told or event.actor in claimed:
                yield f"{event.actor}: is asked though it has reported or claimed"
            case e.OutcomeClaimed():
                claimed[event.actor] = None
            case e.ChecksRecorded():
                claimed[event.actor] = all(each.ok for each in event.evidence)
            case e.ActorSettled(status="Success"):
                if told.get(event.actor, "completed") != "completed":
                    yield f"{event.actor}: reported {told[event.actor]}, and succeeded"
                if not claimed.get(event.actor, True):
                    yield f"{event.actor}: claimed, and succeeded though its checks do not hold"
            case e.ActorSettled(outcome="verified"):
                yield f"{event.actor}: is verified, and no success"
            case _:
                pass


def of_ends(events: list[e.Event], run: Run) -> Iterator[str]:
    """Who was told to end asks no more and settles so; who settles is recorded so; success has
    last words."""
    told: dict[str, str] = {}
    settled: dict[str, str] = {}
    for event in events:
        match event:
            case e.ActorSpawned() | e.ActorContinued():
                told.pop(event.actor, None)
            case e.ActorEnding():
                told[event.actor] = event.status
            case e.CallAdmitted() if event.actor in told:
                yield f"{event.actor}: asks though it was told to end"
            case e.ActorSettled():
                settled[event.actor] = event.status
                if told.get(event.actor, event.status) != event.status:
                    yield f"{event.actor}: told to end as {told[event.actor]}: {event.status}"
                if event.status == "Success" and not event.final:
                    yield f"{event.actor}: succeeded without a word"
            case _:
                pass
    if settled != {each.id: each.status for each in run.records.values()}:
        yield "the records are not as the actors settled"
