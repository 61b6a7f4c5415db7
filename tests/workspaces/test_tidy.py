"""Tidy: what is held nowhere else is never removed, whatever hides it."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from leadhand.errors import WorkspaceError
from leadhand.processes import Processes
from leadhand.workspaces.worktree import Worktrees
from tests.tools.git_kit import ENV, make_repository, plain
from tests.workspaces.kit import WORKER, Yard, commit

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A repository and a run."""
    return Yard(tmp_path)


# --- what is removed


def test_a_worktree_in_which_nothing_was_done_goes_with_its_branch(yard: Yard) -> None:
    workspace = yard.made()
    assert yard.worktrees() == [workspace.path]
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)
    assert not (yard.repository / ".git" / "worktrees").exists()
    assert yard.git("fsck", "--no-dangling") == ""


def test_a_worktree_whose_branch_was_merged_goes(yard: Yard) -> None:
    workspace = yard.made()
    made = commit(workspace)
    yard.git("merge", "-q", "--no-ff", "-m", "Merge", workspace.branch)
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)
    assert yard.git("branch", "--contains", made) == "* main"


def test_a_worktree_whose_branch_only_a_remote_holds_goes(yard: Yard, tmp_path: Path) -> None:
    plain(tmp_path, "clone", "-q", "--bare", str(yard.repository), "far.git")
    yard.git("remote", "add", "origin", str(tmp_path / "far.git"))
    workspace = yard.made()
    commit(workspace)
    yard.git("push", "-q", "origin", workspace.branch)
    yard.git("fetch", "-q", "origin")
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_what_is_ignored_goes_with_a_worktree(yard: Yard) -> None:
    (yard.repository / ".gitignore").write_text("build/\n")
    yard.git("add", ".")
    yard.git("commit", "-qm", "Ignore")
    workspace = yard.made()
    build = Path(workspace.path, "build", "deep")
    build.mkdir(parents=True)
    (build / "out.o").write_text("x")
    build.chmod(0o500)
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_nothing_is_lost_with_a_worktree_of_a_detached_head(yard: Yard) -> None:
    yard.git("checkout", "-q", "--detach")
    yard.git("commit", "-q", "--allow-empty", "-m", "On no branch")
    workspace = yard.made()
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)
    again = yard.made()
    yard.git("checkout", "-q", "main")
    assert "1 commit not merged" in yard.tidy(again)
    assert again.branch in yard.branches()


def test_a_stash_outlives_the_worktree_that_it_was_made_in(yard: Yard) -> None:
    workspace = yard.made()
    Path(workspace.path, "a.txt").write_text("later\n")
    plain(Path(workspace.path), "stash")
    assert yard.tidy(workspace) == ""
    assert "later" in yard.git("stash", "show", "-p")


# --- what stays


IGNORED_REPOSITORY = (
    'echo lib/ >> "$(git rev-parse --git-path info/exclude)"; mkdir -p lib/x; git init -q lib/x'
)
CONFLICT = """
git checkout -q -b side HEAD~1; echo three > a.txt; git commit -qam side
git checkout -q -; git merge side
"""
KEPT = {
    "a changed file": (["sh", "-c", "echo more >> a.txt"], "not committed: a.txt"),
    "a new file": (["touch", "new.txt"], "not committed: new.txt"),
    "a new file in a new folder": (
        ["sh", "-c", "mkdir -p x/y; touch x/y/z"],
        "not committed: x/y/z",
    ),
    "a deleted file": (["rm", "a.txt"], "not committed: a.txt"),
    "a staged file": (["sh", "-c", "touch b; git add b"], "not committed: b"),
    "a commit": (
        ["git", "commit", "-q", "--allow-empty", "-m", "x"],
        "1 commit not merged",
    ),
    "a commit on no branch": (
        ["sh", "-c", "git checkout -q --detach; git commit -q --allow-empty -m x"],
        "1 commit not merged",
    ),
    "an amended commit": (
        ["git", "commit", "-q", "--amend", "--allow-empty", "-m", "x"],
        "1 commit not merged",
    ),
    "untracked files that git is told not to show": (
        ["sh", "-c", "git config status.showUntrackedFiles no; touch new.txt"],
        "not committed: new.txt",
    ),
    "a file that is assumed unchanged": (
        ["sh", "-c", "git update-index --assume-unchanged a.txt; echo more >> a.txt"],
        "overlook changes in it: a.txt",
    ),
    "a file that is skipped": (
        ["sh", "-c", "git update-index --skip-worktree a.txt; echo more >> a.txt"],
        "a.txt",
    ),
    "another repository in what is ignored": (
        ["sh", "-c", IGNORED_REPOSITORY],
        "another repository, lib/x",
    ),
    "a merge under way": (["sh", "-c", CONFLICT], "a merge, rebase or bisection is under way"),
    "a bisection": (["git", "bisect", "start"], "a merge, rebase or bisection is under way"),
    "a lock of the operator": (["git", "worktree", "lock", "."], "it is locked"),
    "a .git that leads elsewhere": (
        ["sh", "-c", "echo gitdir: /nowhere > .git"],
        "its .git does not lead to the repository",
    ),
    "a .git that is gone": (["rm", ".git"], "its .git does not lead to the repository"),
}


