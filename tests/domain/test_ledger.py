"""Ledger: whatever happens in whatever order, no envelope gives out more than it has."""

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from leadhand.domain import commands as c
from leadhand.domain import estimates, ledger
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Settings, Subleads
from leadhand.domain.money import MILLION, Price, Usage
from leadhand.domain.state import Call, Envelope, Run
from leadhand.refusals import Refused
from tests.rules.world import UNIT, World, manifest

# Dearer output than input, and a price that does not divide evenly.
PRICE = Price(input=MILLION, output=5 * MILLION + 1, cache_read=100_000, cache_creation=1_250_000)


class LedgerMachine(RuleBasedStateMachine):
    """Many actors that spend, wait, are cut, answer late and settle, in any order."""

    actors = Bundle("actors")
    answers = Bundle("answers")

    def __init__(self) -> None:
        super().__init__()
        self.excess: dict[str, int] = defaultdict(int)
        self.world = World(begin=False)

    @initialize(
        target=actors,
        budget=st.one_of(st.integers(0, 300_000), st.sampled_from([5_000_000, 50_000_000])),
        max_tokens=st.sampled_from([100, 3_000]),
    )
    def begin(self, budget: int, max_tokens: int) -> ActorId:
        asked = manifest(
            budget_nanousd=budget,
            max_workers=5,
            prices={UNIT: PRICE},
            lead=Settings(max_tokens=max_tokens),
            defaults=Settings(max_tokens=max_tokens),
            subleads=Subleads(max_depth=4),
        )
        self.world = World(asked)
        return ROOT

    def asked(self, command: c.Command) -> list[e.Event]:
        """What a command leads to; a refusal is an answer too."""
        try:
            events = self.world.do(command)
        except Refused as refusal:
            events = list(refusal.record)
        for event in events:
            self.check(event)
        return events

    def a_report_is_kept_money_for(self, actor: ActorId) -> None:
        """After each turn of an owner, as far as there is money."""
        if self.world.actor(actor).pool == actor:
            envelope = self.world.run.envelopes[actor]
            room = envelope.limit - (ledger.used(envelope) - envelope.slice)
            assert envelope.slice == max(0, min(envelope.report, room))

    def check(self, event: e.Event) -> None:
        """Note what lets an envelope pass its limit: dear answers, nothing else."""
        over = 0
        if isinstance(event, e.BoundExceeded):
            over = event.excess
        elif isinstance(event, e.TurnLate):
            over = event.booked
        if over:
            path = f"{event.actor}/"
            above = [each for each in self.world.run.envelopes if path.startswith(f"{each}/")]
            for owner in {*above, ROOT}:
                self.excess[owner] += over

    @rule(
        target=actors,
        parent=actors,
        budget=st.one_of(st.none(), st.integers(0, 80_000)),
        turns=st.integers(1, 20),
    )
    def spawn(self, parent: ActorId, budget: int | None, turns: int) -> object:
        command = self.world.spawning(parent=parent, budget_nanousd=budget, max_turns=turns)
        asked = self.asked(command)
        return multiple(*[each.actor for each in asked if isinstance(each, e.ActorSpawned)])

    @rule(
        target=actors,
        parent=actors,
        budget=st.one_of(st.integers(1, 200_000), st.sampled_from([500_000, 2_000_000])),
    )
    def divide(self, parent: ActorId, budget: int) -> object:
        command = self.world.subleading(parent=parent, budget_nanousd=budget, max_workers=3)
        asked = self.asked(command)
        return multiple(*[each.actor for each in asked if isinstance(each, e.ActorSpawned)])

    @rule(actor=actors)
    def cancel(self, actor: ActorId) -> None:
        if actor != ROOT:
            self.asked(c.CancelActor(actor, "enough"))

    @rule(actor=actors, new_bytes=st.integers(0, 5_000))
    def admit(self, actor: ActorId, new_bytes: int) -> None:
        live = self.world.run.actors.get(actor)
        if live is None:
            return
        envelope = self.world.run.envelopes[live.pool]
        room = ledger.free(envelope) + ledger.hold(live)
        kept = envelope.slice if live.pool == actor else 0
        for event in self.asked(self.world.admitting(actor, new_bytes)):
            if isinstance(event, e.CallAdmitted):
                assert event.bound <= room + (kept if event.final else 0)
                assert event.output_max > 0

    @rule(
        target=answers,
        actor=actors,
        read=st.integers(0, 20_000),
        said=st.integers(0, 6_000),
        within=st.booleans(),
    )
    def answer(self, actor: ActorId, read: int, said: int, within: bool) -> object:
        live = self.world.run.actors.get(actor)
        if live is None or live.call is None:
            return multiple()
        usage = Usage(read, said)
        if within:
            admitted = self.world.of(e.CallAdmitted)
            call = next(each for each in reversed(admitted) if each.call == live.call.id)
            usage = Usage(min(read, call.input_bound), min(said, call.output_max))
        before = len(self.world.of(e.BoundExceeded))
        command = self.world.answering(actor, usage)
        self.asked(command)
        self.a_report_is_kept_money_for(actor)
        if within:
            assert len(self.world.of(e.BoundExceeded)) == before
        return command

    @rule(target=answers, actor=actors, billed=st.booleans(), read=st.integers(0, 20_000))
    def cut(self, actor: ActorId, billed: bool, read: int) -> object:
        live = self.world.run.actors.get(actor)
        if live is None or live.call is None:
            return multiple()
        late = self.world.answering(actor, Usage(read, 5))
        self.asked(c.RecordCut(actor, live.call.id, "cut", billed))
        self.a_report_is_kept_money_for(actor)
        return late

    @rule(answer=consumes(answers), times=st.integers(1, 2))
    def answer_late(self, answer: c.RecordTurn, times: int) -> None:
        for _ in range(times):
            assert all(isinstance(each, e.TurnLate) for each in self.asked(answer))

    @rule(actor=actors)
    def crash(self, actor: ActorId) -> None:
        self.asked(c.RecordCrash(actor, "crashed"))

    @rule(actor=actors, completed=st.booleans())
    @precondition(lambda self: len(self.world.run.actors) > 1)
    def exit(self, actor: ActorId, completed: bool) -> None:
        if actor != ROOT:
            self.asked(c.RecordExit(actor, "completed" if completed else "failed", "done"))

    @rule(secs=st.integers(0, 400))
    def wait(self, secs: int) -> None:
        self.world.later(secs=secs)

    @rule()
    def own_again(self) -> None:
        self.asked(c.OwnRun(self.world.run.epoch + 1, "another"))

    @invariant()
    def every_envelope_keeps_to_its_limit(self) -> None:
        for owner, envelope in self.world.run.envelopes.items():
            assert ledger.used(envelope) <= envelope.limit + envelope.excess
            assert envelope.excess <= self.excess[owner]

    @invariant()
    def envelopes_never_sum_past_their_parent(self) -> None:
        envelopes = self.world.run.envelopes
        for owner, envelope in envelopes.items():
            children = [each for each in envelopes.values() if each.parent == owner]
            more = sum(max(0, each.limit - each.spent) for each in children)
            assert envelope.spent + more <= envelope.limit + envelope.excess

    def teardown(self) -> None:
        if not self.world.log:
            return
        for actor in [*self.world.run.actors][::-1]:
            self.asked(c.RecordExit(actor, "failed"))
        run = self.world.run
        if run.envelopes:
            root = run.envelopes[ROOT]
            assert list(run.envelopes) == [ROOT]
            assert (root.reserved, root.held, root.granted, root.slice) == (0, 0, 0, 0)
            assert root.spent == run.spent == sum(each.spent for each in run.records.values())
            assert root.spent <= root.limit + self.excess[ROOT]
        assert self.world.refolded() == run


