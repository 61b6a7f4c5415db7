"""World: a run that only the rules touch, under a clock that is set by hand.

Every event is folded at once and every invariant checked after it. The model `unit` costs one
nano-dollar a token, so that money reads as tokens.
"""

from collections.abc import Collection
from typing import Any, TypeVar

import msgspec
import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.decide import decide
from leadhand.domain.due import due, timers
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.invariants import broken
from leadhand.domain.manifest import (
    Agent,
    Approvals,
    HouseRules,
    Lead,
    Manifest,
    Settings,
    Subleads,
)
from leadhand.domain.money import MILLION, Price, Usage
from leadhand.domain.state import Actor, Envelope, Record, Run
from leadhand.refusals import Refused

UNIT = "unit"
UNIT_PRICE = Price(MILLION, MILLION, MILLION, MILLION)
WALL_MS = 1_700_000_000_000
NOTHING_SET = Settings()
NOTHING_ASKED = Approvals()
TENS = Usage(10, 10)

R = TypeVar("R", bound=Refused)
E = TypeVar("E", bound=e.Event)


def manifest(
    *,
    model: str = UNIT,
    lead: Settings = NOTHING_SET,
    defaults: Settings = NOTHING_SET,
    agents: dict[str, Agent] | None = None,
    prices: dict[str, Price] | None = None,
    subleads: Subleads | None = None,
    approvals: Approvals = NOTHING_ASKED,
    **house: Any,
) -> Manifest:
    """A manifest of which only what a test is about has to be said. budget_nanousd is 1,000,000
    where it is not given."""
    return Manifest(
        lead=Lead("lead", "coordinate", msgspec.structs.replace(lead, model=lead.model or model)),
        house=HouseRules(**({"budget_nanousd": 1_000_000} | house)),
        defaults=defaults,
        agents=agents or {},
        prices={UNIT: UNIT_PRICE} if prices is None else prices,
        subleads=subleads,
        approvals=approvals,
    )


