from collections import defaultdict
from contextlib import suppress

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.rules import lease as leases
from leadhand.domain.rules import wait
from leadhand.domain.state import Lease
from leadhand.refusals import InvalidArguments, LeaseHeld, NotHolder, Refused, Settled, StoreFull
from tests.rules.world import World, intent

KEY = "root|x"


def asking(
    world: World, actor: str, *, ttl: int = 60, wait: int = 0, call: str = "", name: str = "x",
    run_wide: bool = False,
) -> c.AcquireLease:  # fmt: skip
    known = CallId(call) if call else world.call_id()
    return c.AcquireLease(ActorId(actor), known, name, ttl, wait, run_wide)


def releasing(world: World, actor: str, call: str = "", name: str = "x") -> c.ReleaseLease:
    return c.ReleaseLease(ActorId(actor), CallId(call) if call else world.call_id(), name)


def a_team(size: int = 3) -> tuple[World, list[ActorId]]:
    world = World(max_workers=10)
    return world, [world.spawn() for _ in range(size)]


def held(world: World, key: str = KEY) -> Lease:
    return world.run.leases[key]


# Asking


def test_a_free_lease_is_granted_with_a_fence_until_its_time_is_up() -> None:
    world, [one, *_] = a_team()
    [granted] = world.do(asking(world, one, ttl=60, call="t1"))
    assert granted == e.LeaseGranted(one, CallId("t1"), KEY, fence=1, until=60_000)
    assert [*world.actor(one).leases] == [KEY]


def test_a_held_lease_is_refused_to_others_and_the_refusal_names_the_holder() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    refusal = world.refused(asking(world, two), LeaseHeld)
    assert refusal.message == "x is held by root/W1"


def test_the_holder_that_asks_again_keeps_its_fence_for_longer() -> None:
    world, [one, *_] = a_team()
    world.do(asking(world, one, ttl=60))
    world.later(secs=50)
    [renewed] = world.do(asking(world, one, ttl=60, call="t2"))
    assert renewed == e.LeaseRenewed(one, CallId("t2"), KEY, fence=1, until=110_000)
    world.later(secs=30)
    world.perform()
    assert held(world).holder == one


def test_the_same_call_asks_once() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one, call="t1"))
    assert world.do(asking(world, one, call="t1")) == []
    world.do(asking(world, two, call="t2", wait=10))
    assert world.do(asking(world, two, call="t2", wait=10)) == []


def test_a_lease_of_the_run_is_another_than_that_of_the_layer() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, run_wide=True))
    refusal = world.refused(asking(world, one, run_wide=True), LeaseHeld)
    assert refusal.message == "x (of the whole run) is held by root/W2"


def test_an_actor_holds_at_most_a_hundred_leases_and_waits_for_no_more() -> None:
    world, [one, two, _] = a_team()
    for number in range(leases.HELD_MAX - 1):
        world.do(asking(world, one, name=f"n{number}"))
    world.do(asking(world, two))
    world.do(asking(world, one, wait=10))
    refusal = world.refused(asking(world, one, name="more"), StoreFull)
    assert refusal.message == "you hold or wait for 100 leases, the most"


def test_a_run_knows_the_fences_of_ten_thousand_names_and_no_more() -> None:
    world = World()
    for number in range(leases.NAMES_MAX):
        world.run.leases[f"root|n{number}"] = Lease(fence=1)
    refusal = world.refused(asking(world, ROOT, name="more"), StoreFull)
    assert "10000 names" in refusal.message
    [granted] = world.do(asking(world, ROOT, name="n7"))
    assert isinstance(granted, e.LeaseGranted)
    assert granted.fence == 2


def test_a_settled_actor_asks_for_nothing() -> None:
    world = World()
    worker = world.settled()
    world.refused(asking(world, worker), Settled)
    world.refused(releasing(world, worker), Settled)


# Waiting


def test_who_waits_gets_it_in_the_order_of_asking() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one))
    for each in (three, two):
        world.do(asking(world, each, wait=100))
    world.do(releasing(world, one))
    # Nobody who comes now goes before those who wait.
    refusal = world.refused(asking(world, one), LeaseHeld)
    assert refusal.message == "x is held by root/W3"
    world.perform()
    assert (held(world).holder, held(world).fence) == (three, 2)
    world.do(releasing(world, three))
    world.perform()
    assert (held(world).holder, held(world).fence) == (two, 3)
    assert world.due() == []


