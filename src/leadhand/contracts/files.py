"""Files: what is looked at of the files that a contract is about, each opened once and bounded."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

# More of one file is not looked at.
SIZE_MAX = 268_435_456
_CHUNK_BYTES = 1_048_576


class NoFile(Exception):
    """Why there is no file to look at."""


def opened(root: Path, name: str) -> int:
    """A regular file inside of a directory, open for reading; a link may lead to one inside.
    Raises NoFile."""
    real = Path(os.path.realpath(root / name))
    if not real.is_relative_to(os.path.realpath(root)):
        raise NoFile("leads out of the directory")
    try:
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NoFile("is not there") from None
    except (OSError, ValueError) as error:
        raise NoFile(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NoFile("is no file")
    return fd


def size(root: Path, name: str) -> int:
    """How many bytes a file has. Raises NoFile."""
    fd = opened(root, name)
    try:
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def chunks(root: Path, name: str) -> Iterator[bytes]:
    """What a file holds, piece by piece. Raises NoFile, also where it is too long."""
    with os.fdopen(opened(root, name), "rb") as file:
        left = SIZE_MAX
        while data := file.read(_CHUNK_BYTES):
            left -= len(data)
            if left < 0:
                raise NoFile(f"has more than {SIZE_MAX:,} bytes")
            yield data


def digest(root: Path, name: str) -> str:
    """The SHA-256 of a file; empty where there is none to read."""
    found = hashlib.sha256()
    try:
        for chunk in chunks(root, name):
            found.update(chunk)
    except (NoFile, OSError):
        return ""
    return found.hexdigest()


def found_in(root: Path, name: str, texts: list[bytes]) -> Iterator[int]:
    """The places of the texts that a file holds. Raises NoFile."""
    longest = max(map(len, texts), default=1)
    left, kept = dict(enumerate(texts)), b""
    for chunk in chunks(root, name):
        data = kept + chunk
        for place in [place for place, text in left.items() if text in data]:
            del left[place]
            yield place
        if not left:
            return
        # A text may lie across two pieces.
        kept = data[-(longest - 1) :] if longest > 1 else b""
