"""Outside: calls of sessions outside this process, and callers that are turned away."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.rules.outside import DENIALS_MAX
from leadhand.refusals import Paused, Settled
from tests.rules.world import World, kinds

CALL = CallId("a")
READ = c.BeginTool(ROOT, e.Intent(CALL, "Read", "reads", "Read a.md"))


def test_a_call_is_open_until_it_returns() -> None:
    world = World()
    assert kinds(world.later(secs=5).do(READ)) == ["ToolBegun"]
    lead = world.run.live(ROOT)
    assert (lead.tools[CALL].tool, lead.tools[CALL].since) == ("Read", 5_000)
    assert lead.started_at == 5_000
    assert kinds(world.do(c.RecordToolResult(ROOT, CALL, "text"))) == ["ToolReturned"]
    assert world.run.live(ROOT).tools == {}


def test_a_call_that_comes_again_while_it_is_open_begins_nothing() -> None:
    world = World()
    world.do(READ)
    assert world.do(READ) == []


@pytest.mark.parametrize("mode", ["cancel", "freeze"])
def test_a_paused_actor_calls_nothing(mode: str) -> None:
    world = World()
    world.do(c.PauseActor(ROOT, mode, "look"))  # type: ignore[arg-type]
    world.refused(READ, Paused)


def test_an_actor_that_ends_or_has_settled_calls_nothing() -> None:
    world = World()
    worker = world.spawn()
    begin = c.BeginTool(worker, READ.intent)
    world.do(c.CancelActor(worker, "enough"))
    world.refused(begin, Settled)
    world.do(c.RecordExit(worker, "stopped"))
    world.refused(begin, Settled)


def test_mail_goes_out_once() -> None:
    world = World()
    world.do(c.SendMessage(ROOT, "look here"))
    number = world.run.live(ROOT).mail[0].number
    assert kinds(world.do(c.DeliverMail(ROOT, (number, 99)))) == ["MailDelivered"]
    assert world.run.live(ROOT).mail == []
    assert world.do(c.DeliverMail(ROOT, (number,))) == []
    assert world.do(c.DeliverMail(ActorId("root/W9"), (1,))) == []


def test_who_is_turned_away_is_recorded_as_often_as_the_log_can_bear() -> None:
    world = World()
    denial = c.RecordDenial(ActorId(""), "spawn_worker", "its token is nobody's\nand long" * 99)
    (event,) = world.do(denial)
    assert isinstance(event, e.CallerDenied)
    assert "\n" not in event.why
    for _ in range(DENIALS_MAX - 1):
        assert world.do(denial)
    assert world.do(denial) == []
    assert world.run.denials == DENIALS_MAX