class World:
    """A run, its log and its time."""

    def __init__(self, asked: Manifest | None = None, *, begin: bool = True, **given: Any) -> None:
        self.run = Run()
        self.run_ms = 0
        self.log: list[tuple[e.Event, At]] = []
        self.calls = 0
        if begin:
            self.do(c.OwnRun(1, "test"))
            self.do(c.StartRun("run", asked or manifest(**given)))

    # --- time

    @property
    def now(self) -> Now:
        """The time; that of a parked run stands still."""
        return Now(WALL_MS + self.run_ms, self.run.run_ms if self.run.parked else self.run_ms)

    def later(self, *, secs: float = 0, ms: int = 0) -> "World":
        """Let time pass."""
        self.run_ms += round(secs * 1000) + ms
        return self

    # --- asking

    def do(self, command: c.Command) -> list[e.Event]:
        """Decide a command and fold what it leads to. Raises Refused, whose record is folded."""
        before = msgspec.msgpack.encode(self.run)
        try:
            events = decide(self.run, command, self.now)
        except Refused as refusal:
            assert msgspec.msgpack.encode(self.run) == before, "deciding changed the state"
            self.fold(list(refusal.record))
            raise
        assert msgspec.msgpack.encode(self.run) == before, "deciding changed the state"
        self.fold(events)
        return events

    def fold(self, events: list[e.Event]) -> None:
        """Let events happen."""
        for event in events:
            at = At(self.run.seq + 1, self.now)
            evolve(self.run, event, at)
            self.log.append((event, at))
            assert broken(self.run) == [], f"after {event}"

    def refused(self, command: c.Command, kind: type[R]) -> R:
        """The refusal of a command."""
        with pytest.raises(kind) as caught:
            self.do(command)
        return caught.value

    def refolded(self) -> Run:
        """What the log gives once it has been through its encoding."""
        run = Run()
        for event, at in self.log:
            evolve(run, msgspec.json.decode(msgspec.json.encode(event), type=e.AnyEvent), at)
        return run

    # --- looking

    def actor(self, actor: str = ROOT) -> Actor:
        """A live actor."""
        return self.run.actors[ActorId(actor)]

    def record(self, actor: str = ROOT) -> Record:
        """A settled actor."""
        return self.run.records[ActorId(actor)]

    def envelope(self, actor: str = ROOT) -> Envelope:
        """An actor's own envelope."""
        return self.run.envelopes[ActorId(actor)]

    def of(self, kind: type[E]) -> list[E]:
        """All events of a kind so far."""
        return [event for event, _ in self.log if isinstance(event, kind)]

    def mail(self, actor: str = ROOT) -> list[str]:
        """The kinds of the messages that wait for an actor."""
        return [message.kind for message in self.actor(actor).mail]

    def due(self, alive: Collection[str] | None = None) -> list[fx.Effect]:
        """What is due now; alive: whose sessions run, everybody's where it is left out."""
        ids = [*self.run.actors] if alive is None else [ActorId(each) for each in alive]
        return due(self.run, ids, self.now)

    def timers(self) -> list[int]:
        """Every instant at which something may fall due."""
        found = [*timers(self.run, None)]
        for actor in self.run.actors:
            found += timers(self.run, actor)
        return sorted(found)

    # --- doing the usual

    def call_id(self) -> CallId:
        """An id that no call had before."""
        self.calls += 1
        return CallId(f"call{self.calls}")

    def perform(self, alive: Collection[str] | None = None) -> list[c.Command]:
        """Submit what is due until nothing to submit is; what was submitted."""
        done: list[c.Command] = []
        while True:
            asked = [each.command for each in self.due(alive) if isinstance(each, fx.Submit)]
            if not asked:
                return done
            assert len(done) < 1000, "what is due stays due"
            for command in asked:
                self.do(command)
            done += asked

    def spawn(self, call: str = "", *, parent: str = ROOT, **given: Any) -> ActorId:
        """Start a worker; given: fields of SpawnActor, or of its settings."""
        command = self.spawning(call, parent=parent, **given)
        self.do(command)
        return self.run.actors[ActorId(parent)].keys[command.key or command.call]

    def spawning(self, call: str = "", *, parent: str = ROOT, **given: Any) -> c.SpawnActor:
        """The command that starts a worker."""
        own = {name: given.pop(name) for name in [*given] if name in Settings.__struct_fields__}
        return c.SpawnActor(
            ActorId(parent),
            CallId(call) if call else self.call_id(),
            given.pop("prompt", "do it"),
            settings=Settings(**own),
            **given,
        )

    def sublead(self, call: str = "", *, parent: str = ROOT, **given: Any) -> ActorId:
        """Start a sub-lead; given: fields of SpawnSublead, or of its settings."""
        command = self.subleading(call, parent=parent, **given)
        self.do(command)
        return self.run.actors[ActorId(parent)].keys[command.key or command.call]

    def subleading(self, call: str = "", *, parent: str = ROOT, **given: Any) -> c.SpawnSublead:
        """The command that starts a sub-lead: of 10,000,000 and two workers unless it says so."""
        given = {"budget_nanousd": 10_000_000, "max_workers": 2} | given
        own = {name: given.pop(name) for name in [*given] if name in Settings.__struct_fields__}
        return c.SpawnSublead(
            ActorId(parent),
            CallId(call) if call else self.call_id(),
            given.pop("prompt", "lead a phase"),
            settings=Settings(**own),
            **given,
        )

    def admitting(self, actor: str = ROOT, new_bytes: int = 100, call: str = "") -> c.AdmitCall:
        """The command that asks for a call."""
        return c.AdmitCall(
            ActorId(actor), CallId(call) if call else self.call_id(), new_bytes, counted=0
        )

    def admit(self, actor: str = ROOT, new_bytes: int = 100, call: str = "") -> e.CallAdmitted:
        """Let a call out."""
        events = self.do(self.admitting(actor, new_bytes, call))
        assert isinstance(events[-1], e.CallAdmitted), events
        return events[-1]

    def answering(self, actor: str = ROOT, usage: Usage = TENS, **given: Any) -> c.RecordTurn:
        """The command that records the answer to the actor's open call."""
        call = self.actor(actor).call
        assert call is not None
        return c.RecordTurn(ActorId(actor), call.id, "[]", usage, "end_turn", **given)

    def answer(self, actor: str = ROOT, usage: Usage = TENS, **given: Any) -> list[e.Event]:
        """Record the answer to the actor's open call."""
        return self.do(self.answering(actor, usage, **given))

    def turn(self, actor: str = ROOT, usage: Usage = TENS, **given: Any) -> None:
        """A whole turn."""
        self.admit(actor)
        self.answer(actor, usage, **given)

    def exit(
        self,
        actor: str = ROOT,
        outcome: c.Outcome = "completed",
        final: str = "done",
        error: str = "",
    ) -> list[e.Event]:
        """The actor's session is over."""
        return self.do(c.RecordExit(ActorId(actor), outcome, final, error))

    def settled(self, **given: Any) -> ActorId:
        """A worker that has taken a turn and succeeded."""
        worker = self.spawn(**given)
        self.turn(worker)
        self.exit(worker)
        return worker


def intent(call: str, effect: Any = "reads", tool: str = "Read") -> e.Intent:
    """A tool call of an answer."""
    return e.Intent(CallId(call), tool, effect)


def kinds(events: list[e.Event]) -> list[str]:
    """The names of events."""
    return [type(event).__name__ for event in events]


REPORT = """\
1. STATUS: success
2. COMPLETED:
- W1 — a.py — has no faults
3. DEFERRED OR FAILED:
none
4. COST SUMMARY:
- W1: $0.00
"""
