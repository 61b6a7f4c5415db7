"""Source: the directory that a worktree is made of: whether it can be, and what it will lack."""

from collections.abc import AsyncIterator
from pathlib import Path

from leadhand.errors import WorkspaceError
from leadhand.git import Git, printable

SHARED = "or set use_worktree = false to work in the directory itself"
SHOWN_MAX = 5
STATUS = ("status", "--porcelain", "-z", "--no-renames")


def top_of(directory: Path) -> Path | None:
    """The top of the work-tree that a directory is in, by the look of it."""
    for place in (directory, *directory.parents):
        if (place / ".git").exists():
            return place
    return None


async def checked_top(git: Git, source: Path) -> Path:
    """The top of the directory's work-tree. Raises WorkspaceError where there is none."""
    try:
        said = await git.look(source, "rev-parse", "--show-toplevel")
    except WorkspaceError as error:
        raise WorkspaceError(
            f"{source} is in no git work-tree ({error.message}): name another directory, {SHARED}"
        ) from error
    found = Path(said.removesuffix("\n"))
    if found != top_of(source):
        raise WorkspaceError(
            f"the repository of {source} has its work-tree elsewhere, in {printable(str(found))}"
        )
    return found


async def checked_commit(git: Git, source: Path, top: Path) -> str:
    """The commit that is checked out, which holds the directory. Raises WorkspaceError."""
    commit = await git.ask(source, "rev-parse", "--verify", "-q", "HEAD^{commit}")
    if commit is None:
        raise WorkspaceError(f"{top} has no commit yet: commit something, {SHARED}")
    kind = await git.ask(source, "cat-file", "-t", "HEAD:./")
    if kind != "tree\n":
        raise WorkspaceError(f"{source} is not in the last commit of {top}: commit it, {SHARED}")
    return commit.strip()


async def check_branch(git: Git, source: Path, branch: str) -> None:
    """Raises WorkspaceError where no branch of this name can be made."""
    ref = f"refs/heads/{branch}"
    if branch.startswith("-") or await git.ask(source, "check-ref-format", ref) is None:
        raise WorkspaceError(f'"{branch}" is no name for a branch')
    mend = f"name another in `branch`, {SHARED}"
    names = branch.split("/")
    for count in range(1, len(names)):
        above = "/".join(names[:count])
        if await git.ask(source, "rev-parse", "--verify", "-q", f"refs/heads/{above}"):
            raise WorkspaceError(
                f'the branch "{above}" leaves no room for a branch "{branch}": rename it, {mend}'
            )
    if await git.ask(source, "for-each-ref", "--count=1", "--format=%(refname)", ref):
        raise WorkspaceError(f'there is a branch "{branch}" already: merge and delete it, {mend}')


async def lacking(git: Git, source: Path) -> AsyncIterator[str]:
    """What a worktree will lack of its directory, in sentences."""
    look = await git.ask(source, *STATUS, "--untracked-files=normal", "--ignore-submodules=dirty")
    if look is None:
        yield f"changes in {source} that are not committed, if any, are not in it"
    elif changed := [printable(entry[3:]) for entry in look.split("\0") if entry]:
        yield f"what is not committed in {source} is not in it: {some(changed)}"
    modules = await git.ask(
        source,
        "config",
        "-z",
        "--blob",
        "HEAD:.gitmodules",
        "--get-regexp",
        r"^submodule\..*\.path$",
    )
    if modules:
        paths = [printable(entry.partition("\n")[2]) for entry in modules.split("\0") if entry]
        yield f"its submodules are empty: {some(paths)}"
    names = await git.own_names(source)
    drivers = {name.split(".")[1] for name in names if name.startswith("filter.")}
    if drivers:
        yield (
            "files that a filter of the repository's own converts are as they are stored: "
            f"{some(sorted(map(printable, drivers)))}"
        )


def some(names: list[str]) -> str:
    """The first of some names, and how many there are beside them."""
    more = len(names) - SHOWN_MAX
    return ", ".join(names[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
