"""Fresh: every worker is ended, its spend stays booked, and the lead is told whom it lost."""

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.notices import LISTED_MAX
from leadhand.refusals import WoundDown
from tests.rules.world import World, intent, kinds


def test_every_worker_is_ended_and_the_lead_is_told_whom_it_lost() -> None:
    world = World(budget_nanousd=10**9)
    first, second = world.spawn(label="reader"), world.spawn(label="writer")
    world.admit(first, new_bytes=50_000_000)
    world.answer(first, intents=(e.Intent(CallId("t"), "Read", "reads", "Read a.py"),))
    world.do(c.OwnRun(2, "next"))
    events = world.do(c.CancelWorkers())
    assert kinds(events) == ["ActorEnding", "ActorEnding", "MessageSent"]
    assert world.mail() == ["workers_lost"]
    text = world.actor().mail[0].text
    assert "- root/W1 (reader): $0.0000 spent, last: Read a.py\n" in text
    assert "- root/W2 (writer): $0.00 spent, last: nothing yet\n" in text
    spent = world.run.spent
    world.perform([])
    assert [world.record(each).status for each in (first, second)] == ["Cancelled", "Cancelled"]
    assert world.record(first).error == "lost: resumed with fresh workers"
    assert (world.record(first).spent, world.run.spent) == (20, spent)


def test_nothing_of_them_runs_again_and_the_lead_goes_on() -> None:
    world = World()
    worker = world.spawn()
    world.turn(worker, intents=(intent("t"),))
    world.do(c.OwnRun(2, "next"))
    world.do(c.CancelWorkers())
    launches = [each for each in world.due([]) if isinstance(each, fx.Launch)]
    assert launches == [fx.Launch(ROOT)]
    world.refused(world.admitting(worker), WoundDown)
    world.perform([])
    assert world.spawn() == "root/W2"


def test_who_is_ending_already_ends_as_it_was_told() -> None:
    world = World()
    worker = world.spawn()
    world.do(c.CancelActor(worker, "enough"))
    assert world.do(c.CancelWorkers()) == []
    world.perform([])
    assert world.record(worker).error == "enough"


def test_a_run_without_workers_loses_none() -> None:
    assert World().do(c.CancelWorkers()) == []
    assert World(begin=False).do(c.CancelWorkers()) == []


def test_workers_whose_lead_has_settled_are_ended_too() -> None:
    world = World()
    worker = world.spawn()
    world.exit(outcome="failed")
    assert kinds(world.do(c.CancelWorkers())) == ["ActorEnding"]
    world.perform([])
    assert world.record(worker).status == "Cancelled"


def test_the_list_of_very_many_workers_is_cut() -> None:
    world = World(max_workers=1_000, budget_nanousd=10**12)
    for _ in range(LISTED_MAX + 7):
        world.spawn(label="x" * 200)
    world.do(c.CancelWorkers())
    text = world.actor().mail[0].text
    assert "\nand 7 more\n" in text
    assert len(text) < 30_000
