"""Reader: what any process may do with a run's files: read its log, use its inbox.

Connections open at first use. One lock lets the threads of a store take turns.
"""

import sqlite3
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Lock

from leadhand.store import Letter, Row
from leadhand.stores.sqlite_file import INBOX_DB, RUN_DB, explained, open_database

# A thread waits for the interpreter's lock after every row SQLite gives it: beside a busy event
# loop a thousand rows took a minute. So SQLite joins a page of rows into one.
_PAGE_ROWS = 256
_READ_PAGE = """
SELECT group_concat(seq), group_concat(wall_ms), group_concat(run_ms),
    group_concat(actor, char(10)), group_concat(kind, char(10)), group_concat(length(data)),
    CAST(group_concat(CAST(data AS TEXT), '') AS BLOB)
FROM (SELECT * FROM events WHERE seq > ? {and_actor} ORDER BY seq LIMIT ?)
"""
_READ_ALL = _READ_PAGE.format(and_actor="")
_READ_ACTOR = _READ_PAGE.format(and_actor="AND actor = ?")
_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM events"
_VERDICT = "SELECT data FROM verdicts WHERE letter_id = ?"
_SUBMIT = "INSERT INTO letters VALUES (NULL, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
_LETTERS = "SELECT number, id, data, sender, wall_ms FROM letters WHERE number > ? ORDER BY number"


class Reader:
    """A process's view of one run's files. Its methods block: they belong into a thread."""

    def __init__(self, folder: Path) -> None:
        self._run_path, self._inbox_path = folder / RUN_DB, folder / INBOX_DB
        self._lock = Lock()
        self._run: sqlite3.Connection | None = None
        self._inbox: sqlite3.Connection | None = None
        # What was seen at each data version, so that polling an unchanged file costs one pragma.
        self._run_version = self._inbox_version = -1
        self._last_seq = 0
        self._settled_number = 0
        self._all_settled = False

    def head(self) -> bytes:
        """What the last append gave as head."""
        with self._lock, explained(self._run_path):
            head: bytes = self._open_run().execute("SELECT head FROM run").fetchone()[0]
            return head

    def read(self, after: int, actor: str | None, limit: int) -> list[Row]:
        """Rows with seq > after, in order."""
        rows: list[Row] = []
        with self._lock, explained(self._run_path):
            run = self._open_run()
            while len(rows) < limit:
                wanted = min(limit - len(rows), _PAGE_ROWS)
                page = _read_page(run, rows[-1].seq if rows else after, actor, wanted)
                rows += page
                if len(page) < wanted:
                    break
        return rows

    def last_seq(self) -> int:
        """The seq of the last row; cheap where nothing was added since it was last asked."""
        with self._lock, explained(self._run_path):
            run = self._open_run()
            version = _data_version(run)
            if version != self._run_version:
                (self._last_seq,) = run.execute(_LAST_SEQ).fetchone()
                self._run_version = version
            return self._last_seq

    def verdict(self, letter_id: str) -> bytes | None:
        """The verdict on a letter, once there is one."""
        with self._lock, explained(self._run_path):
            return _verdict(self._open_run(), letter_id)

    def submit(self, letter: Letter) -> None:
        """Keep a letter in the inbox durably."""
        with self._lock, explained(self._inbox_path):
            values = (letter.id, letter.data, letter.sender, letter.wall_ms)
            self._open_inbox().execute(_SUBMIT, values)
            # A connection's own commits do not change the data version it sees.
            self._inbox_version = -1

    def take(self) -> list[Letter]:
        """The letters without a verdict; cheap where none was open and none came."""
        with self._lock, explained(self._inbox_path):
            inbox = self._open_inbox()
            version = _data_version(inbox)
            if version == self._inbox_version and self._all_settled:
                return []
            found = inbox.execute(_LETTERS, (self._settled_number,)).fetchall()
            letters = self._unsettled(found)
            self._inbox_version, self._all_settled = version, not letters
            return letters

    def shut(self) -> None:
        """Close the connections; they open again at the next use."""
        with self._lock:
            for connection in (self._run, self._inbox):
                if connection is not None:
                    connection.close()
            self._run = self._inbox = None
            self._run_version = self._inbox_version = -1

    def _unsettled(self, found: list[tuple[int, str, bytes, str, int]]) -> list[Letter]:
        letters: list[Letter] = []
        with explained(self._run_path):
            run = self._open_run()
            for number, letter_id, data, sender, wall_ms in found:
                if _verdict(run, letter_id) is None:
                    letters.append(Letter(letter_id, data, sender, wall_ms))
                elif not letters:
                    self._settled_number = number
        return letters

    def _open_run(self) -> sqlite3.Connection:
        if self._run is None:
            self._run = open_database(self._run_path)
        return self._run

    def _open_inbox(self) -> sqlite3.Connection:
        if self._inbox is None:
            self._inbox = open_database(self._inbox_path)
        return self._inbox


def _read_page(run: sqlite3.Connection, after: int, actor: str | None, limit: int) -> list[Row]:
    if actor is None:
        found = run.execute(_READ_ALL, (after, limit)).fetchone()
    else:
        found = run.execute(_READ_ACTOR, (after, actor, limit)).fetchone()
    if found[0] is None:
        return []
    seqs, wall, ran, sizes = (map(int, found[column].split(",")) for column in (0, 1, 2, 5))
    actors, kinds, joined = found[3].split("\n"), found[4].split("\n"), found[6]
    parts = (joined[start:end] for start, end in pairwise(accumulate(sizes, initial=0)))
    return [Row(*fields) for fields in zip(seqs, wall, ran, actors, kinds, parts, strict=True)]


def _verdict(run: sqlite3.Connection, letter_id: str) -> bytes | None:
    found = run.execute(_VERDICT, (letter_id,)).fetchone()
    return None if found is None else found[0]


def _data_version(database: sqlite3.Connection) -> int:
    version: int = database.execute("PRAGMA data_version").fetchone()[0]
    return version
