"""Git: how git is run in a repository that may be hostile.

A repository's configuration and attributes name programs that git would run: hooks, monitors,
filters, converters, pagers, transports. What its own configuration says of programs is overruled;
what the user's says is the user's. Nothing is fetched, and nobody is asked for a password.
"""

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from leadhand.domain.text import one_line
from leadhand.errors import WorkspaceError
from leadhand.processes import Finished, Processes
from leadhand.spool import KEEP_BYTES_MAX

LOOK_SECS = 60.0
# Another git may be at work in the same repository; it is waited for as long as this.
PAUSES_SECS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
# The second is of a worktree that another git is just making.
_BUSY = re.compile(r"\.lock': File exists|failed to read \S+/worktrees/\S+")

# Its output is for own_names().
LIST_NAMES = ("config", "--list", "--show-scope", "--name-only", "-z")

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
}
OVERRULED = {
    "color.ui": "false",
    "column.ui": "never",
    "core.alternateRefsCommand": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "diff.autoRefreshIndex": "false",
    "diff.submodule": "short",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "false",
    "log.diffMerges": "separate",
    "log.showSignature": "false",
    "safe.bareRepository": "explicit",
    "status.submoduleSummary": "false",
}
# What would have our own git look away, write more than it is asked to, or give up early.
UNDISTURBED = {
    "branch.autoSetupMerge": "false",
    "core.filesRefLockTimeout": "5000",
    "core.ignoreStat": "false",
    "core.packedRefsTimeout": "5000",
    "core.untrackedCache": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "worktree.useRelativePaths": "false",
}
# Messages are read, so they are to be in English; a file that LFS has not got stays a pointer.
MESSAGES = {"LC_ALL": "C", "LANGUAGE": "", "GIT_LFS_SKIP_DOWNLOAD_ERRORS": "1"}
_OWN_SCOPES = ("local", "worktree")


def own_names(listed: bytes) -> list[str]:
    """The names that the repository's own configuration sets, from the output of LIST_NAMES."""
    fields = listed.decode("utf-8", "surrogateescape").split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return [name for scope, name in pairs if scope in _OWN_SCOPES]


def without_programs(names: Sequence[str]) -> dict[str, str]:
    """The settings that take the programs out of the repository's own filters and hooks."""
    sections = {name.rpartition(".")[0] for name in names if name.count(".") > 1}
    drivers = sorted(section for section in sections if section.startswith("filter."))
    hooks = sorted(section for section in sections if section.startswith("hook."))
    nothing = (("process", ""), ("clean", ""), ("smudge", ""), ("required", "false"))
    return {f"{driver}.{key}": value for driver in drivers for key, value in nothing} | {
        f"{hook}.enabled": "false" for hook in hooks
    }


