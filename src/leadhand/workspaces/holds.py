"""Holds: what a worktree and its branch hold that nothing else does.

Each look gives reasons to keep them; without any, nothing is lost with them.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from leadhand.domain.state import Workspace
from leadhand.git import Bare, Git, Where, printable
from leadhand.workspace import UNCOMMITTED
from leadhand.workspaces.source import STATUS, some

LOOKS_MAX = 3
_UNDER_WAY = (
    *("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG"),
    *("rebase-merge", "rebase-apply", "sequencer"),
)


class Holder(NamedTuple):
    """A ref that contains a commit, where it is seen from, and the commit that it names now."""

    where: Where
    ref: str
    commit: str


def admin_of(path: Path, repository: Path) -> Path | None:
    """Git's own folder of a worktree; None where the two do not lead to each other."""
    link = path / ".git"
    try:
        if link.is_symlink():
            return None
        admin = Path(os.path.realpath(path / pointer(link)))
        back = Path(os.path.realpath(admin / (admin / "gitdir").read_text().removesuffix("\n")))
    except (OSError, ValueError):
        return None
    own = Path(os.path.realpath(repository / "worktrees"))
    return admin if admin.parent == own and back == Path(os.path.realpath(link)) else None


def pointer(link: Path) -> str:
    """Where a .git file leads. Raises ValueError where it is none."""
    kind, _, place = link.read_text().removesuffix("\n").partition(": ")
    if kind != "gitdir":
        raise ValueError(f"{link} leads nowhere")
    return place


async def unclean(git: Git, path: Path, repository: Path) -> AsyncIterator[str]:
    """What of a worktree's files is not committed, or cannot be told."""
    admin = admin_of(path, repository)
    if admin is None:
        yield "its .git does not lead to the repository"
        return
    if (admin / "locked").exists():
        yield "it is locked"
    if any((admin / name).exists() for name in _UNDER_WAY):
        yield "a merge, rebase or bisection is under way in it"
    inner = await asyncio.to_thread(inner_repository, path)
    if inner is not None:
        # Git would look into it under its own configuration.
        yield f"it holds another repository, {printable(inner)}"
        return
    tags = await git.look(path, "ls-files", "-v", "-z")
    look = await git.look(path, *STATUS, "--untracked-files=all", "--ignore-submodules=none")
    if changed := [printable(entry[3:]) for entry in look.split("\0") if entry]:
        yield f"{UNCOMMITTED}: {some(changed)}"
    if hidden := [printable(each[2:]) for each in tags.split("\0") if is_hidden(path, each)]:
        yield f"git was told to overlook changes in it: {some(hidden)}"


def is_hidden(path: Path, tag: str) -> bool:
    """Whether a line of `ls-files -v` tells of a file whose changes git overlooks."""
    return tag[:1].islower() or (tag[:1] == "S" and os.path.lexists(path / tag[2:]))


def inner_repository(path: Path) -> str | None:
    """A repository inside of a worktree, ignored or not: a submodule, or one that is new. Raises
    OSError where a folder cannot be looked into, of which git says nothing."""
    for folder, folders, files in os.walk(path, onerror=give_up):
        here = os.path.relpath(folder, path)
        if here != "." and (".git" in folders or ".git" in files):
            return here
        if here == ".":
            folders[:] = [name for name in folders if name != ".git"]
    return None


def give_up(error: OSError) -> None:
    """Let a walk end with its error."""
    raise error


async def holder(git: Git, workspace: Workspace, commit: str) -> Holder | None:
    """What holds a commit beside the worktree and its branch, if anything does."""
    repository = Bare(Path(workspace.repository))
    listed = await git.look(
        repository,
        "for-each-ref",
        f"--contains={commit}",
        "--format=%(refname) %(objectname) %(symref)",
        *("refs/heads/", "refs/remotes/", "refs/tags/"),
    )
    # What is no actor's stays longest.
    for line in sorted(listed.splitlines(), key=is_an_actors):
        ref, named, symbolic = line.split(" ")
        if ref != f"refs/heads/{workspace.branch}" and not symbolic:
            return Holder(repository, ref, named)
    source = Path(workspace.source)
    if not source.is_dir() or await git.ask(source, "symbolic-ref", "-q", "HEAD") is not None:
        return None
    head = await head_of(git, source)
    if head and await git.ask(source, "merge-base", "--is-ancestor", commit, head) is not None:
        return Holder(source, "HEAD", head)
    return None


def is_an_actors(line: str) -> bool:
    """Whether a line that names a ref names the branch of an actor, of this run or another."""
    return line.startswith("refs/heads/leadhand/")


async def alone(git: Git, workspace: Workspace, commit: str) -> str:
    """What only the worktree or its branch holds of a commit's history; empty for nothing."""
    repository = Bare(Path(workspace.repository))
    others = (f"--exclude={workspace.branch}", "--branches", "--remotes", "--tags")
    for _ in range(LOOKS_MAX):
        if await holder(git, workspace, commit) is not None:
            return ""
        number = int(await git.look(repository, "rev-list", "--count", commit, "--not", *others))
        if number:
            return f"{number} commit{'s' * (number > 1)} not merged"
        # Somebody merges it at this moment.
    return "its commits are held by nothing else"


async def elsewhere(git: Git, workspace: Workspace, path: Path) -> str:
    """The worktree of somebody else that has the branch checked out; empty where none has."""
    repository = Bare(Path(workspace.repository))
    ref = f"refs/heads/{workspace.branch}"
    said = await git.look(repository, "for-each-ref", "--format=%(worktreepath)", ref)
    place = said.removesuffix("\n")
    return "" if place == str(path) else place


async def delete_branch(git: Git, workspace: Workspace, tip: str, holder: Holder) -> None:
    """Delete the branch while its holder is seen to be what it was, both at once or not at all.
    Raises WorkspaceError."""
    lines = (
        "start",
        f"verify {holder.ref} {holder.commit}",
        f"delete refs/heads/{workspace.branch} {tip}",
        "prepare",
        "commit",
    )
    stdin = "".join(f"{line}\n" for line in lines)
    await git.do(holder.where, "update-ref", "--stdin", stdin=stdin)


async def head_of(git: Git, path: Path) -> str | None:
    """The commit that is checked out in a work-tree; None where there is none."""
    said = await git.ask(path, "rev-parse", "--verify", "-q", "HEAD^{commit}")
    return said.strip() if said else None