def test_a_wait_for_a_lease_is_over_when_it_is_granted() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    [opened] = world.do(asking(world, two, wait=100, call="t2"))
    assert isinstance(opened, e.WaitOpened)
    waiting = world.actor(two).waits[CallId("t2")]
    assert wait.over(world.run, world.actor(two), waiting, world.now) == ""
    world.do(releasing(world, one))
    world.perform()
    assert wait.over(world.run, world.actor(two), waiting, world.now) == "settled"


def test_one_whose_wait_is_over_is_passed_by() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one, ttl=60))
    world.do(asking(world, two, wait=10))
    world.do(asking(world, three, wait=100))
    world.later(secs=60)
    world.perform()
    assert held(world).holder == three
    assert not held(world).queue


def halted(world: World, actor: ActorId) -> None:
    """The actor is paused, and its session is stopped."""
    world.do(c.PauseActor(actor))
    world.do(c.RecordHalted(actor))


def test_one_that_is_paused_is_passed_by_and_keeps_its_place_and_its_time() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, wait=100, call="t2"))
    world.do(asking(world, three, wait=100))
    halted(world, two)
    world.later(secs=10).do(releasing(world, one))
    world.perform()
    assert held(world).holder == three
    world.later(secs=200).do(asking(world, one, wait=1))
    world.perform()
    assert held(world).holder == one
    world.do(c.ContinueActor(two))
    world.do(releasing(world, one))
    world.later(secs=99)
    world.perform()
    assert held(world).holder == two


def test_a_free_lease_for_which_only_paused_ones_wait_is_for_who_asks() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, wait=100, call="t2"))
    halted(world, two)
    world.do(releasing(world, one))
    assert world.perform() == []
    assert world.run.vacant == {}
    [granted] = world.do(asking(world, three))
    assert isinstance(granted, e.LeaseGranted)
    world.do(releasing(world, three))
    world.do(c.ContinueActor(two))
    assert [*world.run.vacant] == [KEY]


def test_a_reprompted_one_leaves_the_queue() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    world.turn(two, intents=(intent("t2"),))
    world.do(asking(world, two, wait=100, call="t2"))
    world.do(c.RepromptActor(two, "Otherwise."))
    world.do(c.RecordHalted(two))
    assert held(world).queue == {}
    assert world.actor(two).waits == {}


def test_one_that_leaves_the_queue_is_granted_nothing_later() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, wait=100, call="t2"))
    assert world.do(c.LeaveLease(two, CallId("t2"))) == [
        e.LeaseLeft(two, call=CallId("t2"), lease=KEY)
    ]
    assert world.do(c.LeaveLease(two, CallId("t2"))) == []
    world.do(releasing(world, one))
    assert world.perform() == []
    assert held(world).holder == ""


def test_one_whose_call_was_closed_leaves_the_queue() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    world.turn(two, intents=(intent("t2", "keyed", "lease_acquire"),))
    world.do(asking(world, two, wait=100, call="t2"))
    world.do(c.RecordToolResult(two, CallId("t2"), "interrupted"))
    assert not held(world).queue


def test_one_that_is_being_ended_is_passed_by() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, wait=100))
    world.do(asking(world, three, wait=100))
    world.do(c.CancelActor(two, "enough"))
    world.do(releasing(world, one))
    world.perform()
    assert held(world).holder == three


def test_a_second_call_of_one_that_waits_is_refused() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, wait=100))
    world.refused(asking(world, two, wait=100), InvalidArguments)


def test_a_grant_that_expired_before_anybody_could_be_told_is_asked_for_anew() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, two, wait=100, ttl=5, call="t2"))
    world.do(releasing(world, one))
    world.perform()
    world.later(secs=6)
    world.perform()
    [granted] = world.do(asking(world, two, wait=100, ttl=5, call="t2"))
    assert isinstance(granted, e.LeaseGranted)
    assert granted.fence == 3
    world.do(releasing(world, two))
    world.later(secs=100)
    assert world.do(asking(world, two, wait=100, ttl=5, call="t2")) == []


# Getting free


def test_a_lease_is_free_when_its_holder_settles_however_it_does() -> None:
    for outcome in ("completed", "failed", "stopped"):
        world, [one, two, _] = a_team()
        world.do(asking(world, one))
        world.do(asking(world, two, wait=100))
        world.turn(one)
        world.exit(one, outcome)
        world.perform()
        assert held(world).holder == two


