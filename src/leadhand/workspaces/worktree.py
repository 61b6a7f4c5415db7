"""Worktree: a git worktree and a branch for each actor that is to have them.

Law: no commit and no file that is held nowhere else is removed. A worktree goes only while it is
clean and another ref contains its branch, which is locked in the very transaction that deletes the
branch: where two runs each hold the other's work, one of them keeps it.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

from leadhand.domain.commands import RecordWorkspace
from leadhand.domain.ids import ActorId
from leadhand.domain.rules.workspace import usual_branch
from leadhand.domain.state import Workspace
from leadhand.errors import WorkspaceError
from leadhand.folder import Folder
from leadhand.git import LOOK_SECS, OVERRULED, Bare, Git, Where, environment
from leadhand.keeper import RUN_MARK
from leadhand.processes import Processes, clean_environment
from leadhand.workspaces import holds
from leadhand.workspaces import source as sources

MAKE_SECS = 600.0
# With less than this a disk is full.
ROOM_BYTES = 1_000_000
# So many gits are at work at once, however many actors begin.
AT_ONCE_MAX = 4
DELETIONS_MAX = 5
LOCKED_SECS, LOCK_LOOK_SECS = 2.0, 0.05
# Where the user says which repositories are trusted, and what is ignored.
_USERS_OWN = ("GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME")
_NO_WORKTREE = "is not a working tree"
_HALF_MADE = "lock reason: initializing"


class Worktrees:
    """The worktrees of one run, in its folder. See `workspace.Workspaces`."""

    def __init__(
        self, run_id: str, folder: Folder, processes: Processes, environ: Mapping[str, str]
    ) -> None:
        self._run_id, self._processes = run_id, processes
        # Git writes down where a worktree really is.
        self._folder = Folder(folder.path.resolve())
        own = {name: environ[name] for name in _USERS_OWN if name in environ}
        self._env = clean_environment(environ, own)
        self._turns, self._adding = asyncio.Semaphore(AT_ONCE_MAX), asyncio.Lock()
        # One after the other: each must see what the last one left to hold it.
        self._tidying = asyncio.Lock()

    async def fits(self, directory: Path) -> bool:
        """Whether the last commit of a git work-tree holds the directory."""
        source = directory.resolve()
        if sources.top_of(source) is None:
            return False
        return await asyncio.to_thread(self._is_committed, source)

    def _is_committed(self, source: Path) -> bool:
        # Also asked before the run has an owner, so it is none of the run's processes.
        env = environment(self._env, OVERRULED) | {RUN_MARK: self._run_id}
        try:
            done = subprocess.run(
                ["git", "cat-file", "-t", "HEAD:./"],
                cwd=source,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LOOK_SECS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.stdout == b"tree\n"

    def place(self, actor: ActorId, directory: Path) -> Path:
        """See `workspace.Workspaces.place`."""
        source = directory.resolve()
        top = sources.top_of(source) or source
        return self._folder.worktree(actor) / source.relative_to(top)

    async def choose(self, actor: ActorId, directory: Path, branch: str) -> RecordWorkspace:
        """See `workspace.Workspaces.choose`."""
        source = directory.resolve()
        if not source.is_dir():
            raise WorkspaceError(f"{source} is not a directory")
        async with self._turns:
            git = self._git(actor)
            top = await sources.checked_top(git, source)
            base = await sources.checked_commit(git, source, top)
            await sources.check_branch(git, source, branch)
            common = ("rev-parse", "--path-format=absolute", "--git-common-dir")
            repository = await git.look(source, *common)
            return RecordWorkspace(
                actor,
                branch=branch,
                base=base,
                repository=recorded(repository.removesuffix("\n")),
                inner=recorded("" if source == top else str(source.relative_to(top))),
                notes=tuple([note async for note in sources.lacking(git, source)]),
            )

    async def make(self, actor: ActorId, workspace: Workspace) -> None:
        """See `workspace.Workspaces.make`."""
        path = self._folder.worktree(actor)
        root = path / workspace.inner
        async with self._turns:
            git = self._git(actor)
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                await free(workspace)
                if workspace.state == "made":
                    await self._make_again(git, workspace, path)
                else:
                    await self._make_anew(git, workspace, path)
            except OSError as error:
                raise WorkspaceError(f"{path} cannot be made: {error.strerror or error}") from error
        # A commit may have put a link there, which leads to anywhere.
        if not root.is_dir() or root.resolve() != root:
            raise WorkspaceError(f"{root} is not a directory of the worktree")

    async def _make_anew(self, git: Git, workspace: Workspace, path: Path) -> None:
        source = Path(workspace.source)
        await self._forget(git, workspace, path)
        tip = await self._tip(git, workspace)
        if tip is None:
            await git.do(source, "branch", "--no-track", workspace.branch, workspace.base)
        elif tip != workspace.base:
            raise WorkspaceError(f'somebody has just made a branch "{workspace.branch}"')
        # From the directory itself, whose sparse checkout is taken over.
        await self._add(git, workspace, path, source)

    async def _make_again(self, git: Git, workspace: Workspace, path: Path) -> None:
        repository = Path(workspace.repository)
        if os.path.lexists(path):
            if holds.admin_of(path, repository) is None:
                await git.do(Bare(repository), "worktree", "repair", str(path))
            if holds.admin_of(path, repository) is None:
                raise WorkspaceError(f"{path} is no worktree of {repository} any more")
            return
        if await self._tip(git, workspace) is None:
            raise WorkspaceError(
                f'its worktree {path} and its branch "{workspace.branch}" are both gone'
            )
        await self._forget(git, workspace, path)
        source = Path(workspace.source)
        await self._add(git, workspace, path, source if source.is_dir() else Bare(repository))

    async def _add(self, git: Git, workspace: Workspace, path: Path, where: Where) -> None:
        # Git stumbles over a worktree that another one is just adding: one at a time, and quickly.
        words = ("worktree", "add", "-q", "--no-checkout", "--", str(path), workspace.branch)
        async with self._adding:
            await git.do(where, *words)
        fill = ("reset", "-q", "--hard", "--no-recurse-submodules")
        try:
            await git.do(path, *fill, timeout_secs=MAKE_SECS)
        except WorkspaceError as error:
            free = shutil.disk_usage(path).free
            if free >= ROOM_BYTES:
                raise
            raise WorkspaceError(
                f"{error.message} (the disk is full: {free:,} bytes left)"
            ) from error

    async def tidy(self, actor: ActorId, workspace: Workspace) -> str:
        """See `workspace.Workspaces.tidy`."""
        path = self._folder.worktree(actor)
        async with self._tidying:
            if not Path(workspace.repository).is_dir():
                raise WorkspaceError(f"its repository {workspace.repository} is gone")
            git = self._git(actor)
            try:
                why = [each async for each in self._reasons(git, workspace, path)]
                if why:
                    return "; ".join(why)
                await self._forget(git, workspace, path)
            except OSError as error:
                raise WorkspaceError(f"{path}: {error.strerror or error}") from error
            return await self._delete_branch(git, actor, workspace)

    async def _reasons(self, git: Git, workspace: Workspace, path: Path) -> AsyncIterator[str]:
        """What would be lost with a worktree and its branch."""
        commits = [await self._tip(git, workspace)]
        if os.path.lexists(path) and workspace.state != "chosen":
            why = [each async for each in holds.unclean(git, path, Path(workspace.repository))]
            for each in why:
                yield each
            # Its own folder may be nobody knows whose, where something is wrong with it.
            commits += [] if why else [await holds.head_of(git, path)]
        for commit in dict.fromkeys(each for each in commits if each):
            if alone := await holds.alone(git, workspace, commit):
                yield alone
        if place := await holds.elsewhere(git, workspace, path):
            yield f"its branch is checked out in {place}"

    async def _delete_branch(self, git: Git, actor: ActorId, workspace: Workspace) -> str:
        """Delete the branch if something else holds it; else why it stays."""
        named = workspace.branch != usual_branch(self._run_id, actor)
        if workspace.state == "chosen" and named:
            return ""  # Perhaps it is somebody else's.
        await free(workspace)
        why = "what holds its branch changes all the time"
        for _ in range(DELETIONS_MAX):
            tip = await self._tip(git, workspace)
            if tip is None:
                return ""
            if alone := await holds.alone(git, workspace, tip):
                return alone
            holder = await holds.holder(git, workspace, tip)
            if holder is None:
                continue
            try:
                await holds.delete_branch(git, workspace, tip, holder)
            except WorkspaceError as error:
                # What held it may have gone on, or away.
                why = f"its branch cannot be deleted: {error.message}"
            else:
                return ""
        return why

    async def _forget(self, git: Git, workspace: Workspace, path: Path) -> None:
        """Remove a worktree that holds nothing, however far it was made or removed before."""
        leaving = path.with_name(f"{path.name}.gone")
        # In one step, so that a crash leaves either all of it or what is known to hold nothing.
        await asyncio.to_thread(remove_tree, leaving)
        if os.path.lexists(path):
            path.rename(leaving)
            await asyncio.to_thread(remove_tree, leaving)
        repository = Bare(Path(workspace.repository))
        for attempt in range(2):
            try:
                await git.do(repository, "worktree", "remove", str(path))
            except WorkspaceError as error:
                if _NO_WORKTREE in error.message:
                    return
                if attempt or _HALF_MADE not in error.message:
                    raise
                await git.do(repository, "worktree", "unlock", str(path))
            else:
                return

    async def _tip(self, git: Git, workspace: Workspace) -> str | None:
        """The commit of the branch; None where there is no such branch."""
        ref = f"refs/heads/{workspace.branch}"
        repository = Bare(Path(workspace.repository))
        said = await git.ask(repository, "rev-parse", "--verify", "-q", ref)
        return said.strip() if said else None

    def _git(self, actor: ActorId) -> Git:
        return Git(self._processes, self._env, actor)


async def free(workspace: Workspace) -> None:
    """Take away the lock that a git left on a branch when it was killed with its owner: one that
    stays for longer than any living git holds it. No session of the actor is open meanwhile."""
    lock = Path(workspace.repository, "refs", "heads", f"{workspace.branch}.lock")
    until = time.monotonic() + LOCKED_SECS
    with suppress(FileNotFoundError, NotADirectoryError):
        seen = lock.stat().st_ino
        while lock.stat().st_ino == seen:
            if time.monotonic() > until:
                lock.unlink()
            await asyncio.sleep(LOCK_LOOK_SECS)


def recorded(path: str) -> str:
    """A path that an event can hold. Raises WorkspaceError where it is no text."""
    try:
        path.encode()
    except UnicodeError as error:
        raise WorkspaceError("the path of the directory holds bytes that are no text") from error
    return path


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, also what was made read-only. Raises OSError."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o700)
        shutil.rmtree(path)
