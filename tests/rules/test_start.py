"""Start: what a session's process waits for is in the log, and explained."""

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId
from tests.rules.world import World, kinds


def test_a_start_says_what_it_waits_for_until_it_does_no_more() -> None:
    world = World()
    assert kinds(world.do(c.RecordStartHeld(ROOT, "memory: 3 MB are free", 9_000))) == ["StartHeld"]
    found = world.actor()
    assert (found.held, found.held_until) == ("memory: 3 MB are free", 9_000)
    since = found.held_since
    world.do(c.RecordStartHeld(ROOT, "its turn to start", 9_000))
    assert (world.actor().held, world.actor().held_since) == ("its turn to start", since)
    assert kinds(world.do(c.RecordStartHeld(ROOT))) == ["StartHeld"]
    assert world.actor().held == ""


def test_a_start_that_waited_for_nothing_is_not_worth_an_event() -> None:
    world = World()
    assert world.do(c.RecordStartHeld(ROOT)) == []
    assert world.do(c.RecordStartHeld(ActorId("root/W9"), "memory")) == []
