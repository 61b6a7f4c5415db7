"""Witness: a store in memory that folds what it keeps, and finds what must not be in a log."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.evolve import evolve
from leadhand.domain.invariants import broken
from leadhand.domain.state import Run
from leadhand.errors import StoreError
from leadhand.store import Row
from leadhand.stores import codec
from leadhand.stores.memory import KeptRun, Memory, MemoryStore


def event_of(kept: KeptRun, row: Row) -> e.Event:
    """The event of a row, wherever it is kept."""
    blob = codec.spilled(row.data)
    return codec.decode(row.data if blob is None else kept.blobs[blob])


def at_of(row: Row) -> At:
    """Where a row stands."""
    return At(row.seq, Now(row.wall_ms, row.run_ms))


def folded(kept: KeptRun) -> Run:
    """The state that a log gives, folded from its beginning."""
    run = Run()
    for row in kept.rows:
        evolve(run, event_of(kept, row), at_of(row))
    return run


def encoded(run: Run) -> bytes:
    """A state as bytes, to compare it with another."""
    return msgspec.json.encode(run)


class WitnessStore(MemoryStore):
    """One process's store of one run. durable is the state that the kept rows give.

    slow_ms: the longest that a commit takes. fails_at: the commit of this process that fails;
    after_all: its rows are kept nevertheless.
    """

    def __init__(
        self,
        memory: Memory,
        run: str,
        dice: Random,
        slow_ms: int = 0,
        fails_at: int | None = None,
        after_all: bool = False,
    ) -> None:
        super().__init__(memory)
        self.kept = memory.runs[run]
        self.durable = folded(self.kept)
        self.faults: list[str] = []
        self.busy = False
        self._dice, self._slow_ms = dice, slow_ms
        self._fails_at, self._after_all = fails_at, after_all
        self._commits = 0

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
        self._commits += 1
        fails = self._commits == self._fails_at
        if self._slow_ms:
            self.busy = True
            await asyncio.sleep(self._dice.random() * self._slow_ms / 1000)
            self.busy = False
        if fails and not self._after_all:
            raise StoreError("the disk is full")
        await super().append(run, epoch, after_seq, rows, verdicts, head)
        for row in rows:
            self._look_at(row)
        if fails:
            raise StoreError("the disk may be full")

    def _look_at(self, row: Row) -> None:
        event = event_of(self.kept, row)
        if codec.spilled(row.data) is None and codec.encode(event) != row.data:
            self.faults.append(f"event {row.seq} {row.kind}: reads back as another")
        if row.run_ms < self.durable.run_ms:
            self.faults.append(f"event {row.seq} {row.kind}: the run's time goes back")
        try:
            evolve(self.durable, event, at_of(row))
        except Exception as error:  # noqa: BLE001 (any error of a rule is a finding)
            self.faults.append(f"event {row.seq} {row.kind}: a rule broke: {error!r}")
            return
        for sentence in broken(self.durable):
            self.faults.append(f"event {row.seq} {row.kind}: {sentence}")
