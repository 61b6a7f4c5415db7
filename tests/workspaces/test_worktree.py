"""Worktree: made of a directory at its commit, or refused with the reason, many at once."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from leadhand.domain.ids import ActorId
from leadhand.domain.state import Workspace
from leadhand.errors import WorkspaceError
from leadhand.workspaces.worktree import Worktrees
from tests.tools.git_kit import make_repository, plain
from tests.workspaces.kit import WORKER, Yard, commit

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A repository and a run."""
    return Yard(tmp_path)


def why_not(yard: Yard, directory: Path | None = None, branch: str = "") -> str:
    """Why no worktree can be made."""
    with pytest.raises(WorkspaceError) as caught:
        yard.choose(directory=directory, branch=branch)
    assert not yard.folder.worktrees.exists()
    return caught.value.message


def fits(yard: Yard, directory: Path) -> bool:
    """Whether an actor there gets a worktree unasked."""
    return yard.using(lambda trees: trees.fits(directory))


# --- where and of what


def test_a_worktree_begins_with_the_commit_of_its_directory(yard: Yard) -> None:
    workspace = yard.made()
    assert workspace.path == workspace.root == str(yard.folder.path / "worktrees" / "root.W1")
    assert workspace.base == yard.git("rev-parse", "main")
    assert Path(workspace.root, "a.txt").read_text() == "one\ntwo\n"
    assert plain(Path(workspace.root), "branch", "--show-current").strip() == workspace.branch
    assert workspace.branch == "leadhand/a-run/root.W1"
    assert workspace.notes == ()
    assert fits(yard, yard.repository)


def test_a_directory_inside_of_a_repository_is_the_same_inside_of_the_worktree(yard: Yard) -> None:
    inner = yard.repository / "deep" / "er"
    inner.mkdir(parents=True)
    (inner / "b.txt").write_text("b\n")
    yard.git("add", ".")
    yard.git("commit", "-qm", "Deep")
    assert fits(yard, inner)
    workspace = yard.made(directory=inner)
    assert Path(workspace.root) == Path(workspace.path, "deep", "er")
    assert Path(workspace.root, "b.txt").read_text() == "b\n"

    async def place(trees: Worktrees) -> Path:
        return trees.place(WORKER, inner)

    assert str(yard.using(place)) == workspace.root


def test_a_detached_head_is_a_beginning_like_any_other(yard: Yard) -> None:
    yard.git("checkout", "-q", "--detach", "HEAD~1")
    workspace = yard.made()
    assert workspace.base == yard.git("rev-parse", "main~1")
    assert Path(workspace.root, "a.txt").read_text() == "one\n"


def test_a_worktree_may_be_made_of_a_worktree(yard: Yard) -> None:
    lead = yard.made(ActorId("root"))
    commit(lead)
    assert fits(yard, Path(lead.root))
    worker = yard.made(directory=Path(lead.root))
    assert Path(worker.root, "new.txt").exists()
    assert yard.tidy(worker) == ""
    assert yard.tidy(lead, ActorId("root")) == "1 commit not merged"


def test_a_worktree_of_a_bare_repository_is_a_directory_like_any_other(
    yard: Yard, tmp_path: Path
) -> None:
    plain(tmp_path, "clone", "-q", "--bare", str(yard.repository), "bare.git")
    plain(tmp_path / "bare.git", "worktree", "add", "-q", str(tmp_path / "main"), "main")
    workspace = yard.made(directory=tmp_path / "main")
    assert Path(workspace.root, "a.txt").exists()
    assert workspace.repository == str(tmp_path / "bare.git")
    assert yard.tidy(workspace) == ""


def test_a_worktree_may_be_made_of_a_submodule(yard: Yard, tmp_path: Path) -> None:
    library = make_repository(tmp_path / "library")
    trust = ("-c", "protocol.file.allow=always")
    yard.git(*trust, "submodule", "add", "-q", str(library), "lib")
    workspace = yard.made(directory=yard.repository / "lib")
    assert Path(workspace.root, "a.txt").exists()
    assert plain(Path(workspace.root), "status", "--porcelain") == ""
    assert yard.tidy(workspace) == ""


def test_a_sparse_checkout_is_taken_over(yard: Yard) -> None:
    for name in ("in", "out"):
        (yard.repository / name).mkdir()
        (yard.repository / name / "x").touch()
    yard.git("add", ".")
    yard.git("commit", "-qm", "Two folders")
    yard.git("sparse-checkout", "set", "in")
    workspace = yard.made()
    assert Path(workspace.root, "in", "x").exists()
    assert not Path(workspace.root, "out").exists()
    assert yard.tidy(workspace) == ""


