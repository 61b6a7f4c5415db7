"""Answer: one that is no end is asked to go on, a few times, and then counts as a failure."""

import pytest

from leadhand.domain.manifest import Settings
from leadhand.domain.rules.answer import CUTS_MAX, EMPTY_MAX
from tests.rules.world import World, intent, kinds


@pytest.mark.parametrize(("outcome", "most"), [("cut", CUTS_MAX), ("empty", EMPTY_MAX)])
def test_an_answer_that_is_no_end_is_asked_to_go_on_so_often_and_no_more(
    outcome: str, most: int
) -> None:
    world = World()
    worker = world.spawn()
    for _ in range(most):
        world.turn(worker)
        events = world.exit(worker, outcome, "so far", "it was no end")  # type: ignore[arg-type]
        assert kinds(events) == ["AnswerUnfinished", "MessageSent"]
        assert world.mail(worker)[-1] == outcome
    world.turn(worker)
    world.exit(worker, outcome, "so far", "it was no end")  # type: ignore[arg-type]
    assert (world.record(worker).status, world.record(worker).error) == ("Failed", "it was no end")
    assert world.record(worker).preview == "so far"


def test_work_in_between_begins_the_count_anew() -> None:
    world = World()
    worker = world.spawn()
    for _ in range(2 * CUTS_MAX):
        world.turn(worker)
        world.exit(worker, "cut")
        world.turn(worker, intents=(intent("a"),))
    assert worker in world.run.actors


def test_a_model_that_refuses_fails_its_actor_at_once() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker)
    world.exit(worker, "refused", "I will not.", "the model refused to answer")
    assert world.record(worker).status == "Failed"


def test_nobody_is_asked_to_go_on_without_a_turn_left_or_while_it_is_ended() -> None:
    world = World(defaults=Settings(max_turns=1))
    worker = world.spawn()
    world.turn(worker)
    world.exit(worker, "cut", "half", "its answer was cut")
    assert world.record(worker).status == "Failed"


def test_a_lead_whose_report_was_cut_is_asked_to_go_on_before_it_is_asked_for_a_report() -> None:
    world = World()
    world.turn()
    assert kinds(world.exit(outcome="cut", final="1. STATUS: succ")) == [
        "AnswerUnfinished",
        "MessageSent",
    ]
    world.turn()
    assert kinds(world.exit(final="no report")) == ["ReportAsked", "MessageSent"]
