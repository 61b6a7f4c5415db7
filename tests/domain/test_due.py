"""Due: what is done is not due, what is touched is looked at, what time changes has a timer."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.due import affected, due, timers
from leadhand.domain.ids import ROOT, ActorId
from leadhand.refusals import Refused
from tests.domain.lives import Life
from tests.rules.world import World

seeds = st.integers(0, 2**32)


def submitted(effects: list[fx.Effect]) -> list[fx.Effect]:
    """Those effects that ask something of the run."""
    return [effect for effect in effects if isinstance(effect, fx.Submit)]


@settings(max_examples=40)
@given(seeds, st.booleans())
def test_what_is_done_is_not_due(seed: int, alive: bool) -> None:
    world = Life(seed).go(40).world
    ids = [*world.run.actors] if alive else []
    assert world.due(ids) == world.due(ids)
    world.perform([each for each in ids if each in world.run.actors])
    assert submitted(world.due([each for each in ids if each in world.run.actors])) == []


@settings(max_examples=40)
@given(seeds, st.integers(0, 4_000_000))
def test_what_time_alone_makes_due_has_a_timer(seed: int, ms: int) -> None:
    world = Life(seed).go(40).world
    alive = [*world.run.actors]
    began, before, instants = world.run_ms, world.due(alive), world.timers()
    world.later(ms=ms)
    fresh = [effect for effect in world.due(alive) if effect not in before]
    if fresh:
        assert any(began < instant <= world.run_ms for instant in instants), fresh
    launches = [each for each in world.due([]) if isinstance(each, fx.Launch)]
    world.run_ms = began
    earlier = world.due([])
    if any(each not in earlier for each in launches):
        assert any(began < instant <= began + ms for instant in instants)


@settings(max_examples=40)
@given(seeds)
def test_between_two_timers_nothing_falls_due(seed: int) -> None:
    world = Life(seed).go(40).world
    alive = [*world.run.actors]
    coming = [instant for instant in world.timers() if instant > world.run_ms]
    before = world.due(alive)
    world.run_ms = (min(coming) if coming else world.run_ms + 10**9) - 1
    assert world.due(alive) == before


class Sessions:
    """What a conductor does, as far as it decides whom to look at."""

    def __init__(self, life: Life) -> None:
        self.life, self.world = life, life.world
        self.alive: set[ActorId] = set()
        self.frozen: set[ActorId] = set()
        self.touched: set[ActorId] = set(self.world.run.actors)
        self.seen = 0
        self.fired = self.world.run_ms

    def look(self) -> list[fx.Effect]:
        """What is due of those that something has touched, which must be all that is due."""
        for event, _ in self.world.log[self.seen :]:
            if event.actor:
                self.touched |= set(affected(self.world.run, event.actor))
            if isinstance(event, e.RunOwned) and event.acts and self.frozen:
                # What was frozen died with its owner, whose successor looks at everything.
                self.frozen.clear()
                self.alive.clear()
                self.touched |= set(self.world.run.actors)
        self.seen = len(self.world.log)
        now = self.world.now
        for actor in self.world.run.actors:
            if any(self.fired < at <= now.run_ms for at in timers(self.world.run, actor)):
                self.touched.add(actor)
        self.fired = now.run_ms
        found = due(self.world.run, self.alive, now, self.touched, self.frozen)
        everything = due(self.world.run, self.alive, now, None, self.frozen)
        assert sorted(map(repr, found)) == sorted(map(repr, everything))
        self.touched = set()
        return found

    def perform(self, effects: list[fx.Effect]) -> None:
        """Do it, some of it late."""
        for effect in effects:
            match effect:
                case fx.Launch(actor):
                    self.alive.add(actor)
                case fx.Stop(actor):
                    self.alive.discard(actor)
                    self.touched.add(actor)
                case fx.Freeze(actor):
                    assert actor not in self.frozen
                    self.frozen.add(actor)
                case fx.Thaw(actor):
                    self.frozen.remove(actor)
                case fx.Submit(command):
                    with suppress(Refused):
                        self.world.do(command)
                case fx.Suspend():
                    self.alive.clear()
                    self.frozen.clear()
                    self.world.do(c.OwnRun(self.world.run.epoch + 1, "next"))
                    self.touched = set(self.world.run.actors)

    def settled(self) -> None:
        """The sessions of settled actors are over."""
        gone = {actor for actor in self.alive if actor not in self.world.run.actors}
        self.alive -= gone
        self.touched |= gone


@settings(max_examples=40)
@given(seeds)
def test_who_is_touched_is_all_that_needs_a_look(seed: int) -> None:
    life = Life(seed)
    sessions = Sessions(life)
    for _ in range(60):
        if life.dice.random() < 0.2:
            life.world.later(ms=life.dice.choice([1, 900, 30_000, 100_000]))
        else:
            life.ask(life.command())
        for rounds in range(31):
            effects = sessions.look()
            if not effects:
                break
            assert rounds < 30, f"what is due stays due: {effects}"
            sessions.perform(effects)
            sessions.settled()


def test_nothing_is_due_of_somebody_nobody_knows() -> None:
    world = World()
    assert due(world.run, [ROOT], world.now, [ActorId("root/W9"), ActorId("")]) == []


def test_nothing_but_letting_go_is_due_when_a_drain_is_over() -> None:
    world = World(grace_secs=5, lead_timeout_secs=5)
    world.spawn()
    world.do(c.DrainRun())
    world.later(secs=5)
    assert world.due([]) == [fx.Suspend()]


def test_an_event_concerns_its_actor_its_parent_and_who_a_lead_leaves_behind() -> None:
    world = World()
    first, second = world.spawn(), world.spawn()
    assert set(affected(world.run, first)) == {first, ROOT}
    assert set(affected(world.run, ROOT)) == {ROOT}
    world.exit(outcome="failed")
    assert set(affected(world.run, ROOT)) == {ROOT, first, second}
    assert set(affected(world.run, ActorId("root/W9"))) == {"root/W9"}
