"""Git: the tool that looks into a repository, and can neither write nor run anything else.

Options of harmless commands write files or read any. So only commands that look are taken, and
options that do more are refused in every abbreviation; what a hostile repository names is
overruled as `leadhand.git` says.
"""

import asyncio
import os
import re
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from leadhand.git import LIST_NAMES, OVERRULED, environment, own_names, without_programs
from leadhand.processes import Finished
from leadhand.refusals import InvalidArguments, OutsideWorkspace, ToolFailed
from leadhand.spool import KEEP_BYTES_MAX
from leadhand.tool import Caller, Tool
from leadhand.tools.work import paths
from leadhand.tools.work.bash import with_end
from leadhand.tools.work.output import as_text, shown_output
from leadhand.tools.work.write import encoded

TIMEOUT_SECS = 60.0


class GitArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Git takes."""

    args: Annotated[
        list[str],
        Meta(
            min_length=1,
            max_length=1_000,
            description='The arguments of git, one by one: ["log", "--oneline", "-20"].',
        ),
    ]


class _Command(NamedTuple):
    """A command of git that looks.

    first: options put before the caller's. valued: short options that take a value, at which a
    bundle of short options ends. refused: short options that do more than look.
    """

    first: tuple[str, ...] = ()
    valued: str = ""
    refused: str = ""


_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv")
# A dirty submodule is found out by running git in it, under its own configuration.
_NO_SUBMODULES = ("--ignore-submodules=dirty",)
_DIFF_VALUED = "SGUMBCXIlLn"
_COMMANDS = {
    "blame": _Command(("--no-textconv",), "LMC", "S"),
    "diff": _Command((*_PLAIN_DIFF, *_NO_SUBMODULES), _DIFF_VALUED, "O"),
    "log": _Command(_PLAIN_DIFF, _DIFF_VALUED, "O"),
    "ls-files": _Command((), "x", "X"),
    "rev-parse": _Command(),
    "shortlog": _Command((), "wSGL", "O"),
    "show": _Command(_PLAIN_DIFF, _DIFF_VALUED, "O"),
    "status": _Command(_NO_SUBMODULES, "u", "v"),
}

# Options that run a program, write a file, or read one that is not in the repository.
_REFUSED = frozenset(
    "output ext-diff textconv no-index open-files-in-pager exec-path git-dir work-tree "
    "help help-all "
    "remerge-diff alternate-refs contents ignore-revs-file exclude-from pathspec-from-file "
    "recurse-submodules resolve-git-dir parseopt verbose order-file".split()
)
_REFUSED_VALUES = {
    "submodule": {"diff"},
    "diff-merges": {"r", "remerge"},
    "ignore-submodules": {"none", "untracked"},
}
# Git takes any unambiguous start of an option for it; these starts are options of their own.
_WHOLE = frozenset({"text", "exclude", "ignore-rev"})

_MAGIC = re.compile(r":(\([^)]*\)|[!^/]*)")


async def git(caller: Caller, args: GitArgs) -> str:
    """Run git and show what it printed and how it ended."""
    words = args.args[1:] if args.args[0] == "git" else args.args
    argv = await asyncio.to_thread(checked, caller, words)
    names = await _own_settings(caller)
    if "core.worktree" in names:
        await _check_worktree(caller)
    finished = await _run(caller, argv, OVERRULED | without_programs(names))
    text = await shown_output(caller, finished)
    if not text and argv[0] == "shortlog":
        text = 'Nothing. Name a revision: ["shortlog", ..., "HEAD"].'
    return with_end(text, finished)


def checked(caller: Caller, words: list[str]) -> list[str]:
    """The arguments as git gets them. Raises a refusal for those that do more than look."""
    for word in words:
        encoded(word, "args")
        if "\0" in word:
            raise InvalidArguments("args holds a NUL character.")
    command = _COMMANDS.get(words[0]) if words else None
    if command is None:
        name = paths.shown(words[0]) if words else "git without a command"
        raise InvalidArguments(
            f"{name} is not among the commands that Git takes.",
            f"The first of args is one of {', '.join(_COMMANDS)}; each further argument is one "
            "string of its own. Anything else is for Bash, where you have it.",
        )
    options = True
    for at, word in enumerate(words[1:], 1):
        if options and word.startswith("-") and word != "-":
            options = word != "--"
            following = words[at + 1] if at + 1 < len(words) else ""
            _check_option(words[0], command, word, following)
        else:
            _check_path(caller, word)
    rest = words[1:]
    end = rest.index("--") if "--" in rest else len(rest)
    if words[0] == "shortlog" and all(word.startswith("-") for word in rest[:end]):
        # Without a revision it would read a log from its input, which is empty.
        rest.insert(end, "HEAD")
    return [words[0], *command.first, *rest]


def _check_option(name: str, command: _Command, word: str, following: str) -> None:
    if not word.startswith("--"):
        for letter in word[1:]:
            if letter in command.refused:
                raise _refusal(name, word)
            if letter in command.valued:
                return
        return
    option, _, value = word[2:].partition("=")
    if not option or option in _WHOLE:
        return
    if option.startswith("no-no-") or any(full.startswith(option) for full in _REFUSED):
        raise _refusal(name, word)
    for full, values in _REFUSED_VALUES.items():
        if full.startswith(option) and (value in values or (not value and following in values)):
            raise _refusal(name, word)


def _refusal(name: str, word: str) -> InvalidArguments:
    return InvalidArguments(
        f"git {name} {paths.shown(word)}: Git only looks, and takes no option that runs a program, "
        "writes a file or reads one outside the repository (nor an abbreviation of one).",
        "Leave that option out, or spell it in full.",
    )


def _check_path(caller: Caller, word: str) -> None:
    """Refuse what could be a path that leads out; what else a word may mean stays inside."""
    asked = _MAGIC.sub("", word, count=1) if word.startswith(":") else word
    lexical = Path(os.path.normpath(caller.root / asked))
    given = (*caller.roots, *caller.readable)
    permitted = [*given, *(Path(os.path.realpath(place)) for place in given)]
    if lexical in permitted:
        return
    inside = any(lexical.is_relative_to(place) for place in permitted)
    if inside and os.path.lexists(lexical):
        parent = Path(os.path.realpath(lexical.parent))
        inside = any(parent.is_relative_to(place) for place in permitted)
    if not inside:
        raise OutsideWorkspace(f"{paths.shown(word)} is outside what you may use.")


async def _own_settings(caller: Caller) -> list[str]:
    """The names that the repository's own configuration sets."""
    finished = await _run(caller, [*LIST_NAMES], OVERRULED)
    if finished.exit_code != 0 or finished.dropped_bytes:
        text = as_text(finished.output).strip() or "its configuration cannot be read"
        raise ToolFailed(f"git: {text}")
    return own_names(finished.output)