# --- what it lacks


def test_what_is_not_committed_is_told(yard: Yard) -> None:
    (yard.repository / "a.txt").write_text("changed\n")
    for number in range(6):
        (yard.repository / f"new{number}").touch()
    workspace = yard.made()
    [note] = workspace.notes
    what, _, names = note.partition(": ")
    assert what == f"what is not committed in {yard.repository} is not in it"
    assert names == "a.txt, new0, new1, new2, new3 and 2 more"
    assert Path(workspace.root, "a.txt").read_text() == "one\ntwo\n"
    assert yard.git("status", "--porcelain").startswith("M a.txt")


def test_filters_of_the_repositorys_own_are_told_of_and_not_run(yard: Yard) -> None:
    (yard.repository / ".gitattributes").write_text("*.txt filter=loud\n")
    yard.git("add", ".")
    yard.git("commit", "-qm", "Attributes")
    yard.git("config", "filter.loud.smudge", "tr a-z A-Z")
    workspace = yard.made()
    assert workspace.notes == (
        "files that a filter of the repository's own converts are as they are stored: loud",
    )
    assert Path(workspace.root, "a.txt").read_text() == "one\ntwo\n"
    assert yard.tidy(workspace) == ""


# --- where there can be none


def test_without_a_repository_there_is_no_worktree(yard: Yard, tmp_path: Path) -> None:
    place = tmp_path / "plain"
    place.mkdir()
    assert not fits(yard, place)
    why = why_not(yard, place)
    assert why.startswith(f"{place} is in no git work-tree (fatal: not a git repository")
    assert why.endswith("or set use_worktree = false to work in the directory itself")
    assert why_not(yard, tmp_path / "none") == f"{tmp_path / 'none'} is not a directory"


def test_without_a_commit_there_is_no_worktree(yard: Yard, tmp_path: Path) -> None:
    place = tmp_path / "young"
    place.mkdir()
    plain(place, "init", "-q")
    assert not fits(yard, place)
    assert why_not(yard, place).startswith(f"{place} has no commit yet: commit something, or")


def test_of_a_bare_repository_there_is_no_worktree(yard: Yard, tmp_path: Path) -> None:
    plain(tmp_path, "clone", "-q", "--bare", str(yard.repository), "bare.git")
    assert not fits(yard, tmp_path / "bare.git")
    assert "is in no git work-tree" in why_not(yard, tmp_path / "bare.git")


def test_of_a_directory_that_is_not_committed_there_is_no_worktree(yard: Yard) -> None:
    place = yard.repository / "scratch"
    place.mkdir()
    assert not fits(yard, place)
    assert why_not(yard, place).startswith(f"{place} is not in the last commit of")


def test_a_directory_that_is_a_link_in_the_commit_leads_nowhere(yard: Yard) -> None:
    place = yard.repository / "sub"
    place.symlink_to("/etc")
    yard.git("add", ".")
    yard.git("commit", "-qm", "A link")
    place.unlink()
    place.mkdir()
    assert not fits(yard, place)
    assert "is not in the last commit" in why_not(yard, place)


def test_a_link_that_was_committed_later_leads_nowhere(yard: Yard) -> None:
    inner = yard.repository / "sub"
    inner.mkdir()
    (inner / "b").touch()
    yard.git("add", ".")
    yard.git("commit", "-qm", "A folder")
    workspace = yard.made(directory=inner)
    top = Path(workspace.path)
    shutil.rmtree(workspace.root)
    (top / "sub").symlink_to("/etc")
    plain(top, "add", "-A")
    plain(top, "commit", "-qm", "A link")
    shutil.rmtree(top)
    with pytest.raises(WorkspaceError, match="is not a directory of the worktree"):
        yard.make(workspace)


