"""Memory: a store without a disk, for tests and simulation; it keeps the same promises.

A MemoryStore stands for one process and a Memory for the disk: what is in the Memory outlives
the store, and closing the store frees what it owned, as the death of a process does.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import attrgetter

from leadhand.errors import NotOwner, StoreError
from leadhand.store import Held, Letter, Owned, Row
from leadhand.stores.checks import (
    check_content,
    check_digest,
    check_rows,
    check_run_id,
    digest_of,
    owned_by,
)


class KeptRun:
    """One run in a Memory. commits holds, for each append, its last seq, verdicts and head."""

    def __init__(self, manifest: str) -> None:
        self.manifest = manifest
        self.epoch = 0
        self.owner: MemoryStore | None = None
        self.owner_name = ""
        self.rows: list[Row] = []
        self.rows_by_actor: dict[str, list[Row]] = {}
        self.commits: list[tuple[int, Mapping[str, bytes], bytes]] = []
        self.verdicts: dict[str, bytes] = {}
        self.head = b""
        self.letters: dict[str, Letter] = {}
        self.blobs: dict[str, bytes] = {}
        self.watchers: set[asyncio.Event] = set()

    def commit(self, rows: Sequence[Row], verdicts: Mapping[str, bytes], head: bytes) -> None:
        """Keep the rows, verdicts and head of one append."""
        self.rows.extend(rows)
        for row in rows:
            self.rows_by_actor.setdefault(row.actor, []).append(row)
        self.verdicts.update(verdicts)
        self.head = head
        self.commits.append((len(self.rows), dict(verdicts), head))

    def cut(self, up_to: int) -> "KeptRun":
        """The run as a crash would have left it that let no row after up_to reach the disk.

        A cut inside a commit keeps its first rows without its verdicts and its head.
        """
        copy = KeptRun(self.manifest)
        copy.epoch = self.epoch
        copy.letters, copy.blobs = dict(self.letters), dict(self.blobs)
        for last_seq, verdicts, head in self.commits:
            if last_seq > up_to:
                break
            copy.commit(self.rows[len(copy.rows) : last_seq], verdicts, head)
        if len(copy.rows) < up_to:
            copy.commit(self.rows[len(copy.rows) : up_to], {}, copy.head)
        return copy


class Memory:
    """What several MemoryStores share and what outlives them, as a disk outlives processes."""

    def __init__(self) -> None:
        self.runs: dict[str, KeptRun] = {}

    def copy(self, run: str, up_to: int) -> "Memory":
        """Another Memory with this run alone, unowned, its rows cut after seq up_to."""
        copy = Memory()
        copy.runs[run] = self.runs[run].cut(up_to)
        return copy

    def boundaries(self, run: str) -> list[int]:
        """The last seq of each commit, in order: where a crash may leave the log."""
        return [last_seq for last_seq, _, _ in self.runs[run].commits]


class MemoryStore:
    """A store in memory. Its methods never wait, but watch."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self._closed = False

    async def create(self, run: str, manifest: str) -> None:
        """See Store.create."""
        check_run_id(run)
        self._check_open()
        if run in self.memory.runs:
            raise StoreError(f"Run {run} exists already.")
        self.memory.runs[run] = KeptRun(manifest)

    async def own(self, run: str, who: str) -> Owned | Held:
        """See Store.own."""
        kept = self._kept(run)
        if kept.owner is not None:
            return Held(kept.owner_name)
        kept.owner, kept.owner_name = self, who
        kept.epoch += 1
        return Owned(kept.epoch)

    async def release(self, run: str) -> None:
        """See Store.release."""
        kept = self._kept(run)
        if kept.owner is self:
            kept.owner = None

    async def held(self, run: str) -> str:
        """See Store.held."""
        kept = self._kept(run)
        return kept.owner_name if kept.owner is not None else ""

    async def remove(self, run: str) -> None:
        """See Store.remove."""
        kept = self._kept(run)
        if kept.owner is not None:
            raise owned_by(run, kept.owner_name)
        del self.memory.runs[run]

    async def runs(self) -> list[str]:
        """See Store.runs."""
        self._check_open()
        return list(self.memory.runs)

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
        kept = self._kept(run)
        check_rows(after_seq, rows)
        if kept.owner is not self or kept.epoch != epoch:
            raise NotOwner
        if after_seq != len(kept.rows):
            message = f"Run {run}: the last event is {len(kept.rows)}, not {after_seq}."
            raise StoreError(message)
        for letter_id in verdicts:
            if letter_id in kept.verdicts:
                raise StoreError(f"Run {run}: letter {letter_id!r} has its verdict already.")
        kept.commit(rows, verdicts, head)
        for watcher in kept.watchers:
            watcher.set()

    async def head(self, run: str) -> bytes:
        """See Store.head."""
        return self._kept(run).head

    async def read(
        self, run: str, after: int = 0, actor: str | None = None, limit: int = 1000
    ) -> list[Row]:
        """See Store.read."""
        kept = self._kept(run)
        rows = kept.rows if actor is None else kept.rows_by_actor.get(actor, [])
        start = bisect_right(rows, after, key=attrgetter("seq"))
        return rows[start : start + max(limit, 0)]

    async def submit(self, run: str, letter: Letter) -> None:
        """See Store.submit."""
        self._kept(run).letters.setdefault(letter.id, letter)

    async def take(self, run: str) -> list[Letter]:
        """See Store.take."""
        kept = self._kept(run)
        return [letter for letter in kept.letters.values() if letter.id not in kept.verdicts]

    async def verdict(self, run: str, letter_id: str) -> bytes | None:
        """See Store.verdict."""
        return self._kept(run).verdicts.get(letter_id)

    async def watch(self, run: str, after: int, timeout_secs: float) -> bool:
        """See Store.watch."""
        kept = self._kept(run)
        added = asyncio.Event()
        kept.watchers.add(added)
        try:
            async with asyncio.timeout(timeout_secs):
                while len(kept.rows) <= after:
                    await added.wait()
                    added.clear()
        except TimeoutError:
            return False
        finally:
            kept.watchers.discard(added)
        return True

    async def put_blob(self, run: str, data: bytes) -> str:
        """See Store.put_blob."""
        kept = self._kept(run)
        digest = digest_of(data)
        kept.blobs[digest] = data
        return digest

    async def get_blob(self, run: str, digest: str) -> bytes:
        """See Store.get_blob."""
        check_digest(digest)
        kept = self._kept(run)
        if digest not in kept.blobs:
            raise StoreError(f"Blob {digest} of run {run} is missing.")
        check_content(kept.blobs[digest], digest, f"Blob {digest} of run {run}")
        return kept.blobs[digest]

    async def close(self) -> None:
        """See Store.close."""
        self._closed = True
        for kept in self.memory.runs.values():
            if kept.owner is self:
                kept.owner = None

    def _kept(self, run: str) -> KeptRun:
        check_run_id(run)
        self._check_open()
        if run not in self.memory.runs:
            raise StoreError(f"There is no run {run}.")
        return self.memory.runs[run]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("This store is closed.")
