"""Drift: what an actor wrote outside of its claim, as git sees it in its own worktree."""

from collections.abc import Sequence
from pathlib import Path

from leadhand.domain.globs import unclaimed
from leadhand.domain.questions import Bound
from leadhand.domain.state import Workspace
from leadhand.git import Git, printable

_STAGED = ("ls-files", "--stage", "-z")


async def changed(git: Git, top: Path, workspace: Workspace) -> list[str]:
    """The files of a worktree that differ from the commit that it began with, new ones included,
    and those whose changes git was told to overlook; relative to its top. What the repository's
    own .gitignore files name is left out. Raises WorkspaceError."""
    plain = ("--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
    differing = await git.look(top, "diff", "--name-only", "-z", *plain, workspace.base, "--")
    # Not --exclude-standard: the actor may write what lies outside of its worktree.
    new = await git.look(top, "ls-files", "--others", "-z", "--exclude-per-directory=.gitignore")
    tags = await git.look(top, "ls-files", "-v", "-z")
    hidden = [tag[2:] for tag in tags.split("\0") if tag[:1].islower()]
    staged = (each.partition("\t") for each in (await git.look(top, *_STAGED)).split("\0"))
    # Git does not look below a submodule, which is empty in a new worktree.
    inner = [path for mode, _, path in staged if mode.startswith("160000") and holds(top / path)]
    found = [*differing.split("\0"), *new.split("\0"), *hidden, *inner]
    return sorted({printable(each) for each in found if each})


def holds(folder: Path) -> bool:
    """Whether there is anything in a folder."""
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError:
        return True


def outside(paths: Sequence[str], inner: str, writes: Sequence[str]) -> list[str]:
    """The paths that no glob of a claim means. inner: where the actor works below the top."""
    prefix = f"{inner}/" if inner else ""
    beside = [path for path in paths if not path.startswith(prefix)]
    below = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    return beside + [f"{prefix}{path}" for path in unclaimed(writes, below)]


def unplanned(paths: Sequence[str], inner: str, plan: Bound) -> list[str]:
    """The paths that an approved plan does not let the actor write."""
    prefix = f"{inner}/" if inner else ""
    return [
        path
        for path in paths
        if not (path.startswith(prefix) and plan.lets(path.removeprefix(prefix)))
    ]
