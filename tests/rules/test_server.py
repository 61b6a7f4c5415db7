"""Server: which MCP servers are there is kept, each time that it changes."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.rules.server import LEFT_OUT_MAX
from tests.rules.world import World, kinds


def test_what_a_server_has_is_recorded_once() -> None:
    world = World()
    found = c.RecordServer("tickets", ("mcp__tickets__list",), ("drop: its schema is none",))
    (event,) = world.do(found)
    assert isinstance(event, e.ServerAsked)
    assert (event.tools, event.left_out) == (found.tools, found.left_out)
    assert world.do(found) == []
    assert world.run.servers == {"tickets": ""}


def test_a_server_that_goes_and_comes_is_recorded_each_time() -> None:
    world = World()
    gone = c.RecordServer("tickets", trouble="it is gone")
    assert kinds(world.do(gone)) == ["ServerAsked"]
    assert world.run.servers == {"tickets": "it is gone"}
    assert world.do(gone) == []
    assert kinds(world.do(c.RecordServer("tickets"))) == ["ServerAsked"]
    assert kinds(world.do(gone)) == ["ServerAsked"]


def test_the_words_of_a_server_do_not_fill_the_log() -> None:
    world = World()
    long = c.RecordServer("a", ("x",) * 999, ("why\n" * 999,) * 999, "trouble\n" * 999)
    (event,) = world.do(long)
    assert isinstance(event, e.ServerAsked)
    assert (len(event.tools), len(event.left_out)) == (128, LEFT_OUT_MAX)
    assert max(map(len, event.left_out)) <= 200
    assert len(event.trouble) <= 500
    assert "\n" not in event.trouble
