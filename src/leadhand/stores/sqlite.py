"""SQLite: a store that keeps each run as a folder of files, durable before it answers.

`<run_dir>/<run>/` holds manifest.toml, run.db (the log), inbox.db (letters from other processes),
blobs/ and owner.lock. All file work is done by threads: one that appends, a few for the rest.
"""

import asyncio
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from leadhand.errors import NotOwner, StoreError
from leadhand.store import Held, Letter, Owned, Row
from leadhand.stores.blobs import BlobFolder, sync_file, sync_folder
from leadhand.stores.checks import check_run_id, is_run_id, owned_by
from leadhand.stores.sqlite_file import (
    INBOX_DB,
    INBOX_SCHEMA,
    RUN_DB,
    RUN_SCHEMA,
    explained,
    make_database,
)
from leadhand.stores.sqlite_owner import Owner, holder_of, remove_run, take_ownership
from leadhand.stores.sqlite_reader import Reader

MANIFEST, BLOBS = "manifest.toml", "blobs"
POLL_SECS = 0.05
_THREADS = 4
_OPEN_RUNS_MAX = 32

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SqliteStore:
    """Runs as folders below run_dir. One process may have several stores; each is its own owner."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._writer = ThreadPoolExecutor(1, "leadhand-store-writer")
        self._threads = ThreadPoolExecutor(_THREADS, "leadhand-store")
        self._owners: dict[str, Owner] = {}
        self._readers: dict[str, Reader] = {}
        # The runs last read, the latest at the end: older ones' connections are closed.
        self._recent: dict[str, None] = {}
        self._closed = False

    async def create(self, run: str, manifest: str) -> None:
        """See Store.create."""
        await self._in(self._threads, make_run, self._folder(run), manifest)

    async def own(self, run: str, who: str) -> Owned | Held:
        """See Store.own."""
        return await self._in(self._writer, self._own, run, who)

    async def release(self, run: str) -> None:
        """See Store.release."""
        check_run_id(run)
        await self._in(self._writer, self._release, run)

    async def held(self, run: str) -> str:
        """See Store.held."""
        return await self._in(self._threads, holder_of, self._folder(run))

    async def remove(self, run: str) -> None:
        """See Store.remove."""
        folder = self._folder(run)
        reader = self._readers.pop(run, None)
        self._recent.pop(run, None)
        if reader is not None:
            await self._in(self._threads, reader.shut)
        held = await self._in(self._writer, remove_run, folder, "a removal")
        if held is not None:
            raise owned_by(run, held.by)

    async def runs(self) -> list[str]:
        """See Store.runs."""
        return await self._in(self._threads, find_runs, self._run_dir)

    async def append(
        self,
        run: str,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        """See Store.append."""
        owner = self._owners.get(run)
        if owner is None or owner.epoch != epoch:
            raise NotOwner
        await self._in(self._writer, owner.append, epoch, after_seq, rows, verdicts, head)

    async def head(self, run: str) -> bytes:
        """See Store.head."""
        return await self._in(self._threads, self._reader(run).head)

    async def read(
        self, run: str, after: int = 0, actor: str | None = None, limit: int = 1000
    ) -> list[Row]:
        """See Store.read."""
        return await self._in(self._threads, self._reader(run).read, after, actor, limit)

    async def submit(self, run: str, letter: Letter) -> None:
        """See Store.submit."""
        await self._in(self._threads, self._reader(run).submit, letter)

    async def take(self, run: str) -> list[Letter]:
        """See Store.take."""
        return await self._in(self._threads, self._reader(run).take)

    async def verdict(self, run: str, letter_id: str) -> bytes | None:
        """See Store.verdict."""
        return await self._in(self._threads, self._reader(run).verdict, letter_id)

    async def watch(self, run: str, after: int, timeout_secs: float) -> bool:
        """See Store.watch."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_secs
        while await self._in(self._threads, self._reader(run).last_seq) <= after:
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.sleep(min(POLL_SECS, left))
        return True

    async def put_blob(self, run: str, data: bytes) -> str:
        """See Store.put_blob."""
        return await self._in(self._threads, BlobFolder(self._folder(run) / BLOBS).put, data)

    async def get_blob(self, run: str, digest: str) -> bytes:
        """See Store.get_blob."""
        return await self._in(self._threads, BlobFolder(self._folder(run) / BLOBS).get, digest)

    async def close(self) -> None:
        """See Store.close. What was begun is finished first."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[[*Ts], T], *args: *Ts) -> T:
        if self._closed:
            raise StoreError("This store is closed.")
        return await asyncio.get_running_loop().run_in_executor(threads, work, *args)

    def _folder(self, run: str) -> Path:
        check_run_id(run)
        return self._run_dir / run

    def _reader(self, run: str) -> Reader:
        reader = self._readers.get(run)
        if reader is None:
            reader = self._readers[run] = Reader(self._folder(run))
        self._recent.pop(run, None)
        self._recent[run] = None
        if len(self._recent) > _OPEN_RUNS_MAX:
            oldest = next(iter(self._recent))
            del self._recent[oldest]
            self._threads.submit(self._readers[oldest].shut)
        return reader

    def _own(self, run: str, who: str) -> Owned | Held:
        taken = take_ownership(self._folder(run), who)
        if isinstance(taken, Held):
            return taken
        self._owners[run] = taken
        return Owned(taken.epoch)

    def _release(self, run: str) -> None:
        owner = self._owners.pop(run, None)
        if owner is not None:
            owner.release()

    def _close(self) -> None:
        self._threads.shutdown()
        for reader in self._readers.values():
            reader.shut()
        # A run that is just being taken is given back too.
        self._writer.submit(int).result()
        for run in list(self._owners):
            self._writer.submit(self._release, run)
        self._writer.shutdown()


def make_run(folder: Path, manifest: str) -> None:
    """Make a run's folder, whole or not at all, readable to its user alone."""
    run_dir = folder.parent
    with explained(folder):
        if os.path.lexists(folder):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        if not run_dir.is_dir():
            _make_run_dir(run_dir)
        # Made beside its place under a name that no run can have, then renamed.
        made = Path(tempfile.mkdtemp(dir=run_dir, prefix=".new-"))
        try:
            _fill(made, folder.name, manifest)
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        sync_folder(run_dir)


