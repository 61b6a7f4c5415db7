"""Log: anyone reads and folds a run, page by page, blobs included, and nobody needs to own it."""

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.engine import log
from leadhand.errors import StoreError
from leadhand.store import Row
from leadhand.stores import codec
from leadhand.stores.memory import MemoryStore
from tests.rules.world import World
from tests.stores.kit import begin, in_loop


async def stored(world: World) -> MemoryStore:
    """A store that holds a run's log, and an owner who has not released it."""
    store = MemoryStore()
    rows = [
        Row(at.seq, at.now.wall_ms, at.now.run_ms, event.actor, "kind", codec.encode(event))
        for event, at in world.log
    ]
    await begin(store, rows)
    return store


def busy() -> World:
    world = World()
    world.turn()
    world.settled(label="first")
    world.later(secs=3).admit(world.spawn(label="second"))
    return world


@in_loop
async def test_a_run_is_folded_from_its_log_while_another_owns_it() -> None:
    world = busy()
    store = await stored(world)
    assert await log.fold(store, "run") == world.run
    assert await store.held("run")


@in_loop
async def test_a_run_without_events_is_an_empty_one() -> None:
    store = MemoryStore()
    await store.create("run", "")
    assert (await log.fold(store, "run")).status is None


@in_loop
async def test_events_come_in_order_with_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    world = busy()
    store = await stored(world)
    whole = [log.Stamped(at, event) for event, at in world.log]
    for page in (1, 2, len(whole), 2_000):
        monkeypatch.setattr(log, "PAGE", page)
        assert [each async for each in log.events(store, "run")] == whole
        assert [each async for each in log.events(store, "run", after=5)] == whole[5:]
        own = [each async for each in log.events(store, "run", actor="root/W1")]
        assert own == [each for each in whole if each.event.actor == "root/W1"]


@in_loop
async def test_an_event_that_was_too_long_for_a_row_is_read_from_its_blob() -> None:
    store = MemoryStore()
    epoch = await begin(store)
    event = e.MessageSent(ROOT, number=1, text="x" * 100_000)
    data = codec.spill(await store.put_blob("run", codec.encode(event)))
    await store.append("run", epoch, 0, [Row(1, 0, 0, ROOT, "MessageSent", data)], {}, b"")
    [stamped] = [each async for each in log.events(store, "run")]
    assert stamped.event == event


@in_loop
async def test_an_event_of_a_newer_leadhand_is_not_passed_over() -> None:
    store = MemoryStore()
    row = Row(1, 0, 0, ActorId(""), "MoonRisen", b'{"type":"MoonRisen"}')
    await begin(store, [row])
    with pytest.raises(StoreError, match="use the newer Leadhand"):
        await log.fold(store, "run")
