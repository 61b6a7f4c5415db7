"""Owner: the one process that appends to a run: its lock, its epoch, its connection.

Law: the lock is the kernel's and dies with the process; the epoch makes the append of an owner
that was left behind fail.
"""

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path

from msgspec.structs import astuple

from leadhand.errors import NotOwner, StoreError
from leadhand.store import Held, Row
from leadhand.stores.blobs import sync_folder
from leadhand.stores.checks import check_rows
from leadhand.stores.sqlite_file import RUN_DB, check_whole, explained, open_database

LOCK = "owner.lock"
# No run can have a name that begins so.
_GONE = ".gone-"
_LOCK_TRIES, _LOCK_RETRY_SECS = 4, 0.002

_GUARD = """
UPDATE run SET head = ? WHERE epoch = ? AND (SELECT coalesce(max(seq), 0) FROM events) = ?
"""
_RAISE_EPOCH = "UPDATE run SET epoch = epoch + 1"
_IDENTITY = "SELECT id, epoch FROM run"
_ADD_VERDICT = "INSERT INTO verdicts VALUES (?, ?)"
# One statement for many rows: a thread waits for the interpreter's lock after each step, which
# made a hundred rows ten times slower beside a busy event loop. Powers of two keep the number of
# prepared statements small; 128 rows stay below the 999 variables of an old SQLite. OR ROLLBACK
# spares SQLite the copies of pages it would need to undo the statement alone.
_ADD_ROW, _AND_ROW = "INSERT OR ROLLBACK INTO events VALUES (?,?,?,?,?,?)", ",(?,?,?,?,?,?)"
_ADD_ROWS = {size: _ADD_ROW + _AND_ROW * (size - 1) for size in (1, 2, 4, 8, 16, 32, 64, 128)}
_ADD_ROWS_MAX = max(_ADD_ROWS)

_held_locks: set[int] = set()