def environment(base: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a git that is to see these settings before all others."""
    kept = {
        name: value
        for name, value in base.items()
        if not name.startswith("GIT_") or name == "GIT_CONFIG_GLOBAL"
    }
    # Not -c: it would end a name at its first "=", and names may hold one.
    values = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        values |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | ENVIRONMENT | values


class Bare(Struct, frozen=True):
    """A repository by git's own folder of it, whatever its work-trees are."""

    folder: Path


Where = Path | Bare


class Git:
    """Runs git for one actor, in a work-tree (a Path in it) or a Bare repository.

    What the repository's own configuration sets is read once, so use one for each deed.
    """

    def __init__(self, processes: Processes, env: Mapping[str, str], actor_id: str) -> None:
        self._processes, self._env, self._actor_id = processes, env, actor_id
        self._settings: dict[Where, dict[str, str]] = {}

    async def ask(self, where: Where, *words: str) -> str | None:
        """What git prints beside its messages; None where its answer is no."""
        settings = await self._settings_in(where)
        finished = await self._run(where, words, settings, with_errors=False)
        return text_of(finished) if is_whole(finished) else None

    async def look(self, where: Where, *words: str) -> str:
        """What git prints beside its messages, of what only reads. Raises WorkspaceError, with its
        words, where it fails."""
        settings = await self._settings_in(where)
        for pause in (*PAUSES_SECS, 0.0):
            finished = await self._run(where, words, settings, with_errors=False)
            if is_whole(finished):
                return text_of(finished)
            failed = await self._run(where, words, settings)
            if not is_busy(failed) and not is_whole(failed):
                raise failure(words, failed)
            await asyncio.sleep(pause)
        raise WorkspaceError(f"git {words[0]} cannot be read while others write there")

    async def do(
        self, where: Where, *words: str, stdin: str = "", timeout_secs: float = LOOK_SECS
    ) -> None:
        """Let git change something. Raises WorkspaceError, with its words, where it fails."""
        settings = await self._settings_in(where)
        for pause in (*PAUSES_SECS, 0.0):
            finished = await self._run(
                where, words, settings, stdin=stdin, timeout_secs=timeout_secs
            )
            if finished.exit_code == 0:
                return
            if not pause or not is_busy(finished):
                raise failure(words, finished)
            await asyncio.sleep(pause)

    async def own_names(self, where: Where) -> list[str]:
        """The names that the repository's own configuration sets. Raises WorkspaceError."""
        finished = await self._run(where, LIST_NAMES, OVERRULED, with_errors=False)
        if finished.exit_code != 0 or finished.dropped_bytes:
            failed = await self._run(where, ("rev-parse", "--git-dir"), OVERRULED)
            said = printable(text_of(failed)) if failed.exit_code else ""
            raise WorkspaceError(one_line(said, 500) or "its configuration cannot be read")
        return own_names(finished.output)

    async def _settings_in(self, where: Where) -> dict[str, str]:
        if where not in self._settings:
            programs = without_programs(await self.own_names(where))
            self._settings[where] = OVERRULED | UNDISTURBED | programs
        return self._settings[where]

    async def _run(
        self,
        where: Where,
        words: Sequence[str],
        settings: Mapping[str, str],
        *,
        stdin: str = "",
        timeout_secs: float = LOOK_SECS,
        with_errors: bool = True,
    ) -> Finished:
        bare = isinstance(where, Bare)
        folder = where.folder if isinstance(where, Bare) else where
        given = held(stdin) if stdin else subprocess.DEVNULL
        try:
            return await self._processes.run(
                ["git", "--no-pager", *([f"--git-dir={folder}"] if bare else []), *words],
                actor_id=self._actor_id,
                cwd=folder,
                env=environment(self._env, settings) | MESSAGES,
                timeout_secs=timeout_secs,
                keep_bytes=KEEP_BYTES_MAX,
                stdin=given,
                with_errors=with_errors,
            )
        except FileNotFoundError:
            raise WorkspaceError(f"git is not installed, or {folder} is gone") from None
        except OSError as error:
            raise WorkspaceError(f"git cannot be started: {error.strerror or error}") from None
        finally:
            if stdin:
                os.close(given)


def held(text: str) -> int:
    """The end of a pipe from which a text can be read; far less than a pipe holds."""
    read_end, write_end = os.pipe()
    os.write(write_end, os.fsencode(text))
    os.close(write_end)
    return read_end


def is_whole(finished: Finished) -> bool:
    """Whether git did what it was asked, and all that it printed is there."""
    return finished.exit_code == 0 and not finished.dropped_bytes


def is_busy(finished: Finished) -> bool:
    """Whether git failed because another one is at work in the repository."""
    return finished.exit_code != 0 and _BUSY.search(text_of(finished)) is not None


def failure(words: Sequence[str], finished: Finished) -> WorkspaceError:
    """The error of a git that failed."""
    if finished.timed_out:
        return WorkspaceError(f"git {words[0]} took too long")
    if finished.dropped_bytes:
        return WorkspaceError(f"git {words[0]} printed more than can be read")
    # Long enough for what is said of paths of any length.
    said = one_line(printable(text_of(finished)), 10_000)
    return WorkspaceError(said or f"git {words[0]} failed")


def text_of(finished: Finished) -> str:
    """What git printed; a byte that is no text is kept as a surrogate."""
    return finished.output.decode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """A text without surrogates, as events need it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