class TreeMachine(LedgerMachine):
    """The same, of a run that begins with three levels of leads, each with workers."""

    @initialize(
        target=LedgerMachine.actors,
        budget=st.integers(400_000, 4_000_000),
        max_tokens=st.sampled_from([100, 3_000]),
    )
    def begin(self, budget: int, max_tokens: int) -> object:
        super().begin(budget, max_tokens)
        found = [ROOT]
        for part in (2, 4, 8):
            top = found[-1]
            below = self.world.subleading(parent=top, budget_nanousd=budget // part, max_workers=3)
            own = self.world.spawning(parent=top, budget_nanousd=budget // (8 * part))
            for command in (own, below):
                for event in self.asked(command):
                    found += [event.actor] if isinstance(event, e.ActorSpawned) else []
        return multiple(*found)

    @rule(actor=LedgerMachine.actors, read=st.integers(0, 40_000), said=st.integers(0, 9_000))
    def spend(self, actor: ActorId, read: int, said: int) -> None:
        """A whole turn, within its bound or beyond it."""
        live = self.world.run.actors.get(actor)
        if live is not None and live.call is None:
            self.asked(self.world.admitting(actor, 100))
        if live is not None and live.call is not None:
            self.asked(self.world.answering(actor, Usage(read, said)))


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [LedgerMachine, TreeMachine])
def test_the_ledger_holds_through_long_lives(machine: type[LedgerMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=150, stateful_step_count=60, deadline=None)
    )


def test_a_cost_passes_up_to_every_envelope_above() -> None:
    run = Run()
    ledger.carve(run, ROOT, None, 1_000)
    ledger.carve(run, ActorId("root/S1"), ROOT, 400)
    ledger.carve(run, ActorId("root/S1/W1"), ActorId("root/S1"), 100)
    ledger.spend(run, ActorId("root/S1/W1"), 70)
    assert [each.spent for each in run.envelopes.values()] == [70, 70, 70]
    assert [each.granted for each in run.envelopes.values()] == [330, 30, 0]
    assert run.spent == 70


def test_what_a_child_spends_past_its_envelope_comes_out_of_its_parents() -> None:
    run = Run()
    ledger.carve(run, ROOT, None, 1_000)
    ledger.carve(run, ActorId("root/W1"), ROOT, 100)
    ledger.spend(run, ActorId("root/W1"), 130)
    root, child = run.envelopes.values()
    assert (child.spent, child.excess) == (130, 30)
    assert (root.spent, root.granted, root.excess) == (130, 0, 0)
    assert ledger.free(root) == 870


def test_a_cost_past_the_limit_takes_the_report_slice_first() -> None:
    run = Run()
    ledger.carve(run, ROOT, None, 100)
    run.envelopes[ROOT].slice = 40
    ledger.spend(run, ROOT, 90)
    assert (run.envelopes[ROOT].slice, run.envelopes[ROOT].excess) == (10, 0)
    ledger.spend(run, ROOT, 30)
    assert (run.envelopes[ROOT].slice, run.envelopes[ROOT].excess) == (0, 20)


def test_nothing_is_free_in_an_envelope_that_is_overspent() -> None:
    assert ledger.free(Envelope(limit=10, spent=30, excess=20)) == 0


def test_a_hold_is_what_neither_spending_nor_reserving_has_eaten() -> None:
    world = World()
    actor = world.actor(world.spawn(max_turns=1))
    estimate = actor.estimate
    assert ledger.hold(actor) == estimate
    actor.spent = 100
    actor.call = Call(CallId("x"), UNIT, 50, 0, 0, False)
    assert ledger.hold(actor) == estimate - 150
    actor.spent = estimate
    assert ledger.hold(actor) == 0


def test_an_unknown_models_provider_is_taken_to_add_the_usual() -> None:
    assert ledger.overhead(Run(), "new") == estimates.OVERHEAD
    assert ledger.overhead(Run(overheads={"new": 9}), "new") == 9
