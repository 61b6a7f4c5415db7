"""Paths: a run whose directories have moved goes on with the new ones, and tells who lives."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Agent, Settings
from leadhand.domain.money import Usage
from leadhand.domain.places import Pairs
from leadhand.refusals import InvalidArguments
from tests.rules.world import UNIT_PRICE, World, kinds

SCRIPT = "script:/old/model.py:reply"
MOVED = "script:/new/model.py:reply"
PAIRS: Pairs = (("/old", "/new"),)


def world() -> World:
    """A run in /old, one worker of which works in a folder of it."""
    found = World(
        model=SCRIPT,
        lead=Settings(directory="/old/repo", add_dirs=("/old/more", "/elsewhere")),
        defaults=Settings(model=SCRIPT, directory="/old/repo"),
        agents={"cook": Agent(settings=Settings(directory="/old/kitchen"))},
        prices={SCRIPT: UNIT_PRICE},
    )
    found.spawn(directory="/old/repo/sub", add_dirs=("/old/repo",))
    found.turn()
    return found


def mapped(pairs: Pairs = PAIRS) -> World:
    """The same, moved."""
    found = world()
    found.do(c.MapPaths(pairs))
    return found


def test_the_manifest_and_all_that_live_move() -> None:
    found = mapped()
    run = found.run
    assert run.manifest is not None
    lead = run.manifest.lead.settings
    assert (lead.directory, lead.add_dirs, lead.model) == (
        "/new/repo",
        ("/new/more", "/elsewhere"),
        MOVED,
    )
    assert run.manifest.defaults.directory == "/new/repo"
    assert run.manifest.agents["cook"].settings.directory == "/new/kitchen"
    assert [*run.manifest.prices] == [*run.models] == [MOVED]
    worker = found.actor("root/W1")
    assert (worker.directory, worker.add_dirs, worker.model) == (
        "/new/repo/sub",
        ("/new/repo",),
        MOVED,
    )


def test_each_who_lives_is_told_once() -> None:
    found = world()
    events = found.do(c.MapPaths(PAIRS))
    assert kinds(events) == ["PathsMapped", *["PathsMapped", "MessageSent"] * 2]
    assert found.mail() == found.mail("root/W1") == ["paths"]
    assert "- /old is now /new\n" in found.actor().mail[0].text


def test_who_is_ending_moves_and_is_not_told() -> None:
    found = world()
    found.do(c.CancelActor(found.spawn(directory="/old"), "enough"))
    found.do(c.MapPaths(PAIRS))
    assert (found.actor("root/W2").directory, found.mail("root/W2")) == ("/new", [])


def test_what_is_spawned_from_then_on_has_the_moved_model_and_its_price() -> None:
    found = mapped()
    worker = found.spawn(agent="cook")
    spawned = found.of(e.ActorSpawned)[-1]
    assert (spawned.settings.model, spawned.settings.directory) == (MOVED, "/new/kitchen")
    assert spawned.price == UNIT_PRICE
    assert found.admit(worker).model == MOVED


def test_what_was_learned_of_a_model_is_kept_under_its_new_name() -> None:
    found = world()
    found.turn("root/W1")
    found.exit("root/W1")
    found.admit()
    found.answer(usage=Usage(50_000, 10))
    overhead = found.run.overheads[SCRIPT]
    assert found.run.history == {f"|{SCRIPT}": [20]}
    found.do(c.MapPaths(PAIRS))
    assert found.run.history == {f"|{MOVED}": [20]}
    assert found.run.overheads == {MOVED: overhead}
    assert found.run.models[MOVED].spent == found.run.spent
    assert found.record("root/W1").model == MOVED


def test_two_names_that_become_one_have_cost_what_both_had() -> None:
    found = mapped()
    found.turn()
    found.do(c.MapPaths((("/new", "/old"),)))
    found.do(c.MapPaths((("/old", "/new"),)))
    assert [(name, each.calls, each.spent) for name, each in found.run.models.items()] == [
        (MOVED, 2, found.run.spent)
    ]


def test_the_pair_that_says_most_of_a_path_moves_it_and_no_other() -> None:
    run = mapped((("/old", "/new"), ("/old/repo", "/old/there"))).run
    assert run.manifest is not None
    assert run.manifest.lead.settings.directory == "/old/there"
    assert run.manifest.lead.settings.add_dirs == ("/new/more", "/elsewhere")


def test_a_path_that_nothing_begins_with_is_refused_with_those_there_are() -> None:
    found = world()
    for old in ("/ol", "/old/repository", "old"):
        refusal = found.refused(c.MapPaths(((old, "/there"),)), InvalidArguments)
        assert refusal.message == f"no path of this run begins with {old}"
        assert refusal.next_step.startswith("Its paths are: /old/repo, /old/more, /elsewhere, ")


def test_a_move_that_was_made_before_changes_nothing() -> None:
    found = mapped()
    assert found.do(c.MapPaths(PAIRS)) == []
    assert found.mail() == ["paths"]


def test_a_new_place_that_the_run_happens_to_work_in_makes_no_old_one_known() -> None:
    world().refused(c.MapPaths((("/nowhere", "/old"),)), InvalidArguments)


def test_a_run_that_never_began_has_no_paths() -> None:
    refusal = World(begin=False).refused(c.MapPaths(PAIRS), InvalidArguments)
    assert refusal.next_step == "Its paths are: none."


def test_another_stint_works_in_the_new_place() -> None:
    found = world()
    found.exit("root/W1")
    found.do(c.DrainRun())
    found.exit(outcome="failed")
    found.perform()
    found.do(c.ReopenRun())
    found.do(c.MapPaths(PAIRS))
    lead = found.actor()
    assert (lead.directory, lead.model) == ("/new/repo", MOVED)
    assert found.mail() == ["reopened", "paths"]
    assert found.admit().model == MOVED


def test_a_moved_run_in_its_log_is_the_run_in_memory() -> None:
    found = mapped()
    assert found.refolded() == found.run
    assert [each.actor for each in found.of(e.PathsMapped)] == ["", ROOT, "root/W1"]


@pytest.mark.parametrize("pairs", [(), (("/elsewhere", "/elsewhere"),)])
def test_a_move_to_where_it_was_keeps_all_paths(pairs: Pairs) -> None:
    before, found = world(), mapped(pairs)
    assert found.run.manifest == before.run.manifest