def test_a_work_tree_that_lies_elsewhere_is_refused(yard: Yard, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    yard.git("config", "core.worktree", str(secrets))
    assert "work-tree" in why_not(yard)


@pytest.mark.parametrize(
    ("there", "wanted", "why"),
    [
        ("feature", "feature", 'there is a branch "feature" already: merge and delete it, name'),
        ("leadhand", "", 'the branch "leadhand" leaves no room for a branch "leadhand/a-run/'),
        ("x/y", "x", 'there is a branch "x" already'),
        ("main", "-x", '"-x" is no name for a branch'),
        ("main", "a..b", '"a..b" is no name for a branch'),
        ("main", "main", 'there is a branch "main" already'),
    ],
)
def test_a_branch_for_which_there_is_no_room_is_refused(
    yard: Yard, there: str, wanted: str, why: str
) -> None:
    yard.git("branch", there)
    assert why_not(yard, branch=wanted).startswith(why)


def test_a_branch_that_somebody_makes_at_the_last_moment_is_left_alone(yard: Yard) -> None:
    workspace = yard.choose(branch="feature")
    yard.git("branch", "feature", "HEAD~1")
    with pytest.raises(WorkspaceError, match='somebody has just made a branch "feature"'):
        yard.make(workspace)
    assert yard.git("rev-parse", "feature") == yard.git("rev-parse", "main~1")


def deep_yard(tmp_path: Path, length: int) -> Yard:
    """A run whose folder has a path of so many characters."""
    base, rest = tmp_path, length - len("/runs/a-run")
    while rest - len(str(base)) > 200:
        base /= "x" * 150
    base /= "x" * (rest - len(str(base)) - 1)
    base.mkdir(parents=True)
    return Yard(base, repository=make_repository(tmp_path / "repository"))


def test_a_path_may_be_too_long_for_a_worktree(tmp_path: Path) -> None:
    yard = deep_yard(tmp_path, 4_082)
    workspace = yard.choose()
    with pytest.raises(WorkspaceError, match="File name too long"):
        yard.make(workspace)
    assert yard.branches() == ["main"]


def test_a_worktree_that_cannot_be_looked_into_stays(tmp_path: Path) -> None:
    yard = deep_yard(tmp_path, 3_800)
    deep = yard.repository / ("y" * 200) / ("z" * 200)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    yard.git("add", ".")
    yard.git("commit", "-qm", "Deep")
    workspace = yard.made()
    with pytest.raises(WorkspaceError, match="File name too long"):
        yard.tidy(workspace)
    assert Path(workspace.path, "a.txt").exists()


FULL = """
import asyncio, json, os, sys
from pathlib import Path
from leadhand.domain.state import Workspace
from leadhand.errors import WorkspaceError
from tests.workspaces.kit import Yard

yard = Yard(Path(sys.argv[1]), repository=Path(sys.argv[2]))
workspace = yard.choose()
try:
    yard.make(workspace)
except WorkspaceError as error:
    print(json.dumps([error.message, yard.tidy(workspace), yard.branches(), yard.worktrees()]))
"""


def test_a_full_disk_is_a_reason(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository / "large").write_bytes(b"x" * 2_000_000)
    plain(repository, "add", ".")
    plain(repository, "commit", "-qm", "Large")
    small = tmp_path / "small"
    small.mkdir()
    mount = f'mount -t tmpfs -o size=700k none {small} && exec "$@"'
    wrapper = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    try:
        subprocess.run([*wrapper, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a kernel that lets us mount")
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", FULL, str(small), str(repository)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    why, left, branches, worktrees = json.loads(done.stdout)
    assert "(the disk is full: " in why
    assert (left, branches, worktrees) == ("", ["main"], [])


# --- at the same time


def test_many_worktrees_are_made_and_removed_at_once(yard: Yard) -> None:
    actors = [ActorId(f"root/W{number}") for number in range(1, 13)]

    async def all_of_them(trees: Worktrees) -> list[Workspace]:
        async def one(actor: ActorId) -> Workspace:
            said = await trees.choose(actor, yard.repository, yard.branch(actor))
            workspace = Workspace(
                str(yard.repository), said.branch, "chosen", said.base, said.repository
            )
            await trees.make(actor, workspace)
            workspace.state = "made"
            return workspace

        return await asyncio.gather(*map(one, actors))

    workspaces = dict(zip(actors, yard.using(all_of_them), strict=True))
    assert len(yard.worktrees()) == len(actors)

    async def away_with_them(trees: Worktrees) -> list[str]:
        return await asyncio.gather(*(trees.tidy(*each) for each in workspaces.items()))

    assert set(yard.using(away_with_them)) == {""}
    assert (yard.worktrees(), yard.branches()) == ([], ["main"])


def test_two_runs_share_a_repository(yard: Yard, tmp_path: Path) -> None:
    other = Yard(tmp_path / "other", "b-run", yard.repository)
    one, two = yard.made(), other.made()
    assert one.branch != two.branch
    assert len(yard.worktrees()) == 2
    assert yard.tidy(one) == ""
    assert yard.worktrees() == [two.path]


def test_a_lock_that_another_git_holds_for_a_while_is_waited_for(yard: Yard) -> None:
    workspace = yard.choose()
    lock = yard.repository / ".git" / "refs" / "heads" / f"{workspace.branch}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    threading.Timer(0.5, lock.unlink).start()
    yard.make(workspace)
    packed = yard.repository / ".git" / "packed-refs.lock"
    packed.touch()
    threading.Timer(0.5, packed.unlink).start()
    assert yard.tidy(workspace) == ""
