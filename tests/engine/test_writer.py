"""Writer: what the state names can be read once it is durable; a writer that is gone is missed by
nobody.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Lead, Manifest, Settings
from leadhand.engine.clock import SystemClock
from leadhand.engine.engine import Engine
from leadhand.errors import StoreError
from leadhand.store import Row
from leadhand.stores.memory import MemoryStore

RUN_ID = "aaaaaaaaaa"
MANIFEST = Manifest(Lead("lead", "Go.", Settings(model="claude-haiku-4-5")))


class SlowStore(MemoryStore):
    """A store that takes its time over each commit."""

    async def append(
        self,
        run: str,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        await asyncio.sleep(0.01)
        await super().append(run, epoch, after_seq, rows, verdicts, head)


def test_an_event_that_the_state_names_is_read_once_it_is_durable() -> None:
    async def main() -> None:
        store = SlowStore()
        await store.create(RUN_ID, "")
        engine = await Engine.open(store, RUN_ID, SystemClock(), "a test")
        starting = asyncio.create_task(engine.submit(c.StartRun(RUN_ID, MANIFEST)))
        await asyncio.sleep(0)
        assert engine.run.seq == 2
        assert await store.read(RUN_ID) == []
        assert isinstance(await engine.event(engine.run.seq), e.ActorSpawned)
        await starting
        await engine.close()

    asyncio.run(main())


def test_the_history_of_an_actor_holds_all_that_the_state_knows_of_it() -> None:
    async def main() -> None:
        store = SlowStore()
        await store.create(RUN_ID, "")
        engine = await Engine.open(store, RUN_ID, SystemClock(), "a test")
        starting = asyncio.create_task(engine.submit(c.StartRun(RUN_ID, MANIFEST)))
        await asyncio.sleep(0)
        assert ROOT in engine.run.actors
        assert [type(event) for event in await engine.history(ROOT)] == [e.ActorSpawned]
        await starting
        await engine.close()

    asyncio.run(main())


def test_a_loop_that_is_broken_off_leaves_nobody_waiting_for_a_commit() -> None:
    ends = []

    def break_off() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        store = MemoryStore()
        await store.create(RUN_ID, "")
        engine = await Engine.open(store, RUN_ID, SystemClock(), "a test")
        await engine.submit(c.StartRun(RUN_ID, MANIFEST))
        asyncio.get_running_loop().call_soon(break_off)
        try:
            await asyncio.Event().wait()
        finally:
            with suppress(StoreError):
                await engine.submit(c.CancelRun("broken off"))
            ends.append("over")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert ends == ["over"]
