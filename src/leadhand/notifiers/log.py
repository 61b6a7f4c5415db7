"""Log: notices as JSON lines in a file, private to its user where it is new."""

import os
import stat
from pathlib import Path

import msgspec

from leadhand.apart import apart
from leadhand.errors import NotifyError
from leadhand.notifier import Notice


class Log:
    """Appends to a file. Other programs may move it away at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, notice: Notice) -> None:
        """See Notifier.send."""
        line = msgspec.json.encode(notice) + b"\n"
        try:
            await apart(lambda: self._append(line))
        except OSError as error:
            raise NotifyError(f"its file cannot be written ({error.strerror})") from error

    def _append(self, line: bytes) -> None:
        # A pipe that nobody reads would never open.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = os.open(self._path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise NotifyError("its path is not a regular file", retryable=False)
            while line:
                line = line[os.write(number, line) :]
        finally:
            os.close(number)
