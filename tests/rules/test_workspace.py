"""Workspace: whose worktree is made, when it is looked at, and what the house rules keep."""

from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Agent, Settings
from tests.rules.world import REPORT, World, kinds

OWN = Settings(directory="/repo", use_worktree=True)


def choosing(world: World, actor: str) -> c.RecordWorkspace:
    """The command that settles where an actor's worktree is made."""
    branch = world.run.workspaces[ActorId(actor)].branch
    return c.RecordWorkspace(ActorId(actor), branch, "abc", "/repo/.git", "sub")


def place(world: World, actor: str) -> None:
    """An actor's worktree is made."""
    world.do(choosing(world, actor))
    world.do(c.RecordWorkspaceMade(ActorId(actor)))


def spawn(world: World, **given: Any) -> ActorId:
    """A worker that has its worktree."""
    worker = world.spawn(directory="/repo", use_worktree=True, **given)
    place(world, worker)
    return worker


def tidied(world: World, actor: str, kept: str = "") -> list[e.Event]:
    """Somebody has looked at an actor's worktree."""
    return world.do(c.RecordTidied(ActorId(actor), kept))


def looked_at(world: World) -> list[ActorId]:
    """Whose worktrees are looked at now."""
    return [each.actor for each in world.due() if isinstance(each, fx.Tidy)]


def end(world: World, actor: str = ROOT, **given: Any) -> None:
    """An actor ends well, after a turn."""
    world.turn(actor)
    world.exit(actor, final=REPORT if actor == ROOT else "done", **given)


# --- who wants one


def test_an_actor_wants_a_worktree_on_a_branch_named_after_it() -> None:
    world = World(lead=OWN)
    worker = world.spawn(directory="/repo", use_worktree=True)
    assert world.run.workspaces[ROOT].branch == "leadhand/run/root"
    assert world.run.workspaces[worker].branch == "leadhand/run/root.W1"
    assert world.run.workspaces[worker].source == "/repo"
    assert world.run.workspaces[worker].state == "wanted"


def test_the_operator_may_name_the_branch() -> None:
    world = World(lead=Settings(directory="/repo", use_worktree=True, branch="feature/x"))
    assert world.run.workspaces[ROOT].branch == "feature/x"


@pytest.mark.parametrize("said", [None, False])
def test_who_shall_have_no_worktree_wants_none(said: bool | None) -> None:
    world = World(lead=Settings(directory="/repo", use_worktree=said))
    world.spawn(directory="/repo", use_worktree=said)
    assert world.run.workspaces == {}


def test_the_narrowest_settings_decide_who_has_a_worktree() -> None:
    agents = {"shared": Agent(settings=Settings(use_worktree=False))}
    world = World(defaults=Settings(use_worktree=True), agents=agents)
    assert ROOT in world.run.workspaces
    shared, own = world.spawn(agent="shared"), world.spawn()
    assert shared not in world.run.workspaces
    assert own in world.run.workspaces


# --- how it comes to be


def test_a_worktree_is_chosen_and_then_made() -> None:
    world = World(lead=OWN)
    assert kinds(world.do(choosing(world, ROOT))) == ["WorkspaceChosen"]
    workspace = world.run.workspaces[ROOT]
    assert (workspace.state, workspace.inner) == ("chosen", "sub")
    assert (workspace.base, workspace.repository) == ("abc", "/repo/.git")
    assert kinds(world.do(c.RecordWorkspaceMade(ROOT))) == ["WorkspaceMade"]
    assert workspace.state == "made"
    assert world.refolded().workspaces == world.run.workspaces


def test_what_is_said_twice_or_of_nobody_changes_nothing() -> None:
    world = World(lead=OWN)
    assert world.do(c.RecordWorkspaceMade(ROOT)) == []
    place(world, ROOT)
    assert world.do(choosing(world, ROOT)) == []
    assert world.do(c.RecordWorkspaceMade(ROOT)) == []
    assert world.do(c.RecordWorkspaceMade(ActorId("root/W9"))) == []
    assert tidied(world, ROOT) == []
    assert world.do(c.KeepWorkspace(ROOT)) == []


def test_an_actor_that_cannot_be_placed_settles_as_spawn_failed() -> None:
    world = World(lead=OWN)
    place(world, ROOT)
    worker = world.spawn(directory="/repo", use_worktree=True)
    held = world.envelope().held
    world.exit(worker, "unplaced", "", "/repo has no commit yet")
    assert world.record(worker).status == "SpawnFailed"
    assert world.record(worker).error == "/repo has no commit yet"
    assert world.envelope().held < held
    assert worker not in world.run.workspaces
    assert not world.of(e.CallAdmitted)
    assert looked_at(world) == []


def test_who_is_cancelled_before_it_is_placed_is_cancelled() -> None:
    world = World(lead=OWN)
    worker = world.spawn(directory="/repo", use_worktree=True)
    world.do(c.CancelActor(worker, "no need"))
    late = choosing(world, worker)
    world.exit(worker, "unplaced", "", "no room")
    assert world.record(worker).status == "Cancelled"
    assert world.do(late) == []


# --- what becomes of it


def test_a_worktree_is_looked_at_when_its_actor_has_settled() -> None:
    world = World(lead=OWN)
    place(world, ROOT)
    worker = spawn(world)
    assert looked_at(world) == []
    end(world, worker)
    assert looked_at(world) == [worker]
    assert kinds(tidied(world, worker)) == ["WorkspaceRemoved"]
    assert looked_at(world) == []
    assert world.run.workspaces[worker].state == "removed"
    assert tidied(world, worker) == []