def find_runs(run_dir: Path) -> list[str]:
    """The ids of the folders that hold a run, oldest first."""
    with explained(run_dir):
        try:
            made = {each.name: _made_at(each) for each in run_dir.iterdir() if is_run_id(each.name)}
        except FileNotFoundError:
            return []
    return sorted(filter(made.get, made), key=lambda run: (made[run], run))


def _make_run_dir(run_dir: Path) -> None:
    try:
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
    sync_folder(run_dir.parent)


def _fill(folder: Path, run: str, manifest: str) -> None:
    path = folder / MANIFEST
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(manifest.encode())
    # The manifest is written once, so its time is the run's; the kernel's own is coarse.
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    (folder / BLOBS).mkdir(mode=0o700)
    database = make_database(folder / RUN_DB, RUN_SCHEMA)
    try:
        database.execute("INSERT INTO run VALUES (1, ?, 0, x'')", (run,))
    finally:
        database.close()
    make_database(folder / INBOX_DB, INBOX_SCHEMA).close()
    for name in (MANIFEST, RUN_DB, INBOX_DB):
        with (folder / name).open("r+b") as file:
            sync_file(file.fileno())
    sync_folder(folder)


def _made_at(folder: Path) -> int:
    # 0: no run; foreign folders, files, and runs being removed meanwhile are passed over.
    with suppress(FileNotFoundError, NotADirectoryError):
        in_database = (folder / RUN_DB).stat().st_mtime_ns
        with suppress(FileNotFoundError):
            return (folder / MANIFEST).stat().st_mtime_ns
        return in_database
    return 0
