"""Kit: the worktrees of a run in a real repository, made, worked in and tidied by real git."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from leadhand.domain.ids import ActorId
from leadhand.domain.state import Workspace
from leadhand.folder import Folder
from leadhand.processes import Processes
from leadhand.workspaces.worktree import Worktrees
from tests.tools.git_kit import ENV, make_repository, plain

T = TypeVar("T")
WORKER = ActorId("root/W1")
_numbers = itertools.count(1)


class Placed(Workspace):
    """A worktree, where it is, and where its actor works in it."""

    path: str = ""
    root: str = ""


class Yard:
    """A repository and a run that makes worktrees of it. Each deed is of a process of its own."""

    def __init__(self, base: Path, run_id: str = "a-run", repository: Path | None = None) -> None:
        self.run_id = run_id
        self.repository = repository or make_repository(base / "repository")
        self.folder = Folder(base / "runs" / run_id)
        self.folder.path.mkdir(parents=True)

    def using(self, deed: Callable[[Worktrees], Awaitable[T]]) -> T:
        """Do something with the run's worktrees, and leave no process."""
        return self.with_processes(lambda trees, processes: deed(trees))

    def with_processes(self, deed: Callable[[Worktrees, Processes], Awaitable[T]]) -> T:
        """Do something with the run's worktrees and processes."""

        async def main() -> T:
            name = f"{self.run_id}-{os.getpid()}-{next(_numbers)}"
            processes = Processes(name, self.folder.path)
            trees = Worktrees(self.run_id, self.folder, processes, ENV)
            try:
                return await deed(trees, processes)
            finally:
                await processes.close()

        return asyncio.run(main())

    def branch(self, actor: ActorId = WORKER) -> str:
        """The branch of an actor that names none."""
        return f"leadhand/{self.run_id}/{actor.replace('/', '.')}"

    def choose(
        self, actor: ActorId = WORKER, directory: Path | None = None, branch: str = ""
    ) -> Placed:
        """A worktree that is decided on. Raises WorkspaceError."""
        source = directory or self.repository
        name = branch or self.branch(actor)
        said = self.using(lambda trees: trees.choose(actor, source, name))
        path = self.folder.worktree(actor)
        return Placed(
            source=str(source),
            branch=said.branch,
            state="chosen",
            base=said.base,
            repository=said.repository,
            inner=said.inner,
            notes=said.notes,
            path=str(path),
            root=str(path / said.inner),
        )

    def make(self, workspace: Workspace, actor: ActorId = WORKER) -> None:
        """Make it, or make it whole. Raises WorkspaceError."""
        self.using(lambda trees: trees.make(actor, workspace))
        workspace.state = "made"

    def made(
        self, actor: ActorId = WORKER, directory: Path | None = None, branch: str = ""
    ) -> Placed:
        """A worktree that is there."""
        workspace = self.choose(actor, directory, branch)
        self.make(workspace, actor)
        return workspace

    def tidy(self, workspace: Workspace, actor: ActorId = WORKER) -> str:
        """Remove it, or say why not."""
        return self.using(lambda trees: trees.tidy(actor, workspace))

    def git(self, *words: str) -> str:
        """What git prints in the repository."""
        return plain(self.repository, *words).strip()

    def branches(self) -> list[str]:
        """Its local branches."""
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()

    def worktrees(self) -> list[str]:
        """Its worktrees beside the first, by their folders."""
        lines = self.git("worktree", "list", "--porcelain").splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith("worktree ")][1:]

    def is_gone(self, workspace: Placed) -> bool:
        """Whether nothing of a worktree is left."""
        kept = [*self.folder.worktrees.iterdir()] if self.folder.worktrees.exists() else []
        left = [each for each in kept if each.name.startswith(Path(workspace.path).name)]
        return not left and workspace.branch not in self.branches() and not self.worktrees()


def commit(workspace: Placed, name: str = "new.txt", text: str = "new\n") -> str:
    """Commit a file in a worktree, as its actor would; the commit."""
    path = Path(workspace.root)
    (path / name).write_text(text)
    plain(path, "add", name)
    plain(path, "commit", "-qm", f"Write {name}")
    return plain(path, "rev-parse", "HEAD").strip()
