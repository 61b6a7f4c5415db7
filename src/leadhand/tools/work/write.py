"""Write: the tool that makes or replaces a file, whole or not at all."""

import asyncio
import hashlib
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from leadhand.refusals import InvalidArguments, OutsideWorkspace, ToolFailed
from leadhand.tool import Caller, Tool
from leadhand.tools.work import paths

# Calls of one turn run at once: two changes of one file must not overlap.
_LOCKS = tuple(threading.Lock() for _ in range(64))


class WriteArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Write takes."""

    file_path: Annotated[str, Meta(description="The file, relative to your directory or absolute.")]
    content: Annotated[str, Meta(description="All that the file shall hold.")]


async def write(caller: Caller, args: WriteArgs) -> str:
    """Make or replace a file."""
    data = encoded(args.content, "content")
    return await asyncio.to_thread(_write, caller, args.file_path, data)


def _write(caller: Caller, path: str, data: bytes) -> str:
    real = writable(caller, path)
    if path.endswith("/"):
        raise ToolFailed(f"{paths.shown(path)} names a directory, not a file.")
    with lock(real):
        try:
            real.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise paths.failed("be written", path, error) from None
        replaced = replace(caller, real, path, data)
    lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    verb = "Replaced" if replaced else "Created"
    size = f"{lines} {'line' if lines == 1 else 'lines'}, {len(data)} bytes"
    return f"{verb} {paths.relative(caller, real)} ({size})."


def encoded(text: str, name: str) -> bytes:
    """A text of the model's as the bytes of a file."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArguments(f"{name} holds half of a surrogate pair: not a text.") from None


def lock(real: Path) -> threading.Lock:
    """What to hold while a file is changed."""
    return _LOCKS[hash(real) % len(_LOCKS)]


def writable(caller: Caller, path: str) -> Path:
    """Where a path leads that the caller may write. Git's own files are git's."""
    real = paths.resolve(caller, path, write=True)
    if any(part.casefold() == ".git" for part in paths.below_root(caller, real).parts):
        raise OutsideWorkspace(
            f"{paths.shown(path)} belongs to git, which runs what it finds there.",
            "Leave git's own files to git.",
        )
    paths.check_claim(caller, real, path)
    return real


def replace(caller: Caller, real: Path, asked: str, data: bytes) -> bool:
    """Put data in place of a file in one step, keeping its mode; True if there was one.

    The file is made beside its target, synced, and renamed over it: whoever looks sees the old
    or the new, and a crash leaves one of them.
    """
    try:
        folder = paths.open_parent(caller, real, asked)
    except OSError as error:
        raise paths.failed("be written", asked, error) from None
    try:
        old = _status(folder, real.name)
        if old is not None and not stat.S_ISREG(old.st_mode):
            raise ToolFailed(f"{paths.shown(asked)} is {paths.kind_of(old.st_mode)}, not a file.")
        if old is not None and not os.access(real.name, os.W_OK, dir_fd=folder):
            raise ToolFailed(f"{paths.shown(asked)} is read-only.")
        _swap(folder, real.name, passing(caller, real.name), data, old)
    except OSError as error:
        raise paths.failed("be written", asked, error) from None
    finally:
        os.close(folder)
    return old is not None


def passing(caller: Caller, name: str) -> str:
    """What a call names the file that it makes beside its target: a later process knows it too."""
    call = f"{caller.processes.run_id} {caller.call_id} {name}"
    return (
        f".leadhand.{hashlib.sha256(call.encode(errors='backslashreplace')).hexdigest()[:16]}.tmp"
    )


def tidy(caller: Caller, args: Any) -> None:
    """Remove the file beside its target that a killed call of Write or Edit left."""
    real = writable(caller, args.file_path)
    folder = paths.open_parent(caller, real, args.file_path)
    try:
        with suppress(FileNotFoundError):
            os.unlink(passing(caller, real.name), dir_fd=folder)
    finally:
        os.close(folder)


def _swap(folder: int, name: str, beside: str, data: bytes, old: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(beside, flags, 0o666 if old is None else 0o600, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            if old is not None:
                _keep_owner(fd, old)
                os.fchmod(fd, stat.S_IMODE(old.st_mode))
            file.flush()
            os.fsync(fd)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(beside, dir_fd=folder)
        raise


def _keep_owner(fd: int, old: os.stat_result) -> None:
    new = os.fstat(fd)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(fd, old.st_uid, old.st_gid)
        except PermissionError:
            return


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


TOOL = Tool(
    name="Write",
    description=(
        "Make a file, or replace all of one. Missing directories are made. To change a part of a "
        "file use Edit."
    ),
    args=WriteArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="effects",
    category="file",
    handler=write,
    tidy=tidy,
)
