"""Status file: the report of a worker without the tool for it, read as a stranger's."""

import os
import stat
from pathlib import Path

import msgspec

from leadhand.contracts.report_form import ReportForm, delivered
from leadhand.domain.contract import Delivery
from leadhand.domain.text import one_line
from leadhand.errors import WorkspaceError

SIZE_MAX = 262_144


class StatusFault(ValueError):
    """What is wrong with a status file."""


def make_folder(folder: Path) -> None:
    """Make the folder of status files, for its owner alone. Raises WorkspaceError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or not folder.is_dir():
            raise WorkspaceError(f"the folder of status files {folder} is no directory")
        folder.chmod(0o700)
    except OSError as error:
        why = error.strerror or str(error)
        raise WorkspaceError(f"the folder of status files {folder} cannot be made: {why}") from None


def forget(path: Path) -> None:
    """Remove what an earlier stint left, so that it does not count for the next. Raises
    WorkspaceError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"an old status file {path} cannot be removed: {error.strerror or error}"
        ) from None


def read(path: Path) -> Delivery | None:
    """What a status file says; None where there is none. Raises StatusFault.

    Only a regular file is read, no link is followed, and no more than SIZE_MAX bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise StatusFault("is a symbolic link") from None
        raise StatusFault(f"cannot be read: {error.strerror or error}") from None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise StatusFault("is not a regular file")
        if status.st_size > SIZE_MAX:
            raise StatusFault(f"has {status.st_size} bytes, at most {SIZE_MAX} are read")
        data = file.read(SIZE_MAX + 1)
    if len(data) > SIZE_MAX:
        raise StatusFault(f"has more than {SIZE_MAX} bytes")
    try:
        return delivered(msgspec.json.decode(data, type=ReportForm))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StatusFault(one_line(str(error), 300)) from None
