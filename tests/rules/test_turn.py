"""Turn: an answer counts once, its tools are open until they return, what is late is noted."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Usage
from leadhand.refusals import BudgetExceeded, Refused, TurnsExhausted, WoundDown
from tests.rules.world import World, intent, kinds


def result(call: str, content: str = "text", actor: str = ROOT) -> c.RecordToolResult:
    """A tool has returned."""
    return c.RecordToolResult(ActorId(actor), CallId(call), content)


# --- asking


def test_an_actor_has_one_call_at_a_time() -> None:
    world = World()
    world.admit(call="one")
    refusal = world.refused(world.admitting(call="two"), Refused)
    assert refusal.message == "the actor's earlier call is still open"
    assert refusal.next_step == "Wait for its answer."


def test_a_turn_begins_with_what_the_tools_gave() -> None:
    world = World()
    world.turn(intents=(intent("a"), intent("b")))
    command = c.AdmitCall(ROOT, CallId("next"), 10, (result("a"), result("b", "more")))
    assert kinds(world.do(command)) == ["ToolReturned", "ToolReturned", "CallAdmitted"]
    assert world.actor().tools == {}
    assert [each.content for each in world.of(e.ToolReturned)] == ["text", "more"]


def test_results_count_though_the_call_is_refused() -> None:
    world = World(lead=Settings(max_turns=1))
    world.turn(intents=(intent("a"),))
    refusal = world.refused(c.AdmitCall(ROOT, CallId("x"), 1, (result("a"),)), TurnsExhausted)
    assert kinds([*refusal.record]) == ["ToolReturned"]
    assert world.actor().tools == {}


def test_results_count_once_though_the_call_has_to_wait() -> None:
    world = World(budget_nanousd=80_000)
    world.turn(intents=(intent("a"),))
    world.admit(world.spawn(max_turns=1), new_bytes=50_000)
    command = c.AdmitCall(ROOT, CallId("x"), 6_500, (result("a"),), counted=0)
    assert kinds(world.do(command)) == ["ToolReturned", "CallDeferred"]
    assert world.do(command) == []


def test_the_result_of_a_tool_that_nobody_called_does_not_count() -> None:
    world = World()
    events = world.do(c.AdmitCall(ROOT, CallId("x"), 1, (result("ghost"),)))
    assert kinds(events) == ["CallAdmitted"]


def test_a_call_beyond_the_last_turn_is_refused() -> None:
    world = World(lead=Settings(max_turns=2))
    world.turn()
    world.turn()
    refusal = world.refused(world.admitting(), TurnsExhausted)
    assert refusal.code == "turns_exhausted"
    assert refusal.message == "max_turns reached: 2 turns"


def test_at_its_last_turn_an_actor_is_told_so() -> None:
    world = World(lead=Settings(max_turns=2))
    world.turn()
    assert world.of(e.MessageSent) == []
    assert world.admit().messages == (1,)
    assert world.of(e.MessageSent)[0].kind == "last_turn"


def test_at_the_reserve_line_of_its_last_turn_an_actor_is_told_both() -> None:
    world = World(lead=Settings(max_turns=1), budget_nanousd=7_000)
    admitted = world.admit()
    assert [each.kind for each in world.of(e.MessageSent)] == ["budget_low", "last_turn"]
    assert admitted.messages == (1, 2)


def test_a_lead_out_of_turns_and_time_still_has_its_last_call() -> None:
    world = World(lead=Settings(max_turns=1), lead_timeout_secs=60)
    world.turn()
    world.later(secs=60)
    world.perform()
    assert world.admit().final


def test_who_is_being_cancelled_makes_no_call() -> None:
    world = World()
    world.do(c.CancelActor(ROOT, "enough"))
    assert world.refused(world.admitting(), WoundDown).code == "winding_down"


def test_a_refusal_for_money_changes_nothing_but_what_came_before_it() -> None:
    world = World(budget_nanousd=100)
    world.refused(world.admitting(), BudgetExceeded)
    assert world.actor().winding == ""


# --- answers


def test_an_answer_opens_the_tools_that_it_calls() -> None:
    world = World()
    world.later(secs=3)
    world.turn(intents=(intent("a"), intent("b", "effects", "Write")))
    tools = world.actor().tools
    assert [(tool.tool, tool.effect, tool.since) for tool in tools.values()] == [
        ("Read", "reads", 3_000),
        ("Write", "effects", 3_000),
    ]


def test_an_answer_tells_what_its_actor_does_and_said() -> None:
    world = World()
    step = e.Intent(CallId("a"), "Read", "reads", "Read a.py " + "x" * 500)
    world.turn(words="Let me\nsee. " + "x" * 10_000, intents=(step,))
    actor = world.actor()
    assert actor.last_words.startswith("Let me see. xxx")
    assert len(actor.last_words) == 200
    assert actor.last_step.startswith("Read a.py")
    assert len(actor.last_step) <= 100


def test_an_answer_without_words_leaves_the_last_ones() -> None:
    world = World()
    world.turn(words="first")
    world.turn(words="")
    assert world.actor().last_words == "first"


def test_an_answer_is_kept_whole() -> None:
    world = World()
    world.admit()
    world.answer(words="w", usage=Usage(1, 2, 3, 4))
    recorded = world.of(e.TurnRecorded)[0]
    assert recorded.usage == Usage(1, 2, 3, 4)
    assert (recorded.answer, recorded.words, recorded.cost) == ("[]", "w", 10)


def test_an_answer_to_a_cancelled_actor_still_counts() -> None:
    world = World()
    world.admit()
    world.do(c.CancelActor(ROOT, "enough"))
    assert kinds(world.answer()) == ["TurnRecorded"]


def test_an_answer_after_its_call_was_cut_is_late() -> None:
    world = World()
    world.admit()
    late = world.answering(words="late", intents=(intent("a"),))
    world.do(c.RecordCrash(ROOT, "gone"))
    assert kinds(world.do(late)) == ["TurnLate"]
    assert world.actor().tools == {}
    assert world.actor().last_words == ""


def test_an_answer_after_its_actor_settled_is_late() -> None:
    world = World()
    worker = world.spawn()
    world.admit(worker)
    late = world.answering(worker)
    world.exit(worker, "failed")
    assert kinds(world.do(late)) == ["TurnLate"]
    assert world.record(worker).turns == 0


def test_an_answer_to_an_earlier_call_is_late() -> None:
    world = World()
    world.admit(call="one")
    late = world.answering()
    world.do(c.RecordCut(ROOT, CallId("one"), "overloaded"))
    world.admit(call="two")
    assert kinds(world.do(late)) == ["TurnLate"]
    assert world.actor().call is not None


# --- cuts


def test_a_cut_of_a_call_that_is_not_open_changes_nothing() -> None:
    world = World()
    call = world.admit().call
    world.do(c.RecordCut(ROOT, call, "overloaded"))
    assert world.do(c.RecordCut(ROOT, call, "overloaded")) == []
    assert world.do(c.RecordCut(ActorId("root/W9"), call, "who")) == []


def test_why_a_call_was_cut_is_kept_short() -> None:
    world = World()
    call = world.admit().call
    world.do(c.RecordCut(ROOT, call, "no\nroute " * 1_000))
    assert len(world.of(e.CallCut)[0].why) <= 500


def test_a_cut_takes_no_turn() -> None:
    world = World()
    world.do(c.RecordCut(ROOT, world.admit().call, "overloaded"))
    assert world.actor().turns == 0


# --- tools


def test_a_tool_returns_once() -> None:
    world = World()
    world.turn(intents=(intent("a"),))
    assert kinds(world.do(result("a"))) == ["ToolReturned"]
    assert kinds(world.do(result("a"))) == ["ToolLate"]


@pytest.mark.parametrize("actor", [ROOT, "root/W1", "root/W9"])
def test_a_tool_that_nobody_waits_for_is_late(actor: str) -> None:
    world = World()
    world.settled()
    assert kinds(world.do(result("ghost", actor=actor))) == ["ToolLate"]


def test_a_tool_of_an_earlier_turn_is_late() -> None:
    world = World()
    world.turn(intents=(intent("a"),))
    world.turn()
    assert kinds(world.do(result("a"))) == ["ToolLate"]


def test_that_a_tool_failed_is_kept() -> None:
    world = World()
    world.turn(intents=(intent("a"),))
    world.do(c.RecordToolResult(ROOT, CallId("a"), "no such file", is_error=True))
    assert world.of(e.ToolReturned)[0].is_error