def test_a_lease_is_free_when_its_time_is_up() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one, ttl=60))
    assert 60_000 in world.timers()
    world.later(ms=59_999)
    assert world.due() == []
    world.later(ms=1)
    world.perform()
    assert held(world).holder == ""
    world.do(asking(world, two))
    assert held(world).fence == 2


def test_an_expired_lease_goes_to_who_asks_before_the_timer_has_run() -> None:
    world, [one, two, _] = a_team()
    world.do(asking(world, one, ttl=60))
    world.later(secs=61)
    events = world.do(asking(world, two, ttl=60, call="t2"))
    assert events == [
        e.LeaseExpired(one, lease=KEY, fence=1),
        e.LeaseGranted(two, CallId("t2"), KEY, fence=2, until=121_000),
    ]


def test_a_late_release_is_told_that_it_expired_and_who_has_it() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one, ttl=60))
    world.later(secs=61)
    world.do(asking(world, two))
    assert world.refused(releasing(world, one), NotHolder).message == (
        "your lease of x has expired; root/W2 holds it now"
    )
    assert world.refused(releasing(world, three), NotHolder).message == (
        "you do not hold x; root/W2 does"
    )


def test_a_release_after_its_time_that_nobody_has_noticed_frees_and_tells() -> None:
    world, [one, *_] = a_team()
    world.do(asking(world, one, ttl=60))
    world.later(secs=61)
    refusal = world.refused(releasing(world, one), NotHolder)
    assert refusal.message == "your lease of x has expired; nobody holds it now"
    assert held(world).holder == ""


def test_a_release_that_is_repeated_after_a_crash_is_no_error() -> None:
    world, [one, two, _] = a_team()
    world.turn(one, intents=(intent("t2"),))
    world.do(asking(world, one))
    world.do(releasing(world, one, call="t2"))
    world.do(asking(world, two))
    assert world.do(releasing(world, one, call="t2")) == []
    assert held(world).holder == two


@pytest.mark.parametrize("name", ["never", "x"])
def test_what_nobody_holds_cannot_be_released(name: str) -> None:
    world, [one, *_] = a_team()
    world.do(asking(world, one))
    world.do(releasing(world, one))
    assert world.refused(releasing(world, one, name=name), NotHolder).message == (
        f"you do not hold {name}; nobody does"
    )


def test_leases_queues_and_fences_come_back_from_the_log() -> None:
    world, [one, two, three] = a_team()
    world.do(asking(world, one))
    world.do(asking(world, three, wait=100))
    world.do(asking(world, two, wait=100))
    again = world.refolded()
    assert again.leases == world.run.leases
    assert [*again.leases[KEY].queue] == [three, two]


# Any order of anything

ACTORS = [ActorId(f"root/W{number}") for number in range(1, 5)]
NAMES = ["a", "b"]
who = st.sampled_from(ACTORS)
what = st.sampled_from(NAMES)


