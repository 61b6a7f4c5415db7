"""Engine: takes commands, decides, makes the events durable, and only then answers.

Law: state may run ahead of the disk by the open commit; nothing else may.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec
from msgspec import Struct

from leadhand.domain.clock import At, Now
from leadhand.domain.commands import Command
from leadhand.domain.decide import decide
from leadhand.domain.events import (
    ActorSettled,
    CallAdmitted,
    CallCut,
    ConversationCompacted,
    EntryPut,
    Event,
    ToolBegun,
    ToolReturned,
    TurnRecorded,
    WaitOpened,
)
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ActorId, parent_id
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.engine.clock import Clock
from leadhand.engine.log import Stamped
from leadhand.errors import Bug, StoreError, UsageError
from leadhand.harness import MONEY
from leadhand.refusals import Refused
from leadhand.store import EVENT_MAX_BYTES, Held, Row, Store
from leadhand.stores import codec
from leadhand.views.head import head

BATCH_MAX = 20_000
# A sleep may end a little before its instant.
WAKE_LATE_SECS = 0.001
FREES_MONEY = (TurnRecorded, ConversationCompacted, CallCut, ActorSettled)
# What an actor does from turn to turn: nobody waits for it, but for the money that it frees.
UNAWAITED = (CallAdmitted, TurnRecorded, ToolBegun, ToolReturned, WaitOpened)

Listener = Callable[[Sequence[Stamped]], None]


class _Batch:
    """The events and verdicts of one commit."""

    def __init__(self) -> None:
        self.events: list[Stamped] = []
        self.verdicts: dict[str, bytes] = {}
        self._waiters: list[asyncio.Future[None]] = []

    async def durable(self) -> None:
        """Wait for the commit. Raises StoreError where it failed."""
        # One future for each: who is cancelled ends nobody else's wait, at a third of what a
        # shield around one for all would take.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def tell(self, error: StoreError | None) -> None:
        """End all waits."""
        for waiter in self._waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


class Engine:
    """The one writer of a run. Made by `Engine.open`; close it to give the run back."""

    def __init__(
        self, store: Store, run_id: str, clock: Clock, secrets: codec.Secrets = codec.NO_SECRETS
    ) -> None:
        self.run = Run()
        self.failure: StoreError | None = None
        self._store, self._run_id, self._clock, self._secrets = store, run_id, clock, secrets
        self._epoch = 0
        self._last_durable = 0
        self._open: _Batch | None = None
        self._writing: _Batch | None = None
        self._work = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        # Dicts for sets: what is woken, is woken in the same order in every process.
        self._watchers: dict[str, dict[asyncio.Event, None]] = defaultdict(dict)

    @classmethod
    async def open(
        cls,
        store: Store,
        run_id: str,
        clock: Clock,
        who: str,
        secrets: codec.Secrets = codec.NO_SECRETS,
    ) -> "Engine":
        """Own a run and fold its log. Raises UsageError where another process owns it."""
        owned = await store.own(run_id, who)
        if isinstance(owned, Held):
            raise UsageError(f"run {run_id} is owned by {owned.by}")
        engine = cls(store, run_id, clock, secrets)
        engine._epoch = owned.epoch
        try:
            engine.run = await log.fold(store, run_id)
        except BaseException:
            await store.release(run_id)
            raise
        engine._last_durable = engine.run.seq
        clock.resume(engine.run.run_ms)
        engine._writer = asyncio.create_task(engine._write(), name=f"writer {run_id}")
        return engine

    @property
    def epoch(self) -> int:
        """The epoch of this ownership."""
        return self._epoch

    def now(self) -> Now:
        """The time; its run hand never goes back, and stands still while the run is parked, and
        once it is over: what is told of it then is no part of how long it took."""
        now = self._clock.now()
        if not self._stands_still() and now.run_ms >= self.run.run_ms:
            return now
        return Now(now.wall_ms, self.run.run_ms)

    def _stands_still(self) -> bool:
        return self.run.parked is not None or self.run.finished_wall_ms is not None

    async def until(self, run_ms: int, changed: asyncio.Event) -> None:
        """See `harness.Owner.until`."""
        # Nothing comes by time alone while the time stands still.
        secs = max(0, run_ms - self.now().run_ms) / 1000 + WAKE_LATE_SECS
        with suppress(TimeoutError):
            async with asyncio.timeout(None if self.run.parked else secs):
                await changed.wait()

    def listen(self, listener: Listener) -> None:
        """Be told of every durable event, in order."""
        self._listeners.append(listener)

    @contextmanager
    def watching(self, *keys: str) -> Iterator[asyncio.Event]:
        """See `harness.Owner.watching`."""
        changed = asyncio.Event()
        for key in keys:
            self._watchers[key][changed] = None
        try:
            yield changed
        finally:
            for key in keys:
                self._watchers[key].pop(changed, None)
                if not self._watchers[key]:
                    del self._watchers[key]

    async def submit(self, command: Command, letter: str = "") -> Sequence[Event]:
        """Decide a command and return its events once they are durable.

        letter: the id under which the verdict is kept for who asked from outside. Raises
        Refused, or StoreError once the store has failed.
        """
        while self._open is not None and len(self._open.events) >= BATCH_MAX:
            await self._open.durable()
        self._check()
        command = self._secrets.clean_struct(command)
        now = self.now()
        refusal = None
        try:
            events: Sequence[Event] = decide(self.run, command, now)
        except Refused as error:
            refusal, events = error, error.record
        self._append(events, now)
        if letter:
            self._keep_verdict(letter, refusal)
        await self.flush()
        if refusal is not None:
            raise refusal
        return events

    async def answer(self, letter: str, refusal: Refused) -> None:
        """Keep the verdict on a letter that holds no command."""
        self._check()
        self._keep_verdict(letter, refusal)
        await self.flush()

    async def flush(self) -> None:
        """Wait until all that the state holds now is durable. Raises StoreError."""
        self._check()
        last = self._open or self._writing
        if last is not None:
            await last.durable()

    async def history(self, actor: ActorId, after: int = 0) -> list[Event]:
        """See `harness.Owner.history`."""
        await self.flush()
        return [each.event for each in await self.stamped(actor, after)]

    async def stamped(self, actor: ActorId | None = None, after: int = 0) -> list[Stamped]:
        """The durable events of one actor, or of all."""
        return [each async for each in log.events(self._store, self._run_id, after, actor)]

    async def event(self, seq: int) -> Event:
        """See `harness.Owner.event`."""
        # The state may name an event of the commit that is still open.
        await self.flush()
        rows = await self._store.read(self._run_id, seq - 1, None, 1)
        if not rows or rows[0].seq != seq:
            raise Bug(f"there is no event {seq}")
        return (await log.decoded(self._store, self._run_id, rows[0])).event

    async def close(self) -> None:
        """Write what is open and give the run back."""
        try:
            if self.failure is None:
                await self.flush()
        finally:
            if self._writer is not None:
                self._writer.cancel()
                await asyncio.gather(self._writer, return_exceptions=True)
            await self._store.release(self._run_id)

    def _check(self) -> None:
        if self.failure is not None:
            raise StoreError(self.failure.message)

    def _batch(self) -> _Batch:
        if self._open is None:
            self._open = _Batch()
        return self._open

    def _append(self, events: Sequence[Event], now: Now) -> None:
        if not events:
            return
        batch = self._batch()
        for event in events:
            at = At(self.run.seq + 1, now)
            stood = self._stands_still()
            try:
                evolve(self.run, event, at)
            except Exception as error:
                # The state may be half changed: nothing of this process may go on from it.
                self._fail(StoreError(f"a rule broke on {type(event).__name__}: {error!r}"), batch)
                raise Bug(f"a rule broke on {type(event).__name__}: {error!r}") from error
            if stood and not self._stands_still():
                self._clock.resume(self.run.run_ms)
            batch.events.append(Stamped(at, event))
        self._work.set()

    def _keep_verdict(self, letter: str, refusal: Refused | None) -> None:
        self._batch().verdicts[letter] = verdict(refusal)
        self._work.set()

    async def _write(self) -> None:
        try:
            await self._commit_all()
        except asyncio.CancelledError:
            # A loop that ends cancels everyone at once: nobody may wait for a writer that is gone.
            self._fail(StoreError("the run was let go of"), self._writing)
            raise
        except StoreError as error:
            self._fail(error, self._writing)
        except Exception as error:  # noqa: BLE001 (the same, whatever it was that broke)
            self._fail(StoreError(f"the writer broke: {error!r}"), self._writing)

    async def _commit_all(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            batch, self._open = self._open, None
            if batch is None:
                continue
            self._writing = batch
            head_bytes = head(self.run, self.now().wall_ms)
            rows = [await self._row(stamped) for stamped in batch.events]
            after = rows[0].seq - 1 if rows else self._last_durable
            await self._store.append(
                self._run_id, self._epoch, after, rows, batch.verdicts, head_bytes
            )
            if rows:
                self._last_durable = rows[-1].seq
            self._writing = None
            batch.tell(None)
            self._publish(batch.events)

    async def _row(self, stamped: Stamped) -> Row:
        data = codec.encode(stamped.event)
        if len(data) > EVENT_MAX_BYTES:
            data = codec.spill(await self._store.put_blob(self._run_id, data))
        at = stamped.at
        kind = type(stamped.event).__name__
        return Row(at.seq, at.now.wall_ms, at.now.run_ms, stamped.event.actor, kind, data)

    def _fail(self, error: StoreError, batch: _Batch | None) -> None:
        self.failure = error
        # What is open may hold half a command: it is never written.
        opened, self._open = self._open, None
        for each in (batch, opened):
            if each is not None:
                each.tell(error)
        for changed in [event for events in self._watchers.values() for event in events]:
            changed.set()
        for listener in self._listeners:
            listener([])

    def _publish(self, events: Sequence[Stamped]) -> None:
        for listener in self._listeners:
            listener(events)
        if not self._watchers:
            return
        awaited = (each.event for each in events if not isinstance(each.event, UNAWAITED))
        concerned: dict[str, None] = {key: None for event in awaited for key in concern(event)}
        if any(isinstance(stamped.event, FREES_MONEY) for stamped in events):
            concerned[MONEY] = None
        for key in concerned:
            for changed in self._watchers.get(key, ()):
                changed.set()


def concern(event: Event) -> Iterator[str]:
    """The keys whose watchers an event wakes: an entry's place, else its actor; whoever waits for
    what a settled one might have written, too."""
    yield event.layer + event.path if isinstance(event, EntryPut) else event.actor
    if isinstance(event, ActorSettled):
        yield parent_id(event.actor) or ""


class Verdict(Struct, frozen=True, omit_defaults=True):
    """The answer to a command that another process left: empty where it was carried out."""

    code: str = ""
    message: str = ""
    next_step: str = ""


def verdict(refusal: Refused | None) -> bytes:
    """The verdict as it is stored."""
    if refusal is None:
        return msgspec.json.encode(Verdict())
    return msgspec.json.encode(Verdict(refusal.code, refusal.message, refusal.next_step))
