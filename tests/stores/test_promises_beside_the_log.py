"""What every store promises of letters, watching and blobs, whatever it is made of."""

import asyncio

import pytest

from leadhand.errors import StoreError
from leadhand.store import Store
from tests.stores.kit import begin, event, events, in_loop, letter, owned

# Letters and verdicts


@in_loop
async def test_letters_come_in_order_until_they_have_a_verdict(store: Store, other: Store) -> None:
    epoch = await begin(store)
    letters = [letter(name, name.encode()) for name in ("z", "b", "m")]
    for each in letters:
        await other.submit("run", each)
    assert await store.take("run") == letters
    assert await store.take("run") == letters
    await store.append("run", epoch, 0, [event(1)], {"b": b"accepted"}, b"")
    for _ in range(2):
        assert await store.take("run") == [letters[0], letters[2]]
    await store.append("run", epoch, 1, [], {"z": b"refused", "m": b"accepted"}, b"")
    assert await store.take("run") == []
    await other.submit("run", letter("later"))
    assert await store.take("run") == [letter("later")]


@in_loop
async def test_the_same_letter_twice_is_one_letter(store: Store, other: Store) -> None:
    epoch = await begin(store)
    for sender in (store, other, store):
        await sender.submit("run", letter("a", b"first"))
    await other.submit("run", letter("a", b"other words under the same id"))
    assert await store.take("run") == [letter("a", b"first")]
    await store.append("run", epoch, 0, [event(1)], {"a": b"accepted"}, b"")
    await other.submit("run", letter("a", b"first"))
    assert await store.take("run") == []
    assert await other.verdict("run", "a") == b"accepted"


@in_loop
async def test_a_letter_has_one_verdict_and_a_second_undoes_its_commit(store: Store) -> None:
    epoch = await begin(store)
    await store.append("run", epoch, 0, [event(1)], {"a": b"accepted"}, b"one")
    with pytest.raises(StoreError, match="verdict already"):
        await store.append("run", epoch, 1, [event(2)], {"b": b"x", "a": b"refused"}, b"two")
    assert await store.read("run") == [event(1)]
    assert await store.head("run") == b"one"
    assert await store.verdict("run", "a") == b"accepted"
    assert await store.verdict("run", "b") is None


@in_loop
async def test_the_sender_reads_the_verdict(store: Store, other: Store) -> None:
    epoch = await begin(store)
    await other.submit("run", letter("a"))
    assert await other.verdict("run", "a") is None
    await store.append("run", epoch, 0, [], {"a": b""}, b"")
    assert await other.verdict("run", "a") == b""


@in_loop
async def test_letters_wait_for_the_next_owner(store: Store, other: Store) -> None:
    epoch = await begin(store)
    await other.submit("run", letter("a"))
    await other.submit("run", letter("b"))
    await store.append("run", epoch, 0, [], {"a": b"done"}, b"")
    await store.close()
    await owned(other)
    assert await other.take("run") == [letter("b")]


@in_loop
async def test_an_owner_may_write_to_itself(store: Store) -> None:
    await begin(store)
    assert await store.take("run") == []
    await store.submit("run", letter("a"))
    assert await store.take("run") == [letter("a")]


# Watching


@in_loop
async def test_watching_what_is_there_does_not_wait(store: Store, other: Store) -> None:
    await begin(store, events(1, 3))
    assert await other.watch("run", 2, 60.0)


@in_loop
async def test_watching_ends_when_its_time_runs_out(store: Store, other: Store) -> None:
    await begin(store, events(1, 3))
    assert not await other.watch("run", 3, 0.0)
    assert not await other.watch("run", 3, 0.01)


@in_loop
async def test_watchers_wake_when_the_event_comes(store: Store, other: Store) -> None:
    epoch = await begin(store)
    watchers = [each.watch("run", seq, 60.0) for each in (store, other) for seq in (0, 1)]
    waiting = [asyncio.create_task(watcher) for watcher in watchers]
    await asyncio.sleep(0)
    for seq in (1, 2):
        await store.append("run", epoch, seq - 1, [event(seq)], {}, b"")
    assert await asyncio.gather(*waiting) == [True] * 4


# Blobs


@pytest.mark.parametrize("data", [b"", b"some text", bytes(range(256)) * 4096])
@in_loop
async def test_a_blob_is_kept_under_its_digest(store: Store, other: Store, data: bytes) -> None:
    await store.create("run", "")
    digests = [await each.put_blob("run", data) for each in (store, other, store)]
    assert len(set(digests)) == 1
    assert await other.get_blob("run", digests[0]) == data


@in_loop
async def test_many_may_put_the_same_blob_at_once(store: Store, other: Store) -> None:
    await store.create("run", "")
    puts = [each.put_blob("run", b"x" * 10_000) for each in (store, other) for _ in range(8)]
    (digest,) = set(await asyncio.gather(*puts))
    assert await store.get_blob("run", digest) == b"x" * 10_000


@in_loop
async def test_a_missing_blob_is_a_clear_error(store: Store) -> None:
    await store.create("run", "")
    with pytest.raises(StoreError, match="missing"):
        await store.get_blob("run", "0" * 64)


@pytest.mark.parametrize("digest", ["", "abc", "../" * 22, "A" * 64, "0" * 63 + "\n", "0" * 65])
@in_loop
async def test_a_hostile_digest_is_refused(store: Store, digest: str) -> None:
    await store.create("run", "")
    with pytest.raises(StoreError, match="not a digest"):
        await store.get_blob("run", digest)