class AnyOrder(RuleBasedStateMachine):
    """Actors that ask, wait, release, leave, settle and are granted, at any time, in any order.

    `first` is the naive list of who asked first, against which every grant is held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World(max_workers=10, max_total_spawns=100)
        for _ in ACTORS:
            self.world.spawn()
        self.first: dict[str, list[ActorId]] = defaultdict(list)
        self.ends: dict[str, int] = {}
        self.seen = len(self.world.log)

    def live(self) -> list[ActorId]:
        return [each for each in ACTORS if each in self.world.run.actors]

    def ask(self, command: c.Command) -> None:
        with suppress(Refused):
            self.world.do(command)
        self.look()

    def look(self) -> None:
        """Hold what has happened since against the naive lists."""
        for event, at in self.world.log[self.seen :]:
            match event:
                case e.WaitOpened():
                    self.first[event.lease].append(event.actor)
                case e.LeaseLeft():
                    self.first[event.lease].remove(event.actor)
                case e.ToolReturned() | e.ActorSettled():
                    pass
                case e.LeaseGranted():
                    waiting = self.first[event.lease]
                    if waiting:
                        assert waiting.pop(0) == event.actor, f"{event} goes before {waiting}"
                    self.ends[event.lease] = event.until
                case e.LeaseRenewed():
                    self.ends[event.lease] = event.until
                case e.LeaseExpired():
                    assert at.now.run_ms >= self.ends[event.lease], "expired before its time"
        self.seen = len(self.world.log)

    @rule(actor=who, name=what, ttl=st.integers(1, 20), secs=st.sampled_from([0, 5, 50]))
    def acquire(self, actor: ActorId, name: str, ttl: int, secs: int) -> None:
        self.ask(asking(self.world, actor, name=name, ttl=ttl, wait=secs))

    @rule(actor=who, name=what)
    def release(self, actor: ActorId, name: str) -> None:
        self.ask(releasing(self.world, actor, name=name))

    @rule(actor=who)
    def leave(self, actor: ActorId) -> None:
        one = self.world.run.actors.get(actor)
        for call in [*one.waits] if one else []:
            self.ask(c.LeaveLease(actor, call))

    @rule(ms=st.sampled_from([1, 900, 5_000, 30_000]))
    def time_passes(self, ms: int) -> None:
        self.world.later(ms=ms)

    @rule(name=what)
    def grant(self, name: str) -> None:
        self.ask(c.GrantLease(f"root|{name}"))

    @rule(name=what)
    def expire(self, name: str) -> None:
        self.ask(c.ExpireLease(f"root|{name}"))

    @rule()
    def perform(self) -> None:
        self.world.perform()
        self.look()

    @precondition(lambda self: len(self.live()) > 1)
    @rule(actor=who)
    def settle(self, actor: ActorId) -> None:
        if actor not in self.world.run.actors:
            return
        for waiting in self.first.values():
            if actor in waiting:
                waiting.remove(actor)
        self.world.exit(actor, "failed")
        self.look()

    @invariant()
    def nobody_holds_what_another_holds(self) -> None:
        holders: dict[str, list[ActorId]] = defaultdict(list)
        for each in self.world.run.actors.values():
            for key in each.leases:
                holders[key].append(each.id)
        assert all(len(each) == 1 for each in holders.values()), holders

    @invariant()
    def the_queues_are_in_the_order_of_asking(self) -> None:
        for key, lease in self.world.run.leases.items():
            assert [*lease.queue] == self.first[key]

    def teardown(self) -> None:
        intervals: dict[str, tuple[ActorId, int] | None] = {}
        fences: dict[str, int] = defaultdict(int)
        for event, _ in self.world.log:
            match event:
                case e.LeaseGranted():
                    assert intervals.get(event.lease) is None, f"two hold {event.lease}"
                    assert event.fence > fences[event.lease]
                    fences[event.lease] = event.fence
                    intervals[event.lease] = (event.actor, event.fence)
                case e.LeaseRenewed():
                    assert intervals[event.lease] == (event.actor, event.fence)
                case e.LeaseReleased() | e.LeaseExpired():
                    assert intervals[event.lease] == (event.actor, event.fence)
                    intervals[event.lease] = None
                case e.ActorSettled():
                    for key, holds in intervals.items():
                        if holds and holds[0] == event.actor:
                            intervals[key] = None
                case _:
                    pass
        # After all that, time alone brings everyone a turn or an end.
        for _ in range(20):
            self.world.later(secs=60)
            self.world.perform()
        assert not self.world.run.vacant
        assert not any(each.queue for each in self.world.run.leases.values())


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = pytest.mark.slow(TestAnyOrder)


def test_a_thousand_who_wait_are_granted_one_after_another() -> None:
    world = World(max_workers=2_000, max_total_spawns=2_000, budget_nanousd=10**12)
    run, now = world.run, world.now
    everyone = [ActorId(f"root/W{number}") for number in range(1, 1_001)]
    for number, actor in enumerate(everyone):
        spawned = e.ActorSpawned(actor, parent=ROOT, key=str(number), estimate=0)
        evolve(run, spawned, At(run.seq + 1, now))
    evolve(run, e.LeaseGranted(ROOT, CallId("r"), KEY, 1, 9_000), At(run.seq + 1, now))
    for actor in everyone:
        opened = e.WaitOpened(actor, CallId("t"), until=9_000, lease=KEY, ttl_secs=5)
        evolve(run, opened, At(run.seq + 1, now))
    found = []
    evolve(run, e.LeaseReleased(ROOT, CallId("r"), KEY, 1), At(run.seq + 1, now))
    while run.vacant:
        [granted] = leases.grant(run, c.GrantLease(KEY), now)
        assert isinstance(granted, e.LeaseGranted)
        evolve(run, granted, At(run.seq + 1, now))
        found.append(granted.actor)
        freed = e.LeaseReleased(granted.actor, CallId("r"), KEY, granted.fence)
        evolve(run, freed, At(run.seq + 1, now))
    assert found == everyone
