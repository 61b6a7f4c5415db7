"""Blobs: a folder of files named by the digest of their content.

Law: a file stands under its name only once it is whole and on the disk.
"""

import fcntl
import os
import sys
import tempfile
from pathlib import Path

from leadhand.errors import StoreError
from leadhand.stores.checks import check_content, check_digest, digest_of
from leadhand.stores.sqlite_file import explained


class BlobFolder:
    """The blobs of one run: `<folder>/<first 2 digits>/<digest>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep data durably; the same data again costs no second file."""
        digest = digest_of(data)
        path = self._path(digest)
        with explained(path):
            if not self._is_whole(path, data):
                self._write(path, data)
            # Also where the file was there: who renamed it may not have come to its fsync.
            sync_folder(path.parent)
        return digest

    def get(self, digest: str) -> bytes:
        """The data; StoreError where it is missing or no longer what its name says."""
        check_digest(digest)
        path = self._path(digest)
        with explained(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError as error:
                raise StoreError(f"{path}: this blob is missing.") from error
        check_content(data, digest, str(path))
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _is_whole(self, path: Path, data: bytes) -> bool:
        try:
            return path.stat().st_size == len(data) and path.read_bytes() == data
        except FileNotFoundError:
            return False

    def _write(self, path: Path, data: bytes) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._folder)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                sync_file(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def sync_file(descriptor: int) -> None:
    """Wait until what was written is on the disk."""
    # On macOS fsync stops at the drive's cache.
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
