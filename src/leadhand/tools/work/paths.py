"""Paths: what a tool may touch, resolved, checked, and opened without a gap in between.

A path is confined where it really leads, symlinks followed. Nothing is opened that is not a
regular file, and what was opened is checked again by the kernel's own name for it, so a link
swapped in between gains nothing.
"""

import difflib
import errno
import itertools
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from leadhand.domain.globs import claimed
from leadhand.refusals import OutsideClaim, OutsidePlan, OutsideWorkspace, ToolFailed
from leadhand.tool import Caller

_DELETED = " (deleted)"
_NAMES_LOOKED_AT = 2_000
_CLAIMS_SHOWN = 20
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a symbolic link"),
)


class Opened(NamedTuple):
    """An open regular file: the caller closes `fd`. `path` is where it really is."""

    fd: int
    path: Path
    size: int
    mode: int


def resolve(caller: Caller, path: str, *, write: bool = False) -> Path:
    """Where a path of the caller's really leads; it need not exist.

    Raises OutsideWorkspace where the caller may not read (or write) there, ToolFailed where the
    text is no path.
    """
    if not path:
        raise ToolFailed("The path is empty.")
    if "\0" in path:
        raise ToolFailed("The path holds a NUL character.")
    if path.startswith("~"):
        raise OutsideWorkspace(f"{shown(path)}: ~ is not expanded here.")
    try:
        real = Path(os.path.realpath(caller.root / path))
        os.fsencode(real)
    except (OSError, UnicodeError) as error:
        raise ToolFailed(f"{shown(path)} is not a usable path: {error}.") from None
    check(caller, real, path, write=write)
    return real


def check(caller: Caller, real: Path, asked: str, *, write: bool = False) -> None:
    """Raise OutsideWorkspace unless the caller may touch `real`, which holds no symlinks."""
    permitted = caller.roots if write else (*caller.roots, *caller.readable)
    if any(real.is_relative_to(os.path.realpath(root)) for root in permitted):
        return
    place = shown(asked)
    if os.path.normpath(caller.root / asked) != str(real):
        place += f" leads to {shown(real)}, which"
    only_read = write and any(real.is_relative_to(os.path.realpath(p)) for p in caller.readable)
    why = "may only be read" if only_read else "is outside what you may use"
    places = ", ".join(shown(root) for root in permitted)
    raise OutsideWorkspace(f"{place} {why}: {places}.")


def check_claim(caller: Caller, real: Path, asked: str) -> None:
    """Raise OutsideClaim where the caller claims what it writes, and `real` is none of it;
    OutsidePlan where it is not in the approved plan."""
    if real == caller.status_file:
        return
    root = Path(os.path.realpath(caller.root))
    inside = str(real.relative_to(root)) if real.is_relative_to(root) else None
    if caller.plan is not None and (inside is None or not caller.plan.lets(inside)):
        planned = ", ".join(shown(each) for each in caller.plan.resources[:_CLAIMS_SHOWN])
        raise OutsidePlan(f"{shown(asked)} is not in the plan that was approved: {planned}.")
    if not caller.writes or (inside is not None and claimed(caller.writes, inside)):
        return
    claims = ", ".join(shown(each) for each in caller.writes[:_CLAIMS_SHOWN])
    raise OutsideClaim(f"{shown(asked)} is not among what you may write: {claims}.")


def below_root(caller: Caller, real: Path) -> Path:
    """A resolved path, seen from the root that it lies in."""
    roots = [Path(os.path.realpath(root)) for root in caller.roots]
    return next((real.relative_to(root) for root in roots if real.is_relative_to(root)), real)


def open_file(caller: Caller, path: str) -> Opened:
    """Open a regular file that the caller may read, and nothing else.

    Raises OutsideWorkspace, or ToolFailed with what is there instead or what is named alike.
    """
    real = resolve(caller, path)
    try:
        return _open(caller, real, path)
    except FileNotFoundError:
        raise ToolFailed(f"There is no file {shown(path)}.", alike(real)) from None
    except NotADirectoryError:
        raise ToolFailed(f"There is no file {shown(path)}: a part of it is a file.") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ToolFailed(f"{shown(path)} is {kind(real)}.") from None
        raise failed("be read", path, error) from None


def _open(caller: Caller, real: Path, asked: str) -> Opened:
    # O_PATH takes hold of whatever is there without opening it: a FIFO or device feels nothing.
    hold_flags = getattr(os, "O_PATH", os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
    hold = os.open(real, hold_flags)
    try:
        status = os.fstat(hold)
        if not stat.S_ISREG(status.st_mode):
            what = kind_of(status.st_mode)
            where = shown(str(real))
            todo = (
                f"List it with Glob (pattern `*`, path `{where}`)."
                if what[2:] == "directory"
                else ""
            )
            raise ToolFailed(f"{shown(asked)} is {what}, not a file.", todo)
        held = f"/proc/self/fd/{hold}"
        if not Path("/proc/self/fd").is_dir():
            return Opened(os.dup(hold), real, status.st_size, status.st_mode)
        check(caller, Path(_real_name(held)), asked)
        fd = os.open(held, os.O_RDONLY | os.O_CLOEXEC)
        return Opened(fd, real, status.st_size, status.st_mode)
    finally:
        os.close(hold)


def open_parent(caller: Caller, real: Path, asked: str) -> int:
    """The directory of `real`, open and checked: names in it are then used relative to it."""
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(real.parent, flags)
    try:
        held = f"/proc/self/fd/{fd}"
        if Path("/proc/self/fd").is_dir():
            check(caller, Path(_real_name(held)), asked, write=True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _real_name(held: str) -> str:
    # A file that was replaced while we held it has this added to its name.
    return str(Path(held).readlink()).removesuffix(_DELETED)


def kind_of(mode: int) -> str:
    """What a mode's file is, with its article."""
    for is_kind, name in _KINDS:
        if is_kind(mode):
            return name
    return "a file"


def kind(path: Path) -> str:
    """What is there, with its article; `nothing` where nothing is."""
    try:
        return kind_of(path.lstat().st_mode)
    except OSError:
        return "nothing"


def alike(real: Path) -> str:
    """What to say to someone who asked for a file that is not there: names that are near."""
    parent = real.parent
    missing = real
    while not parent.is_dir() and parent != parent.parent:
        missing, parent = parent, parent.parent
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in itertools.islice(entries, _NAMES_LOOKED_AT)]
    except OSError:
        return ""
    near = _nearest(missing.name, names)
    where = "" if missing == real else f"There is no {shown(missing.name)} in {shown(parent)}. "
    return where + (f"Did you mean {', '.join(near)}?" if near else "Look for it with Glob.")


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    stem = name.casefold().rpartition(".")[0] or name.casefold()
    same = [key for key in folded if key.rpartition(".")[0] == stem and key not in close]
    return [shown(folded[key]) for key in [*close, *same][:3]]


def failed(verb: str, path: str | Path, error: OSError) -> ToolFailed:
    """A refusal that says what the system said."""
    return ToolFailed(f"{shown(path)} cannot {verb}: {error.strerror or error}.")


def shown(path: str | Path) -> str:
    """A path as text that cannot pass for something else: control characters are escaped."""
    text = str(path)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def relative(caller: Caller, path: Path) -> str:
    """A path as its caller would write it: relative where it is inside its root."""
    root = os.path.realpath(caller.root)
    return shown(path.relative_to(root) if path.is_relative_to(root) else path)
