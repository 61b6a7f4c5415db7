"""Engine: what it answers is durable; what it could not make durable stops it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import evolve as table
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.domain.money import Usage
from leadhand.engine import engine as engine_module
from leadhand.engine.clock import SystemClock
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import Inbox, encode, send
from leadhand.engine.log import Stamped
from leadhand.errors import Bug, NotOwner, StoreError, UsageError
from leadhand.harness import MONEY
from leadhand.refusals import MaxWorkersExceeded, Refused, UnknownActor
from leadhand.store import Letter, Row
from leadhand.stores.memory import Memory, MemoryStore

RUN = "aaaaaaaaaa"
MANIFEST = Manifest(
    Lead("lead", "Go.", Settings(model="claude-haiku-4-5")), house=HouseRules(max_workers=1)
)


class GatedStore(MemoryStore):
    """A store whose commits wait for a gate, and fail once they are told to."""

    def __init__(self, memory: Memory | None = None) -> None:
        super().__init__(memory)
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def append(
        self,
        run: str,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        await super().append(run, epoch, after_seq, rows, verdicts, head)


def with_engine(deed: Callable[[Engine, GatedStore], Awaitable[Any]]) -> None:
    """Do something with the engine of a run that has just begun."""

    async def main() -> None:
        store = GatedStore()
        await store.create(RUN, "")
        engine = await Engine.open(store, RUN, SystemClock(), "a test")
        await engine.submit(c.StartRun(RUN, MANIFEST))
        try:
            await deed(engine, store)
        finally:
            store.gate.set()
            await engine.close()
            await store.close()

    asyncio.run(main())


def spawn(call: str) -> c.SpawnActor:
    """A spawn of the lead."""
    return c.SpawnActor(ROOT, CallId(call), "Work.")


def test_an_answer_comes_only_when_its_events_are_durable() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        store.gate.clear()
        asking = asyncio.create_task(engine.submit(spawn("1")))
        await asyncio.sleep(0.01)
        assert not asking.done()
        assert len(await store.read(RUN)) == 2
        store.gate.set()
        (spawned,) = await asking
        assert isinstance(spawned, e.ActorSpawned)
        assert len(await store.read(RUN)) == 3

    with_engine(deed)


def test_an_answer_without_events_waits_for_what_it_was_decided_on() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        store.gate.clear()
        first = asyncio.create_task(engine.submit(spawn("1")))
        await asyncio.sleep(0)
        again = asyncio.create_task(engine.submit(spawn("1")))
        await asyncio.sleep(0.01)
        assert not again.done()
        store.gate.set()
        assert list(await again) == []
        assert len(await first) == 1

    with_engine(deed)


def test_commands_that_come_during_a_commit_share_the_next_one() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        before = len(store.memory.boundaries(RUN))
        store.gate.clear()
        asking = [asyncio.create_task(engine.submit(spawn("0")))]
        await asyncio.sleep(0.01)
        asking += [
            asyncio.create_task(engine.submit(c.CancelActor(ROOT, "x"))),
            asyncio.create_task(engine.submit(c.DrainRun())),
        ]
        await asyncio.sleep(0.01)
        store.gate.set()
        await asyncio.gather(*asking)
        assert len(store.memory.boundaries(RUN)) == before + 2

    with_engine(deed)


def test_a_failed_commit_stops_the_engine_and_tells_every_waiter() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        store.gate.clear()
        store.failure = StoreError("the disk is full")
        asking = [asyncio.create_task(engine.submit(spawn(str(n)), f"l{n}")) for n in range(3)]
        await asyncio.sleep(0.01)
        asking.append(asyncio.create_task(engine.submit(c.DrainRun())))
        await asyncio.sleep(0.01)
        store.gate.set()
        for each in await asyncio.gather(*asking, return_exceptions=True):
            assert isinstance(each, StoreError)
            assert each.message == "the disk is full"
        with pytest.raises(StoreError, match="the disk is full"):
            await engine.submit(c.DrainRun())
        assert len(await store.read(RUN)) == 2

    with_engine(deed)


def test_cancelling_who_waits_does_not_cancel_the_command() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        store.gate.clear()
        asking = asyncio.create_task(engine.submit(spawn("1")))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        store.gate.set()
        await engine.flush()
        assert len(await store.read(RUN)) == 3

    with_engine(deed)


def test_a_refusal_leaves_what_it_records_and_is_raised_when_that_is_durable() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        await engine.submit(spawn("1"))
        with pytest.raises(MaxWorkersExceeded):
            await engine.submit(spawn("2"))
        assert [row.kind for row in await store.read(RUN)][-1] == "SpawnRefused"

    with_engine(deed)


def test_an_owner_that_was_left_behind_can_append_nothing() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        kept = store.memory.runs[RUN]
        kept.epoch += 1
        with pytest.raises(NotOwner):
            await engine.submit(spawn("1"))
        assert isinstance(engine.failure, NotOwner)

    with_engine(deed)


def test_a_run_that_is_owned_names_its_owner() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        other = MemoryStore(store.memory)
        with pytest.raises(UsageError, match="is owned by a test"):
            await Engine.open(other, RUN, SystemClock(), "another")

    with_engine(deed)


def test_a_full_batch_makes_the_caller_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BATCH_MAX", 1)

    async def deed(engine: Engine, store: GatedStore) -> None:
        store.gate.clear()
        first = asyncio.create_task(engine.submit(spawn("1")))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(engine.submit(c.DrainRun()))
        await asyncio.sleep(0.01)
        third = asyncio.create_task(engine.submit(c.CancelActor(ROOT, "x")))
        await asyncio.sleep(0.01)
        assert engine.run.drain_until is not None
        assert engine.run.actors[ROOT].ending is None
        store.gate.set()
        await asyncio.gather(first, second, third)
        assert engine.run.actors[ROOT].ending is not None

    with_engine(deed)


def test_a_rule_that_breaks_while_it_folds_stops_the_engine() -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    async def deed(engine: Engine, store: GatedStore) -> None:
        folds = table.EVOLVE[e.ActorSpawned]
        table.EVOLVE[e.ActorSpawned] = (*folds, broken)
        try:
            with pytest.raises(Bug, match="a rule broke on ActorSpawned"):
                await engine.submit(spawn("1"))
        finally:
            table.EVOLVE[e.ActorSpawned] = folds
        with pytest.raises(StoreError, match="a rule broke"):
            await engine.submit(c.DrainRun())
        assert len(await store.read(RUN)) == 2

    with_engine(deed)


def test_of_a_command_whose_folding_breaks_nothing_is_written() -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    async def deed(engine: Engine, store: GatedStore) -> None:
        # Two events: the second one breaks, after the commit has begun to fill.
        draining = asyncio.create_task(engine.submit(c.CancelActor(ROOT, "x")))
        await asyncio.sleep(0)
        folds = table.EVOLVE[e.MessageSent]
        table.EVOLVE[e.MessageSent] = (*folds, broken)
        try:
            with pytest.raises(Bug, match="a rule broke on MessageSent"):
                await engine.submit(c.WarnActor(ROOT))
        finally:
            table.EVOLVE[e.MessageSent] = folds
        assert isinstance((await asyncio.gather(draining, return_exceptions=True))[0], Exception)
        await asyncio.sleep(0.01)
        assert [row.kind for row in await store.read(RUN)] == ["RunStarted", "ActorSpawned"]

    with_engine(deed)


@pytest.mark.parametrize("error", [OSError("no such device"), ValueError("a bug")])
def test_whatever_breaks_a_commit_stops_the_engine(error: Exception) -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        store.failure = error
        with pytest.raises(StoreError, match="the writer broke"):
            await engine.submit(spawn("1"))
        with pytest.raises(StoreError, match="the writer broke"):
            await engine.flush()

    with_engine(deed)


def test_a_listener_that_breaks_stops_the_engine() -> None:
    def broken(events: Sequence[Stamped]) -> None:
        if events:
            raise ValueError("a bug")

    async def deed(engine: Engine, store: GatedStore) -> None:
        engine.listen(broken)
        await engine.submit(spawn("1"))
        await asyncio.sleep(0.01)
        with pytest.raises(StoreError, match="the writer broke"):
            await engine.submit(c.DrainRun())

    with_engine(deed)


def test_a_new_owner_folds_the_same_state() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        await engine.submit(spawn("1"))
        await engine.close()
        again = await Engine.open(store, RUN, SystemClock(), "another")
        assert again.run == engine.run
        assert again.epoch == engine.epoch + 1
        await again.close()

    with_engine(deed)


def letter(letter_id: str, command: c.CancelActor | c.CancelRun | c.DrainRun) -> Letter:
    """A letter with a command."""
    return Letter(letter_id, encode(command), "a test", 0)


def test_a_letter_is_carried_out_once_and_its_verdict_kept() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        inbox = Inbox(engine, store, RUN)
        for _ in range(2):
            await store.submit(RUN, letter("l1", c.DrainRun("somebody")))
        assert await inbox.take() == 1
        assert await inbox.take() == 0
        assert await store.verdict(RUN, "l1") == b"{}"
        kinds = [row.kind for row in await store.read(RUN)]
        assert kinds.count("RunDraining") == 1

    with_engine(deed)


def test_a_refused_letter_tells_its_sender_why() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        inbox = asyncio.create_task(Inbox(engine, store, RUN).run())
        unknown = c.CancelActor(ActorId("root/W7"), "x")
        with pytest.raises(Refused, match="unknown actor: root/W7"):
            await send(store, RUN, letter("l1", unknown), 5)
        garbage = Letter("l2", b'{"type":"StartRun"}', "a test", 0)
        with pytest.raises(Refused, match="cannot be read"):
            await send(store, RUN, garbage, 5)
        inbox.cancel()
        await asyncio.gather(inbox, return_exceptions=True)

    with_engine(deed)


def test_a_letter_that_nobody_takes_is_left_and_its_sender_told() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        with pytest.raises(UsageError, match=r"gave no answer within 0\.1 s"):
            await send(store, RUN, letter("l1", c.DrainRun()), 0.1)
        assert len(await store.take(RUN)) == 1

    with_engine(deed)


def test_watchers_of_a_key_are_told_after_the_commit() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        with engine.watching(ROOT) as of_root, engine.watching("root/W1") as of_worker:
            store.gate.clear()
            asking = asyncio.create_task(engine.submit(spawn("1")))
            await asyncio.sleep(0.01)
            assert not of_worker.is_set()
            store.gate.set()
            await asking
            assert of_worker.is_set()
            assert not of_root.is_set()

    with_engine(deed)


def test_watchers_of_an_actor_are_not_told_of_its_turns() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        await engine.submit(spawn("1"))
        worker, call, tool = ActorId("root/W1"), CallId("call"), CallId("tool")
        with engine.watching(worker) as of_worker, engine.watching(MONEY) as of_money:
            await engine.submit(c.AdmitCall(worker, call, 1_000))
            assert not of_money.is_set()
            intents = (e.Intent(tool, "Read", "reads", "Read a file"),)
            turn = c.RecordTurn(worker, call, "[]", Usage(9, 9), "tool_use", intents)
            await engine.submit(turn)
            await engine.submit(c.RecordToolResult(worker, tool, "a line"))
            assert of_money.is_set()
            assert not of_worker.is_set()
            await engine.submit(c.CancelActor(worker, "enough"))
            assert of_worker.is_set()

    with_engine(deed)


def test_an_unknown_actor_changes_nothing() -> None:
    async def deed(engine: Engine, store: GatedStore) -> None:
        with pytest.raises(UnknownActor):
            await engine.submit(c.CancelActor(ActorId("root/W1"), "x"))
        assert len(await store.read(RUN)) == 2

    with_engine(deed)