def test_what_was_kept_is_looked_at_once_more_when_everyone_has_settled() -> None:
    world = World(lead=OWN)
    place(world, ROOT)
    worker = spawn(world)
    end(world, worker)
    [kept] = tidied(world, worker, "1 commit not merged")
    assert isinstance(kept, e.WorkspaceKept)
    assert not kept.last
    assert looked_at(world) == []
    end(world)
    assert looked_at(world) == [worker, ROOT]
    assert world.do(c.FinishRun()) == []
    tidied(world, worker)
    [kept] = tidied(world, ROOT, "what is not committed")
    assert isinstance(kept, e.WorkspaceKept)
    assert kept.last
    assert looked_at(world) == []
    assert world.due() == [fx.Submit(c.FinishRun())]
    world.perform()
    assert world.run.status == "succeeded"


@pytest.mark.parametrize(
    ("cleanup", "ends", "why"),
    [
        ("never", "completed", 'worktree_cleanup is "never"'),
        ("never", "failed", 'worktree_cleanup is "never"'),
        ("on_success", "completed", ""),
        ("on_success", "failed", 'worktree_cleanup is "on_success", and it settled as Failed'),
        ("always", "completed", ""),
        ("always", "failed", ""),
    ],
)
def test_the_house_rules_keep(cleanup: str, ends: Any, why: str) -> None:
    world = World(lead=OWN, worktree_cleanup=cleanup)
    place(world, ROOT)
    worker = spawn(world)
    world.turn(worker)
    world.exit(worker, ends)
    if not why:
        assert looked_at(world) == [worker]
        assert world.do(c.KeepWorkspace(worker)) == []
        return
    assert looked_at(world) == []
    world.perform()
    workspace = world.run.workspaces[worker]
    assert (workspace.state, workspace.why, workspace.last) == ("kept", why, True)


def test_where_no_session_ever_worked_nothing_is_kept() -> None:
    world = World(lead=OWN, worktree_cleanup="never")
    place(world, ROOT)
    worker = world.spawn(directory="/repo", use_worktree=True)
    world.do(choosing(world, worker))
    world.exit(worker, "unplaced", "", "no room")
    assert looked_at(world) == [worker]
    tidied(world, worker)
    assert world.run.workspaces[worker].state == "removed"


def test_a_drained_run_does_not_wait_for_worktrees() -> None:
    world = World(lead=OWN)
    place(world, ROOT)
    end(world, spawn(world))
    world.do(c.DrainRun())
    world.later(secs=31)
    assert world.due() == [fx.Suspend()]


# --- a run that goes on


def reopened(why: str) -> World:
    """A run that was drained, whose lead's worktree was removed or kept, and that goes on."""
    world = World(lead=OWN)
    place(world, ROOT)
    world.do(c.DrainRun())
    world.turn()
    world.exit(final=REPORT.replace("success", "partial"))
    tidied(world, ROOT, why)
    world.perform()
    world.do(c.ReopenRun())
    return world


def test_a_lead_goes_on_in_the_worktree_that_was_kept() -> None:
    world = reopened("what is not committed")
    assert world.run.workspaces[ROOT].state == "made"
    assert world.run.workspaces[ROOT].base == "abc"


def test_a_lead_whose_worktree_was_removed_wants_another() -> None:
    world = reopened("")
    assert world.run.workspaces[ROOT].state == "wanted"
    place(world, ROOT)
    end(world)
    assert looked_at(world) == [ROOT]


def test_what_was_kept_is_looked_at_again_after_a_run_went_on() -> None:
    world = World(lead=OWN)
    place(world, ROOT)
    worker = spawn(world)
    end(world, worker)
    world.do(c.DrainRun())
    world.turn()
    world.exit(final=REPORT.replace("success", "partial"))
    for actor in (ROOT, worker):
        tidied(world, actor, "1 commit not merged")
    world.perform()
    world.do(c.ReopenRun())
    end(world)
    assert looked_at(world) == [worker, ROOT]


def test_long_words_are_cut() -> None:
    world = World(lead=OWN)
    place(world, ROOT)
    worker = spawn(world)
    end(world, worker)
    tidied(world, worker, "x" * 10_000)
    assert len(world.run.workspaces[worker].why) == 500


def test_a_worker_that_is_continued_works_where_it_worked() -> None:
    world = World(lead=OWN)
    worker = spawn(world)
    place(world, worker)
    end(world, worker)
    tidied(world, worker, "1 commit not merged")
    world.do(c.ContinueActor(worker))
    assert (world.run.workspaces[worker].state, world.run.workspaces[worker].base) == (
        "made",
        "abc",
    )


@pytest.mark.parametrize("first", ["tidied", "continued"])
def test_a_worker_that_is_continued_as_its_worktree_is_removed_wants_another(first: str) -> None:
    world = World(lead=OWN)
    worker = spawn(world)
    place(world, worker)
    end(world, worker)
    if first == "tidied":
        tidied(world, worker, "")
        world.do(c.ContinueActor(worker))
    else:
        world.do(c.ContinueActor(worker))
        assert world.run.workspaces[worker].state == "made"
        tidied(world, worker, "")
    assert world.run.workspaces[worker].state == "wanted"
    assert world.run.workspaces[worker].source == "/repo"
    place(world, worker)
    assert world.do(c.RecordTidied(worker, "somebody works there")) == []
