"""Again: a worktree is made whole after a crash, a loss or a move, and nothing in it is lost."""

import shutil
from pathlib import Path
from typing import Literal

import pytest

from leadhand.errors import WorkspaceError
from leadhand.folder import Folder
from tests.tools.git_kit import plain
from tests.workspaces.kit import WORKER, Yard, commit

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A repository and a run."""
    return Yard(tmp_path)


def test_what_a_crash_left_half_made_is_made_anew(yard: Yard) -> None:
    workspace = yard.made()
    path = Path(workspace.path)
    (path / "a.txt").unlink()
    (yard.repository / ".git" / "worktrees" / "root.W1" / "locked").write_text("initializing")
    workspace.state = "chosen"
    yard.make(workspace)
    assert (path / "a.txt").read_text() == "one\ntwo\n"
    assert plain(path, "status", "--porcelain") == ""
    assert yard.worktrees() == [workspace.path]
    assert yard.tidy(workspace) == ""


@pytest.mark.parametrize("left", ["a branch", "a folder", "both", "a removal"])
def test_every_piece_that_a_crash_may_leave_is_no_obstacle(yard: Yard, left: str) -> None:
    workspace = yard.choose()
    if left in ("a branch", "both"):
        yard.git("branch", workspace.branch)
    if left in ("a folder", "both"):
        Path(workspace.path, "half").mkdir(parents=True)
    if left == "a removal":
        Path(f"{workspace.path}.gone", "half").mkdir(parents=True)
    yard.make(workspace)
    assert [path.name for path in Path(workspace.path).iterdir()].count("half") == 0
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


@pytest.mark.parametrize("state", ["chosen", "made", "kept"])
def test_the_lock_that_a_killed_git_left_on_its_branch_is_no_obstacle(
    yard: Yard, state: Literal["chosen", "made", "kept"]
) -> None:
    workspace = yard.choose() if state == "chosen" else yard.made()
    lock = yard.repository / ".git" / "refs" / "heads" / f"{workspace.branch}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    if state != "kept":
        yard.make(workspace)
        commit(workspace)
        yard.git("merge", "-q", workspace.branch)
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_a_worktree_that_is_there_is_left_as_it_is(yard: Yard) -> None:
    workspace = yard.made()
    Path(workspace.root, "a.txt").write_text("in the middle\n")
    yard.make(workspace)
    assert Path(workspace.root, "a.txt").read_text() == "in the middle\n"


def test_a_worktree_that_is_missing_is_made_again_from_its_branch(yard: Yard) -> None:
    workspace = yard.made()
    made = commit(workspace)
    shutil.rmtree(workspace.path)
    yard.make(workspace)
    assert Path(workspace.root, "new.txt").exists()
    assert plain(Path(workspace.root), "rev-parse", "HEAD").strip() == made


def test_a_worktree_that_is_missing_with_its_branch_is_a_reason(yard: Yard) -> None:
    workspace = yard.made()
    yard.git("worktree", "remove", workspace.path)
    yard.git("branch", "-D", workspace.branch)
    with pytest.raises(WorkspaceError, match="are both gone"):
        yard.make(workspace)
    assert workspace.branch not in yard.branches()


def test_a_worktree_that_git_has_lost_sight_of_is_repaired(yard: Yard) -> None:
    workspace = yard.made()
    link = yard.repository / ".git" / "worktrees" / "root.W1" / "gitdir"
    link.write_text("/elsewhere/.git\n")
    yard.make(workspace)
    assert link.read_text() == f"{workspace.path}/.git\n"


def test_a_folder_that_is_no_worktree_any_more_is_a_reason_and_stays(yard: Yard) -> None:
    workspace = yard.made()
    shutil.rmtree(yard.repository / ".git" / "worktrees")
    Path(workspace.root, "work").touch()
    with pytest.raises(WorkspaceError):
        yard.make(workspace)
    assert Path(workspace.root, "work").exists()


def test_a_worktree_moves_with_the_folder_of_its_run(yard: Yard, tmp_path: Path) -> None:
    workspace = yard.made()
    Path(workspace.root, "loose").touch()
    yard.folder.path.parent.rename(tmp_path / "moved")
    yard.folder = Folder(tmp_path / "moved" / yard.run_id)
    yard.make(workspace)
    assert yard.worktrees() == [str(yard.folder.worktree(WORKER))]
    assert yard.tidy(workspace) == "it holds what is not committed: loose"
    yard.folder.worktree(WORKER).joinpath("loose").unlink()
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)