@pytest.mark.parametrize("what", KEPT)
def test_a_worktree_stays_that_holds(yard: Yard, what: str) -> None:
    words, why = KEPT[what]
    workspace = yard.made()
    path = Path(workspace.path)
    done = run(path, words)
    before = contents(path)
    assert why in yard.tidy(workspace), done
    assert contents(path) == before
    assert workspace.branch in yard.branches()


def test_a_branch_that_was_merged_and_then_was_not_any_more_stays(yard: Yard) -> None:
    workspace = yard.made()
    commit(workspace)
    yard.git("merge", "-q", workspace.branch)
    yard.git("reset", "-q", "--hard", "HEAD~1")
    assert yard.tidy(workspace) == "1 commit not merged"


def test_a_branch_that_is_checked_out_elsewhere_stays(yard: Yard, tmp_path: Path) -> None:
    workspace = yard.made()
    plain(Path(workspace.path), "checkout", "-q", "--detach")
    yard.git("worktree", "add", "-q", str(tmp_path / "mine"), workspace.branch)
    assert yard.tidy(workspace) == f"its branch is checked out in {tmp_path / 'mine'}"
    assert Path(workspace.path, "a.txt").exists()


def test_a_submodule_that_was_fetched_stays(yard: Yard, tmp_path: Path) -> None:
    library = make_repository(tmp_path / "library")
    trust = ("-c", "protocol.file.allow=always")
    yard.git(*trust, "submodule", "add", "-q", str(library), "lib")
    yard.git("commit", "-qm", "Library")
    workspace = yard.made()
    assert workspace.notes == ("its submodules are empty: lib",)
    assert yard.tidy(workspace) == ""
    again = yard.made()
    plain(Path(again.path), *trust, "submodule", "update", "-q", "--init")
    assert yard.tidy(again) == "it holds another repository, lib"
    assert Path(again.path, "lib", "a.txt").exists()


# --- two that hold each other's work


def held_by_each_other(yard: Yard) -> tuple[Yard, Yard]:
    """Two runs whose branches hold the same commit, which no other does."""
    return yard, Yard(yard.folder.path.parents[1] / "other", "b-run", yard.repository)


def test_of_two_that_hold_each_others_work_one_stays(yard: Yard) -> None:
    one, two = held_by_each_other(yard)
    first, second = one.made(), two.made()
    made = commit(first)
    plain(Path(second.path), "merge", "-q", first.branch)
    assert one.tidy(first) == ""
    assert two.tidy(second) == "1 commit not merged"
    assert yard.git("branch", "--contains", made) == f"+ {second.branch}"


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_that_are_tidied_at_the_same_moment_one_stays(yard: Yard, attempt: int) -> None:
    one, two = held_by_each_other(yard)
    first, second = one.made(), two.made()
    made = commit(first)
    plain(Path(second.path), "merge", "-q", first.branch)

    async def both(trees: Worktrees, processes: Processes) -> list[str | BaseException]:
        others = Worktrees(two.run_id, two.folder, processes, ENV)
        deeds = trees.tidy(WORKER, first), others.tidy(WORKER, second)
        return [*await asyncio.gather(*deeds, return_exceptions=True)]

    said = one.with_processes(both)
    assert [each for each in said if each != ""], said
    assert made in yard.git("for-each-ref", "--format=%(objectname)", "refs/heads/leadhand")


# --- after a crash, or what somebody did meanwhile


def test_what_a_crash_left_of_a_removal_is_removed(yard: Yard) -> None:
    workspace = yard.made()
    path = Path(workspace.path)
    leaving = path.rename(path.with_name(f"{path.name}.gone"))
    (leaving / "a.txt").unlink()
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_a_removal_whose_event_was_lost_is_no_second_one(yard: Yard) -> None:
    workspace = yard.made()
    assert yard.tidy(workspace) == ""
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_a_worktree_that_somebody_deleted_keeps_its_commits(yard: Yard) -> None:
    workspace = yard.made()
    commit(workspace)
    shutil.rmtree(workspace.path)
    assert yard.tidy(workspace) == "1 commit not merged"
    yard.git("merge", "-q", workspace.branch)
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_what_was_chosen_and_never_made_leaves_nothing(yard: Yard) -> None:
    workspace = yard.choose()
    yard.git("branch", workspace.branch)
    Path(workspace.path).mkdir(parents=True)
    Path(workspace.path, "half").touch()
    assert yard.tidy(workspace) == ""
    assert yard.is_gone(workspace)


def test_a_branch_that_may_be_somebody_elses_stays(yard: Yard) -> None:
    workspace = yard.choose(branch="feature")
    yard.git("branch", "feature")
    assert yard.tidy(workspace) == ""
    assert "feature" in yard.branches()


def test_a_worktree_of_a_repository_that_is_gone_is_not_touched(yard: Yard) -> None:
    workspace = yard.made()
    yard.repository.rename(yard.repository.with_name("moved"))
    with pytest.raises(WorkspaceError, match="is gone"):
        yard.tidy(workspace)
    assert Path(workspace.path, "a.txt").exists()


def run(folder: Path, words: list[str]) -> str:
    """Do something in a folder, as its actor would."""
    done = subprocess.run(words, cwd=folder, env=ENV, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def contents(folder: Path) -> dict[str, str]:
    """The files of a folder, but for git's own."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): path.read_text() for path in paths}
