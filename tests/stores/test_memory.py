"""What the store in memory has for simulation: a run cut where a crash may cut it."""

from leadhand.store import Letter, Owned
from leadhand.stores.memory import Memory, MemoryStore
from tests.stores.kit import begin, events, in_loop


@in_loop
async def test_a_copy_ends_at_any_commit_with_its_verdicts_and_head() -> None:
    memory = Memory()
    store = MemoryStore(memory)
    epoch = await begin(store)
    await store.submit("run", Letter("a", b"cancel", "me", 0))
    digest = await store.put_blob("run", b"text")
    await store.append("run", epoch, 0, events(1, 2), {}, b"two")
    await store.append("run", epoch, 2, events(3, 5), {"a": b"yes"}, b"five")
    assert memory.boundaries("run") == [2, 5]

    early = MemoryStore(memory.copy("run", 2))
    assert await early.read("run") == events(1, 2)
    assert await early.head("run") == b"two"
    assert [letter.id for letter in await early.take("run")] == ["a"]
    assert await early.get_blob("run", digest) == b"text"
    assert await early.own("run", "the next") == Owned(epoch + 1)

    late = MemoryStore(memory.copy("run", 5))
    assert await late.head("run") == b"five"
    assert await late.verdict("run", "a") == b"yes"


@in_loop
async def test_a_copy_cut_inside_a_commit_has_its_first_rows_only() -> None:
    memory = Memory()
    store = MemoryStore(memory)
    epoch = await begin(store)
    await store.append("run", epoch, 0, events(1, 2), {}, b"two")
    await store.append("run", epoch, 2, events(3, 5), {"a": b"yes"}, b"five")
    cut = MemoryStore(memory.copy("run", 4))
    assert await cut.read("run") == events(1, 4)
    assert await cut.read("run", actor="root") == events(1, 4)
    assert await cut.head("run") == b"two"
    assert await cut.verdict("run", "a") is None


@in_loop
async def test_a_copy_goes_its_own_way() -> None:
    memory = Memory()
    store = MemoryStore(memory)
    epoch = await begin(store, events(1, 3))
    copy = MemoryStore(memory.copy("run", 1))
    await copy.own("run", "the next")
    await copy.append("run", epoch + 1, 1, events(2, 2), {}, b"")
    await store.append("run", epoch, 3, events(4, 4), {}, b"")
    assert len(await copy.read("run")) == 2
    assert len(await store.read("run")) == 4
