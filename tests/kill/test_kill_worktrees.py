"""Kill and worktrees: wherever the owner dies, each commit is there once, and nothing half made."""

import signal
import subprocess
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.invariants import broken
from tests.kill import worktree_script
from tests.kill.program import Point, around
from tests.kill.stage import Stage
from tests.kill.test_kill import name
from tests.tools.git_kit import plain

pytestmark = pytest.mark.slow

SCRIPT = f"script:{worktree_script.__file__}:reply"
MANIFEST = """
[run]
budget_usd = 50.00
lead_timeout_secs = 300

[defaults]
model = "{model}"
use_worktree = true
env = {{ GIT_AUTHOR_NAME = "A", GIT_AUTHOR_EMAIL = "a@b.c", GIT_COMMITTER_NAME = "A", \
GIT_COMMITTER_EMAIL = "a@b.c" }}

[[lead]]
id = "killed"
directory = "{repository}"
prompt = "Have two files written."

[prices."{model}"]
input = 1.00
output = 5.00
"""
# Enough that making and removing a worktree takes a while.
FILES = 1_500
KINDS = {
    "WorkspaceChosen": (1, 2, 4),
    "WorkspaceMade": (1, 3),
    "WorkspaceRemoved": (1, 2),
    "WorkspaceKept": (1, 2),
    "ActorSettled": (2, 4),
    "TurnRecorded": (3,),
}
POINTS = around(KINDS)
PLACES = ("root", "root.W1", "root.W3.gone", "root.gone", "root.W2/many/1")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A repository of many files, and the manifest of the script."""
    stage = Stage(tmp_path)
    many = stage.repository / "many"
    many.mkdir()
    for number in range(FILES):
        (many / str(number)).write_text(f"{number}\n")
    plain(stage.repository, "add", ".")
    plain(stage.repository, "commit", "-qm", "Many")
    stage.manifest.write_text(MANIFEST.format(model=SCRIPT, repository=stage.repository))
    return stage


def ended_well(stage: Stage) -> None:
    """All is as in a run that nobody disturbed."""
    run, repository = stage.state(), stage.repository
    assert broken(run) == []
    assert run.status == "succeeded", {each.id: each.error for each in run.records.values()}
    assert {each.status for each in run.records.values()} == {"Success"}
    branch = f"leadhand/{run.id}/root"
    listed = plain(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    assert [each for each in listed if "/" in each] == [f"{branch}.W1", f"{branch}.W2"]
    for worker, word in (("W1", "ada"), ("W2", "bob")):
        log = plain(repository, "log", "--format=%s", f"HEAD..{branch}.{worker}").split()
        assert log == [word], "the commit is there once"
    kept = sorted(path.name for path in (stage.run_dir / run.id / "worktrees").iterdir())
    assert kept == ["root.W1", "root.W2"]
    trees = plain(repository, "worktree", "list", "--porcelain").split("\n\n")
    assert len([each for each in trees if each.strip()]) == 3
    assert "prunable" not in "".join(trees)
    for worker in kept:
        path = stage.run_dir / run.id / "worktrees" / worker
        assert plain(path, "status", "--porcelain") == ""
    assert plain(repository, "status", "--porcelain") == ""
    assert plain(repository, "fsck", "--no-dangling") == ""
    events = stage.events()
    made = [each.actor for each in events if isinstance(each, e.WorkspaceMade)]
    assert len(made) == len(set(made)) == 4


def test_what_a_run_leaves_that_nobody_disturbs(stage: Stage) -> None:
    assert stage.start() == 0
    ended_well(stage)


@pytest.mark.parametrize("point", POINTS, ids=name)
def test_a_run_that_is_killed_around_an_event_comes_to_the_same_end(
    stage: Stage, point: Point
) -> None:
    assert stage.start(point) == -signal.SIGKILL, stage.told
    resumed(stage)


@pytest.mark.parametrize("place", PLACES)
def test_a_run_that_is_killed_while_git_is_at_work_comes_to_the_same_end(
    stage: Stage, place: str
) -> None:
    point = Point("file", kind=f"{stage.run_dir}/RUN/worktrees/{place}")
    assert stage.start(point) == -signal.SIGKILL, stage.told
    resumed(stage)


def test_an_owner_that_is_killed_again_and_again_comes_to_the_same_end(stage: Stage) -> None:
    assert stage.start(Point("before", 1, "WorkspaceMade")) == -signal.SIGKILL
    for kind in ("WorkspaceMade", "ActorSettled", "WorkspaceRemoved"):
        assert stage.resume(Point("before", 1, kind)) == -signal.SIGKILL, (kind, stage.told)
    # What is kept takes no time, and may have been while the first was being removed.
    assert stage.resume(Point("before", 1, "WorkspaceKept")) in (-signal.SIGKILL, 0), stage.told
    resumed(stage)


def resumed(stage: Stage) -> subprocess.CompletedProcess[str]:
    """Resume as a user does, to the end that the run always has."""
    told = stage.cli("resume", stage.run_id, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    ended_well(stage)
    return told