async def _check_worktree(caller: Caller) -> None:
    """Refuse a repository that declares some other directory to be its worktree."""
    finished = await _run(caller, ["rev-parse", "--show-toplevel"], OVERRULED)
    top = Path(as_text(finished.output).strip())
    real = os.path.realpath(caller.root)
    if not (top.joinpath(".git").exists() and Path(real).is_relative_to(top)):
        raise OutsideWorkspace(
            f"The repository's configuration (core.worktree) points to {paths.shown(top)}."
        )


async def _run(caller: Caller, words: list[str], settings: dict[str, str]) -> Finished:
    try:
        return await caller.processes.run(
            ["git", "--no-pager", *words],
            actor_id=caller.actor_id,
            cwd=caller.root,
            env=environment(caller.env, settings),
            timeout_secs=TIMEOUT_SECS,
            keep_bytes=KEEP_BYTES_MAX,
        )
    except FileNotFoundError:
        raise ToolFailed("git is not installed, or your directory is gone.") from None
    except OSError as error:
        raise ToolFailed(f"git cannot be started: {error.strerror or error}.") from None


TOOL = Tool(
    name="Git",
    description=(
        "Look into the git repository of your directory: "
        f"{', '.join(_COMMANDS)}. args is a list, one string per argument, without a shell. It "
        "never changes anything, and the working trees of submodules are not looked into."
    ),
    args=GitArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="reads",
    category="git",
    handler=git,
)
