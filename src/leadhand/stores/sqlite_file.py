"""Database files: made privately, opened without being made, checked to be ours, explained.

Law: a file that is not ours, or newer than we are, is never written to.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadhand.errors import StoreError
from leadhand.store import FORMAT

RUN_DB, INBOX_DB = "run.db", "inbox.db"

RUN_SCHEMA = """
CREATE TABLE run (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    head BLOB NOT NULL
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    wall_ms INTEGER NOT NULL,
    run_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX events_by_actor ON events (actor);
CREATE TABLE verdicts (letter_id TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
"""

INBOX_SCHEMA = """
CREATE TABLE letters (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    data BLOB NOT NULL,
    sender TEXT NOT NULL,
    wall_ms INTEGER NOT NULL
);
"""

_APPLICATION_IDS = {RUN_DB: 0x4C48_5255, INBOX_DB: 0x4C48_494E}
_BUSY_SECS = 5.0
_FREE_MIN_BYTES = 65_536

_FULL = (
    "the disk is full. Nothing of this step counts as kept; free some space, then resume the run"
)
_READONLY = (
    "it may not be written to, which reading needs too. Check who owns the folder, its "
    "permissions, and whether the disk is mounted read-only"
)
_MISSING = (
    "it is missing: there is no such run, or its folder is incomplete. Check the run's id and "
    "--run-dir; a run is copied as a whole folder"
)
_DAMAGED = (
    "it is damaged. Nothing was changed; put back a copy of the folder, or save what can be saved "
    "into a new file with `sqlite3 FILE .recover`"
)
_FOREIGN = (
    "it is not a database of Leadhand's, or its beginning is damaged. Nothing was changed; put "
    "back the run's own file, from a copy"
)
_BUSY = "another process kept it locked for too long. Try again"
_FAILED = "reading or writing it failed. Check the disk, then resume the run"
_EXISTS = "it exists already. Choose another run id; nothing was changed"
_NO_FOLDER = "a part of this path is a file where a folder should be. Check --run-dir"
_UNOPENED = (
    "it cannot be opened. Check that it is a file, the permissions of its folder, and the limit "
    "of open files"
)

_BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READONLY,
    sqlite3.SQLITE_PERM: _READONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _FOREIGN,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CANTOPEN: _UNOPENED,
}
_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READONLY,
    errno.EACCES: _READONLY,
    errno.EPERM: _READONLY,
    errno.ENOENT: _MISSING,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _EXISTS,
    errno.ENOTEMPTY: _EXISTS,
}


def make_database(path: Path, schema: str) -> sqlite3.Connection:
    """Make a database that only its user may read, and give an open connection to it.

    It is not on the disk for certain before the caller, having closed it, has synced the file.
    """
    # SQLite gives -wal and -shm the mode of the file it finds.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    database = _connect(path)
    try:
        # A dozen syncs in the making take a tenth of a second on a busy disk; one is enough.
        database.execute("PRAGMA synchronous = OFF")
        # WAL goes before the script: a journal mode cannot change inside a transaction.
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(
            f"BEGIN; {schema} PRAGMA application_id = {_APPLICATION_IDS[path.name]}; "
            f"PRAGMA user_version = {FORMAT}; COMMIT;"
        )
    except BaseException:
        database.close()
        raise
    return database


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database that is there; StoreError if it is not ours or newer than we are."""
    database = _connect(path)
    try:
        _check_ours(database, path)
    except BaseException:
        database.close()
        raise
    return database


def check_whole(database: sqlite3.Connection, path: Path) -> None:
    """Read the whole file once; StoreError if its pages are damaged or an event is missing."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreError(f"{path}: {_DAMAGED}. ({' '.join(found.split())})")
    count, last = database.execute("SELECT count(*), coalesce(max(seq), 0) FROM events").fetchone()
    if count != last:
        raise StoreError(f"{path}: {_DAMAGED}. ({last - count} of {last} events are missing)")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StoreError, saying where, what and how to mend it, for what SQLite or the disk says."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeError, OverflowError) as error:
        words = _words(error, path)
        message = f"{path}: {words}. ({error})"
        raise StoreError(message, retryable=words is _BUSY) from error


def _words(error: Exception, path: Path) -> str:
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, _FAILED)
    # Extended codes keep the primary one in their low byte.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CANTOPEN and not os.path.lexists(path):
        return _MISSING
    if code == sqlite3.SQLITE_CANTOPEN and not os.access(path.parent, os.W_OK):
        return _READONLY
    if code == sqlite3.SQLITE_IOERR:
        return _FULL if _is_full(path) else _FAILED
    return _BY_SQLITE_CODE.get(code, "the database refused")


def _is_full(path: Path) -> bool:
    # A shared-memory file that finds no room is no more than an I/O error to SQLite.
    try:
        return shutil.disk_usage(path.parent).free < _FREE_MIN_BYTES
    except OSError:
        return False


def _connect(path: Path) -> sqlite3.Connection:
    # mode=rw never makes a file; threads take turns by their callers' locks.
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_SECS,
    )
    try:
        database.execute("PRAGMA synchronous = FULL")
        # Where fsync does not reach the platter (macOS), this does.
        database.execute("PRAGMA fullfsync = ON")
    except BaseException:
        database.close()
        raise
    return database


def _check_ours(database: sqlite3.Connection, path: Path) -> None:
    (application_id,) = database.execute("PRAGMA application_id").fetchone()
    if application_id != _APPLICATION_IDS[path.name]:
        raise StoreError(f"{path}: {_FOREIGN}.")
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        message = (
            f"{path}: this Leadhand is older than the run, which has format {found} where {FORMAT} "
            "is known. Nothing was changed; upgrade Leadhand, then try again."
        )
        raise StoreError(message)
