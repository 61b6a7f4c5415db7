"""Steer: who may be paused, continued, interrupted and told, once, and what it costs."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Agent, Settings
from leadhand.domain.rules import message
from leadhand.refusals import (
    BudgetExceeded,
    Draining,
    InvalidArguments,
    MailboxFull,
    MaxWorkersExceeded,
    NotPaused,
    Paused,
    Settled,
    ToolNotAllowed,
    TurnsExhausted,
    UnknownActor,
    WoundDown,
)
from tests.rules.world import World, intent, kinds

NOBODY = ActorId("root/W9")


def two() -> tuple[World, ActorId, ActorId]:
    """A lead with two workers."""
    world = World()
    return world, world.spawn(), world.spawn()


# --- pause


def test_a_pause_is_of_one_actor_or_of_all_below_it() -> None:
    world, one, other = two()
    world.do(c.PauseActor(ROOT))
    assert [event.actor for event in world.of(e.ActorPaused)] == [ROOT]
    world.do(c.PauseActor(ROOT, subtree=True))
    assert [event.actor for event in world.of(e.ActorPaused)] == [ROOT, other, one]


def test_who_is_paused_already_stays_so() -> None:
    world, one, _ = two()
    world.do(c.PauseActor(one, reason="first"))
    assert world.do(c.PauseActor(one, reason="again")) == []
    refusal = world.refused(c.PauseActor(one, "freeze"), Paused)
    assert refusal.message == (
        "root/W1 is paused already: its session is stopped, so there is nothing to freeze"
    )
    assert world.do(c.PauseActor(ROOT, "freeze", subtree=True)) != []


@pytest.mark.parametrize(
    "command",
    [c.PauseActor(NOBODY), c.ContinueActor(NOBODY), c.SendMessage(NOBODY, "hello")],
    ids=lambda command: type(command).__name__,
)
def test_nobody_is_steered_who_is_not_there(command: c.Command) -> None:
    assert NOBODY in world_of_one().refused(command, UnknownActor).message


def world_of_one() -> World:
    """A lead with a worker."""
    world = World()
    world.spawn()
    return world


def test_who_is_ending_or_settled_is_neither_paused_nor_told() -> None:
    world, one, other = two()
    world.do(c.CancelActor(one, "enough"))
    world.turn(other)
    world.exit(other)
    for kind, actor in ((WoundDown, one), (Settled, other)):
        world.refused(c.PauseActor(actor), kind)
        world.refused(c.SendMessage(actor, "hello"), kind)
        world.refused(c.RepromptActor(actor, "hello"), kind)
    assert "continue_worker" in world.refused(c.PauseActor(other), Settled).next_step


def test_all_is_paused_that_is_left_when_the_lead_has_settled() -> None:
    world, one, other = two()
    world.turn()
    world.exit(outcome="failed")
    world.do(c.PauseActor(ROOT, subtree=True))
    assert [event.actor for event in world.of(e.ActorPaused)] == [other, one]


def test_a_spawn_that_was_under_way_does_not_start_a_worker_in_a_paused_run() -> None:
    world = World()
    world.do(c.PauseActor(ROOT, "freeze", subtree=True))
    assert world.refused(world.spawning("late"), Paused).next_step == "Call again."
    world.do(c.ContinueActor(ROOT))
    assert world.spawn("late") == "root/W1"


# --- continue


def test_a_continue_that_was_under_way_does_not_start_a_stint_in_a_paused_run() -> None:
    world, one, _ = two()
    world.exit(one)
    world.do(c.PauseActor(ROOT))
    world.refused(c.ContinueActor(one, by=ROOT, call=CallId("c1")), Paused)
    assert kinds(world.do(c.ContinueActor(one)))[0] == "ActorContinued"


def test_who_is_not_paused_is_not_continued() -> None:
    world, one, _ = two()
    assert "reprompt" in world.refused(c.ContinueActor(one), NotPaused).next_step
    world.refused(c.ContinueActor(ROOT, subtree=True), NotPaused)


def test_a_paused_actor_goes_on_with_what_it_is_told() -> None:
    world, one, _ = two()
    world.do(c.PauseActor(one))
    world.perform([ROOT, "root/W2"])
    world.do(c.ContinueActor(one, "mind the gap"))
    (mail,) = world.actor(one).mail
    assert (mail.sender, mail.kind, mail.text) == ("operator", "message", "mind the gap")
    assert world.due([ROOT, "root/W2"]) == [fx.Launch(one)]
    assert world.admit(one).messages == (1,)


def test_all_of_a_subtree_go_on_and_its_top_is_told() -> None:
    world, one, other = two()
    world.do(c.PauseActor(ROOT, subtree=True))
    world.do(c.ContinueActor(ROOT, "go on", subtree=True))
    assert [event.actor for event in world.of(e.ActorUnpaused)] == [other, one, ROOT]
    assert [event.actor for event in world.of(e.MessageSent)] == [ROOT]


def test_a_settled_worker_goes_on_with_all_that_it_had() -> None:
    agents = {"helper": Agent("helps", Settings(system="long", env={"A": "b"}, max_turns=5))}
    world = World(agents=agents, lead_timeout_secs=10_000)
    worker = world.settled(agent="helper", directory="/w", timeout_secs=60)
    before = world.record(worker)
    events = world.do(c.ContinueActor(worker, "and now the other half"))
    assert kinds(events) == ["ActorContinued", "MessageSent"]
    again = world.actor(worker)
    assert (again.stint, again.turns, again.turns_max) == (2, 1, 6)
    assert (again.spent, again.directory, again.timeout_ms) == (before.spent, "/w", 60_000)
    assert (again.settings.system, again.settings.env) == (None, None)
    assert world.due([ROOT]) == [fx.Launch(worker)]
    assert world.run.spawned_total == 1
    assert world.admit(worker).messages == (1,)
    world.answer(worker)
    world.exit(worker, final="whole")
    assert (world.record(worker).stint, world.record(worker).preview) == (2, "whole")
    assert world.refolded() == world.run


def test_a_further_stint_holds_its_estimate_anew_beside_what_is_spent() -> None:
    world = World()
    first = world.spawn()
    held = world.envelope().held
    world.turn(first)
    world.exit(first)
    assert world.envelope().held == 0
    world.do(c.ContinueActor(first))
    assert world.envelope().held == world.actor(first).estimate - world.actor(first).spent
    assert world.envelope().held > 0
    assert held > 0


def test_a_further_stint_has_an_envelope_of_its_own_again() -> None:
    world = World()
    worker = world.settled(budget_nanousd=10_000)
    assert worker not in world.run.envelopes
    world.do(c.ContinueActor(worker))
    assert world.envelope(worker).limit == 10_000
    assert world.envelope(worker).spent == 0
    world.turn(worker)
    world.exit(worker)
    assert worker not in world.run.envelopes
    assert world.envelope().granted == 0


def test_a_further_stint_is_refused_where_there_is_no_money_for_it() -> None:
    world = World()
    worker = world.settled(budget_nanousd=400_000)
    world.spawn(budget_nanousd=700_000)
    world.refused(c.ContinueActor(worker), BudgetExceeded)
    assert worker in world.run.records


def test_a_further_stint_is_refused_where_there_is_no_place_or_an_end_is_near() -> None:
    world = World(max_workers=1)
    worker = world.settled()
    other = world.spawn()
    world.refused(c.ContinueActor(worker), MaxWorkersExceeded)
    world.turn(other)
    world.exit(other)
    world.do(c.DrainRun())
    world.refused(c.ContinueActor(worker), Draining)


def test_a_further_stint_is_refused_where_the_lead_has_settled() -> None:
    world, one, _ = two()
    world.turn(one)
    world.exit(one)
    world.turn()
    world.exit(outcome="failed")
    assert "root" in world.refused(c.ContinueActor(one), Settled).message
    assert "Resume" in world.refused(c.ContinueActor(ROOT), ToolNotAllowed).next_step


def test_a_wait_for_a_continued_worker_is_for_its_new_stint() -> None:
    world = World()
    worker = world.settled()
    world.do(c.ContinueActor(worker))
    world.turn(intents=(intent("wait"),))
    world.do(c.OpenWait(ROOT, CallId("wait"), (worker,)))
    assert worker not in world.run.records
    assert world.actor().waits[CallId("wait")].targets == (worker,)


# --- reprompt


def test_a_reprompt_interrupts_the_turn_and_comes_with_the_next_call() -> None:
    world, one, _ = two()
    world.admit(one)
    events = world.do(c.RepromptActor(one, "the other way", by=ROOT))
    assert kinds(events) == ["ActorReprompted", "MessageSent"]
    assert fx.Stop(one) in world.due()
    halted = world.perform([ROOT, "root/W2"])
    assert halted == [c.RecordHalted(one)]
    assert world.of(e.CallCut)[0].why == "its actor was reprompted"
    assert world.due([ROOT, "root/W2"]) == [fx.Launch(one)]
    (mail,) = world.actor(one).mail
    assert (mail.sender, mail.kind) == (ROOT, "reprompt")
    assert world.admit(one).messages == (1,)


def test_every_open_tool_of_a_reprompted_actor_gets_an_error() -> None:
    world, one, _ = two()
    world.turn(one, intents=(intent("a"), intent("b", "effects", "Bash")))
    world.do(c.RepromptActor(one, "stop that"))
    events = world.do(c.RecordHalted(one))
    assert kinds(events) == ["ToolReturned", "ToolReturned", "SessionHalted"]
    returned = world.of(e.ToolReturned)
    assert all(each.is_error and "interrupted" in each.content for each in returned)
    assert world.actor(one).tools == {}


def test_a_paused_actor_goes_on_when_it_is_reprompted() -> None:
    world, one, _ = two()
    world.turn(one, intents=(intent("a"),))
    world.do(c.PauseActor(one))
    world.perform([ROOT, "root/W2"])
    assert len(world.actor(one).tools) == 1
    world.do(c.RepromptActor(one, "leave it"))
    assert world.actor(one).paused is None
    world.perform([ROOT, "root/W2"])
    assert world.actor(one).tools == {}
    assert world.due([ROOT, "root/W2"]) == [fx.Launch(one)]


def test_who_has_no_turn_left_is_not_reprompted() -> None:
    world = World()
    worker = world.spawn(max_turns=1)
    world.turn(worker)
    world.refused(c.RepromptActor(worker, "once more"), TurnsExhausted)


# --- send


def test_a_message_is_delivered_by_the_next_admission() -> None:
    world, one, _ = two()
    world.admit(one)
    world.do(c.SendMessage(one, "by the way", by=ROOT))
    world.answer(one)
    assert world.admit(one).messages == (1,)


def test_who_is_told_more_as_it_ends_goes_on() -> None:
    world, one, _ = two()
    world.admit(one)
    world.do(c.SendMessage(one, "one more thing"))
    world.answer(one)
    assert world.exit(one) == []
    world.turn(one)
    assert kinds(world.exit(one)) == ["ActorSettled"]


def test_a_message_that_no_turn_is_left_to_read_is_refused() -> None:
    world = World()
    worker = world.spawn(max_turns=2)
    world.turn(worker)
    world.do(c.SendMessage(worker, "before its last turn"))
    world.admit(worker)
    refusal = world.refused(c.SendMessage(worker, "one more thing"), TurnsExhausted)
    assert "continue_worker" in refusal.next_step
    world.do(c.PauseActor(worker, "freeze"))
    world.refused(c.ContinueActor(worker, "one more thing"), TurnsExhausted)
    world.do(c.ContinueActor(worker))
    world.answer(worker)
    world.refused(c.SendMessage(worker, "one more thing"), TurnsExhausted)
    assert kinds(world.exit(worker)) == ["ActorSettled"]


def test_everybody_can_be_told() -> None:
    world, one, other = two()
    world.do(c.SendMessage(ROOT, "lunch", subtree=True))
    assert [event.actor for event in world.of(e.MessageSent)] == [other, one, ROOT]


@pytest.mark.parametrize("text", ["", " \n", "x" * (message.TEXT_MAX + 1)])
def test_a_message_without_words_or_with_too_many_is_refused(text: str) -> None:
    world, one, _ = two()
    world.refused(c.SendMessage(one, text), InvalidArguments)
    world.refused(c.RepromptActor(one, text), InvalidArguments)


def test_a_full_mailbox_takes_no_more_until_it_is_read() -> None:
    world, one, _ = two()
    for number in range(message.UNREAD_MAX):
        world.do(c.SendMessage(one, f"message {number}"))
    world.refused(c.SendMessage(one, "one too many"), MailboxFull)
    world.refused(c.SendMessage(ROOT, "to everybody", subtree=True), MailboxFull)
    assert world.mail(ROOT) == []
    world.turn(one)
    world.do(c.SendMessage(one, "there is room"))


@pytest.mark.parametrize("kind", ["send", "reprompt", "continue"])
def test_a_tool_call_that_is_made_again_after_a_crash_tells_once(kind: str) -> None:
    world, one, _ = two()
    call = CallId("use1")
    world.turn(intents=(intent(call, "keyed"),))
    commands: dict[str, c.Command] = {
        "send": c.SendMessage(one, "hello", by=ROOT, call=call),
        "reprompt": c.RepromptActor(one, "hello", by=ROOT, call=call),
        "continue": c.ContinueActor(one, by=ROOT, call=call),
    }
    command = commands[kind]
    if kind == "continue":
        world.do(c.PauseActor(one))
    assert world.do(command)
    assert world.do(command) == []
