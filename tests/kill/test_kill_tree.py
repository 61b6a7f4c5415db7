"""Kill a tree: wherever the owner of sub-leads dies, each works on, once, with its own money."""

import os
import signal
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.invariants import broken
from tests.kill import tree_script
from tests.kill.program import Point, around
from tests.kill.stage import Stage, marked, until
from tests.kill.test_kill import name

pytestmark = pytest.mark.slow

SCRIPT = f"script:{tree_script.__file__}:reply"
MANIFEST = """
[run]
budget_usd = 50.00
lead_timeout_secs = 300
max_workers = 1

[defaults]
model = "{model}"
use_worktree = false
tools = ["Bash"]

[[lead]]
id = "killed"
directory = "{repository}"
prompt = "Have it appended to."
allow_subleads = true
max_depth = 3
max_subleads = 3
max_sublead_budget_usd = 4.00
max_total_workers = 2

[prices."{model}"]
input = 1.00
output = 5.00
"""
ACTORS = {"root", "root/S1", "root/S1/S1", "root/S1/S1/W1", "root/S2", "root/S2/W1"}
KINDS = {
    "ActorSpawned": (2, 4, 5),
    "EntryPut": (1,),
    "CallAdmitted": (6,),
    "TurnRecorded": (2, 8),
    "WaitOpened": (3,),
    "LeaseGranted": (2,),
    "LeaseReleased": (1,),
    "ActorSettled": (1, 3),
}
POINTS = around(KINDS)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A repository, and the manifest of the script."""
    stage = Stage(tmp_path)
    stage.manifest.write_text(MANIFEST.format(model=SCRIPT, repository=stage.repository))
    return stage


def ended_well(stage: Stage) -> None:
    """All is as in a run that nobody disturbed."""
    run, events = stage.state(), stage.events()
    assert broken(run) == []
    assert run.status == "succeeded", {each.id: each.error for each in run.records.values()}
    assert {each.id: each.status for each in run.records.values()} == dict.fromkeys(
        ACTORS, "Success"
    )
    spawned = [each.actor for each in events if isinstance(each, e.ActorSpawned)]
    assert sorted(spawned) == sorted(ACTORS), "nobody is spawned twice"
    assert {each.role for each in run.records.values()} == {"lead", "sublead", "worker"}
    assert sorted(stage.files()["the.log"].split()) == ["ada", "bob"]
    assert run.layers[ActorId("root/S1/S1")].entries.keys() == {"/ref/words"}
    fences = [each.fence for each in events if isinstance(each, e.LeaseGranted)]
    assert fences == sorted(set(fences)), "a lease has one holder at a time"
    assert [*run.envelopes] == [ROOT]
    root = run.envelopes[ROOT]
    assert (root.granted, root.reserved, root.held) == (0, 0, 0)
    assert root.spent == run.spent == sum(each.spent for each in run.records.values())
    assert marked(stage.run_id) == []


def resumed(stage: Stage) -> None:
    """Resume as a user does, to the end that the run always has."""
    told = stage.cli("resume", stage.run_id, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    ended_well(stage)


def test_what_a_tree_leaves_that_nobody_disturbs(stage: Stage) -> None:
    assert stage.start() == 0
    ended_well(stage)


@pytest.mark.parametrize("point", POINTS, ids=name)
def test_a_tree_that_is_killed_comes_to_the_same_end(stage: Stage, point: Point) -> None:
    assert stage.start(point) == -signal.SIGKILL, stage.told
    resumed(stage)


def test_an_owner_that_is_killed_again_and_again_comes_to_the_same_end(stage: Stage) -> None:
    assert stage.start(Point("before", 4, "ActorSpawned")) == -signal.SIGKILL
    for kind in ("TurnRecorded", "LeaseGranted", "ToolReturned", "ActorSettled"):
        assert stage.resume(Point("after", 1, kind)) == -signal.SIGKILL, (kind, stage.told)
    resumed(stage)


@pytest.mark.parametrize("deep", ["root/S1", "root/S1/S1", "root/S1/S1/W1"])
def test_a_dispatch_that_is_killed_in_the_middle_of_a_tree_is_resumed(
    stage: Stage, deep: str
) -> None:
    command = stage.dispatched(pause_secs=0.2)
    try:
        until(lambda: deep in {each.actor for each in stage.asked()})
        os.kill(command.pid, signal.SIGKILL)
    finally:
        command.kill()
        command.wait()
    tree = stage.cli("status", stage.run_id)
    assert tree.returncode == 0, tree.stderr
    why = stage.cli("why", stage.run_id, deep)
    assert deep in why.stdout
    resumed(stage)
