"""Workspace: the port of what makes a place of an actor's own to work in, and removes it again."""

from pathlib import Path
from typing import Protocol

from leadhand.domain.commands import RecordWorkspace
from leadhand.domain.ids import ActorId, as_file_name
from leadhand.domain.state import Workspace

# How the reason begins for which a worktree is kept that holds changes.
UNCOMMITTED = "it holds what is not committed"


def root_of(
    actor: ActorId, directory: str | None, workspace: Workspace | None, worktrees: Path | None
) -> Path:
    """Where an actor of this directory works: in its worktree, if it has one."""
    if workspace is not None and worktrees is not None:
        return worktrees / as_file_name(actor) / workspace.inner
    return Path(directory or ".").resolve()


class Workspaces(Protocol):
    """Makes and removes the workspaces of one run. All of it may be repeated after a crash."""

    async def fits(self, directory: Path) -> bool:
        """Whether an actor of this directory gets a workspace where nobody said so."""
        ...

    def place(self, actor: ActorId, directory: Path) -> Path:
        """Where an actor of this directory will work, if it gets a workspace."""
        ...

    async def choose(self, actor: ActorId, directory: Path, branch: str) -> RecordWorkspace:
        """Look at the directory and decide on the workspace; makes nothing. Raises WorkspaceError
        with the reason and how to go on where there can be none."""
        ...

    async def make(self, actor: ActorId, workspace: Workspace) -> None:
        """Make a chosen workspace, and whole again one that was made before.

        Nobody has worked in one that is only chosen: what is left of an earlier attempt is thrown
        away. Of one that was made, nothing is. Raises WorkspaceError.
        """
        ...

    async def tidy(self, actor: ActorId, workspace: Workspace) -> str:
        """Remove the workspace of an actor whose session is over, if all that it holds is held
        elsewhere; else why it stays. Raises WorkspaceError where it cannot be looked at."""
        ...