class Owner:
    """Ownership of one run. Its methods block: they belong into the writer's thread."""

    def __init__(self, path: Path, lock: int, database: sqlite3.Connection, epoch: int) -> None:
        self._path, self._lock, self._database, self.epoch = path, lock, database, epoch

    def append(
        self,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        """Add rows, verdicts and the head in one durable step, or nothing of it."""
        check_rows(after_seq, rows)
        database = self._database
        with explained(self._path):
            database.execute("BEGIN IMMEDIATE")
            try:
                if database.execute(_GUARD, (head, epoch, after_seq)).rowcount != 1:
                    raise self._why_refused(epoch, after_seq)
                _add_rows(database, rows)
                for letter_id, verdict in verdicts.items():
                    self._add_verdict(letter_id, verdict)
                database.execute("COMMIT")
            except BaseException:
                # After some failures SQLite has rolled back by itself.
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise

    def release(self) -> None:
        """Give the run back, its log gathered into one file where that is possible."""
        with suppress(sqlite3.Error):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()
        _unlock(self._lock)

    def _add_verdict(self, letter_id: str, verdict: bytes) -> None:
        try:
            self._database.execute(_ADD_VERDICT, (letter_id, verdict))
        except sqlite3.IntegrityError as error:
            message = f"{self._path}: letter {letter_id!r} has its verdict already."
            raise StoreError(message) from error

    def _why_refused(self, epoch: int, after_seq: int) -> StoreError:
        _, present = self._database.execute(_IDENTITY).fetchone()
        if present != epoch:
            message = f"{self._path}: owner {epoch} was left behind; owner {present} has the run."
            return NotOwner(message)
        (last,) = self._database.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        return StoreError(f"{self._path}: the last event is {last}, not {after_seq}.")


def take_ownership(folder: Path, who: str) -> Owner | Held:
    """Take the lock and raise the epoch, durably; or say who holds the lock."""
    path = folder / RUN_DB
    with explained(path):
        path.stat()  # a folder that holds no run gets no lock file either
        lock = _try_lock(folder / LOCK, who)
        if isinstance(lock, Held):
            return lock
        try:
            database = open_database(path)
            try:
                return Owner(path, lock, database, _begin_epoch(database, path))
            except BaseException:
                database.close()
                raise
        except BaseException:
            _unlock(lock)
            raise


def remove_run(folder: Path, who: str) -> Held | None:
    """Take a run's folder away, in one step for whoever looks; or say who holds its lock.

    The lock alone is asked for: a run whose log cannot be read any more can be removed too.
    """
    run_dir = folder.parent
    with explained(folder / RUN_DB):
        (folder / RUN_DB).stat()
        lock = _try_lock(folder / LOCK, who)
        if isinstance(lock, Held):
            return lock
        try:
            folder.rename(run_dir / f"{_GONE}{folder.name}-{os.getpid()}-{time.monotonic_ns()}")
            sync_folder(run_dir)
        finally:
            _unlock(lock)
        # What an earlier removal left that was interrupted goes too.
        for gone in run_dir.glob(f"{_GONE}*"):
            shutil.rmtree(gone, ignore_errors=True)
    return None


def _begin_epoch(database: sqlite3.Connection, path: Path) -> int:
    check_whole(database, path)
    database.execute("PRAGMA journal_mode = WAL")
    run, _ = database.execute(_IDENTITY).fetchone()
    if run != path.parent.name:
        message = f"{path}: this is run {run}; its folder must have that name. Rename the folder."
        raise StoreError(message)
    database.execute(_RAISE_EPOCH)
    epoch: int = database.execute(_IDENTITY).fetchone()[1]
    return epoch


def _add_rows(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    start = 0
    while start < len(rows):
        size = min(1 << ((len(rows) - start).bit_length() - 1), _ADD_ROWS_MAX)
        part = rows[start : start + size]
        database.execute(_ADD_ROWS[size], list(chain.from_iterable(map(astuple, part))))
        start += size


def _try_lock(path: Path, who: str) -> int | Held:
    with explained(path):
        _leave_locks_to_parent()
        # Python's descriptors are not inherited by a program that is started.
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        held = _take(lock)
        if held is not None:
            return held
        try:
            holder = f"{who}, process {os.getpid()}\n".encode()
            # Written before the rest is cut off, so that nobody reads an empty file.
            os.pwrite(lock, holder, 0)
            os.ftruncate(lock, len(holder))
        except BaseException:
            _unlock(lock)
            raise
        return lock


def holder_of(folder: Path) -> str:
    """Who holds the lock of a run, without taking it for longer than a look; empty if nobody."""
    path = folder / RUN_DB
    with explained(path):
        path.stat()
        try:
            lock = os.open(folder / LOCK, os.O_RDONLY)
        except FileNotFoundError:
            return ""
        try:
            # A name is left behind only by an owner that was killed: most looks end here.
            by = _holder(lock)
            return "" if not by or _is_free(lock) else by
        finally:
            os.close(lock)


def _holder(lock: int) -> str:
    return " ".join(os.pread(lock, 500, 0).decode(errors="replace").split())


def _is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take(lock: int) -> Held | None:
    """Take the lock, or close it; tried more than once, for somebody may just be looking at it."""
    try:
        for _ in range(_LOCK_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _held_locks.add(lock)
                return None
            time.sleep(_LOCK_RETRY_SECS)
        held = Held(_holder(lock) or "another process")
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return held


def _unlock(lock: int) -> None:
    with suppress(OSError):
        os.ftruncate(lock, 0)
    _held_locks.discard(lock)
    os.close(lock)


@cache
def _leave_locks_to_parent() -> None:
    # A forked child shares its parent's locks, and would hold them after its parent's death.
    os.register_at_fork(after_in_child=_drop_locks)


def _drop_locks() -> None:
    for lock in _held_locks:
        os.close(lock)
    _held_locks.clear()
