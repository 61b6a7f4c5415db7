"""Inbox: letters are carried out once, whatever the store or the owner goes through."""

import asyncio

from leadhand.domain import commands as c
from leadhand.domain.manifest import Lead, Manifest, Settings
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import POLL_SECS, Inbox, encode, send
from leadhand.errors import StoreError
from leadhand.store import Letter
from leadhand.stores.memory import Memory, MemoryStore
from leadhand.testing.clock import JumpingClock, run

RUN = "aaaaaaaaaa"
MANIFEST = Manifest(Lead("lead", "Go.", Settings(model="claude-haiku-4-5")))


class BusyStore(MemoryStore):
    """A store whose inbox cannot be read for a while."""

    busy = 0

    async def take(self, run: str) -> list[Letter]:
        self.busy -= 1
        if self.busy >= 0:
            raise StoreError("database is locked")
        return await super().take(run)


async def opened(store: MemoryStore, who: str = "a test") -> Engine:
    """An engine that owns the run."""
    return await Engine.open(store, RUN, JumpingClock(asyncio.get_running_loop()), who)


def drain(letter_id: str) -> Letter:
    """A letter that drains the run."""
    return Letter(letter_id, encode(c.DrainRun("somebody")), "somebody", 0)


def kinds(memory: Memory) -> list[str]:
    """What has happened."""
    return [row.kind for row in memory.runs[RUN].rows]


def test_an_inbox_that_cannot_be_read_for_a_while_is_read_later() -> None:
    async def main() -> None:
        store = BusyStore()
        await store.create(RUN, "")
        engine = await opened(store)
        await engine.submit(c.StartRun(RUN, MANIFEST))
        store.busy = 3
        inbox = asyncio.create_task(Inbox(engine, store, RUN).run())
        await send(store, RUN, drain("l1"), 10)
        assert asyncio.get_running_loop().time() < 5 * POLL_SECS
        inbox.cancel()
        await asyncio.gather(inbox, return_exceptions=True)
        await engine.close()

    run(main())


def test_a_letter_that_waits_is_carried_out_by_the_next_owner_once() -> None:
    memory = Memory()

    async def first() -> None:
        store = MemoryStore(memory)
        await store.create(RUN, "")
        engine = await opened(store)
        await engine.submit(c.StartRun(RUN, MANIFEST))
        await store.submit(RUN, drain("l1"))
        await engine.close()

    async def later() -> int:
        store = MemoryStore(memory)
        engine = await opened(store, "the next one")
        await store.submit(RUN, drain("l1"))
        taken = await Inbox(engine, store, RUN).take()
        await send(store, RUN, drain("l1"), 1)
        await engine.close()
        return taken

    run(first())
    assert run(later()) == 1
    assert run(later()) == 0
    assert kinds(memory).count("RunDraining") == 1


def test_the_verdict_of_a_letter_is_durable_with_what_it_did() -> None:
    memory = Memory()

    async def main() -> None:
        store = MemoryStore(memory)
        await store.create(RUN, "")
        engine = await opened(store)
        await engine.submit(c.StartRun(RUN, MANIFEST))
        await store.submit(RUN, drain("l1"))
        await Inbox(engine, store, RUN).take()
        await engine.close()

    run(main())
    last_seq, verdicts, _ = memory.runs[RUN].commits[-1]
    assert list(verdicts) == ["l1"]
    assert kinds(memory)[:last_seq][-2:] == ["RunDraining", "MessageSent"]
