"""Message: what waits is counted, kept in order, and handed over by one admission."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.rules import message
from tests.rules.world import World


def test_messages_are_numbered_by_the_actor_that_gets_them() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.WarnActor(ROOT))
    world.do(c.DrainRun())
    numbers = [(event.actor, event.number) for event in world.of(e.MessageSent)]
    assert numbers == [(ROOT, 1), (ROOT, 2), (worker, 1)]


def test_no_number_is_given_twice() -> None:
    world = World(lead_timeout_secs=60)
    world.turn()
    for command in (c.WarnActor(ROOT), c.DrainRun(), c.ExpireActor(ROOT)):
        world.do(command)
    assert [event.number for event in world.of(e.MessageSent)] == [1, 2, 3]
    assert world.actor().message_count == 3


def test_messages_wait_in_the_order_they_came() -> None:
    world = World()
    world.do(c.WarnActor(ROOT))
    world.do(c.DrainRun())
    assert world.mail() == ["time_near", "draining"]
    assert world.admit().messages == (1, 2)


def test_a_message_that_comes_after_an_admission_waits_for_the_next() -> None:
    world = World()
    world.do(c.WarnActor(ROOT))
    world.admit()
    world.do(c.DrainRun())
    assert world.mail() == ["draining"]
    world.answer()
    assert world.admit().messages == (2,)


def test_a_message_was_delivered_though_its_call_gave_no_answer() -> None:
    world = World()
    world.do(c.WarnActor(ROOT))
    call = world.admit().call
    world.do(c.RecordCut(ROOT, call, "overloaded", billed=False))
    assert world.admit().messages == ()


def test_the_runtimes_own_messages_are_signed() -> None:
    world = World()
    world.do(c.DrainRun())
    assert [each.sender for each in world.actor().mail] == ["leadhand"]


def test_no_number_is_used_again_by_the_next_stint() -> None:
    world = World()
    world.do(c.DrainRun())
    world.turn()
    world.exit(outcome="failed")
    world.perform()
    world.do(c.OwnRun(2, "next"))
    world.do(c.ReopenRun())
    assert [each.number for each in world.actor().mail] == [2]


def test_only_what_was_sent_or_asks_for_more_keeps_an_actor_from_ending() -> None:
    world = World()
    world.do(c.DrainRun())
    assert not message.asks_more(world.actor())
    world.do(c.SendMessage(ROOT, "hello"))
    assert message.asks_more(world.actor())
    assert message.sent_more(world.actor())
