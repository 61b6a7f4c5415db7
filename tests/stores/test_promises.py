"""What every store promises of runs, owners and the log, whatever it is made of."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadhand.errors import NotOwner, StoreError
from leadhand.store import EVENT_MAX_BYTES, Owned, Row, Store
from leadhand.stores.memory import Memory, MemoryStore
from leadhand.stores.sqlite import SqliteStore
from tests.stores.kit import OpenStore, begin, event, events, holder, in_loop, letter, owned

HOSTILE_NAMES = ["", ".", "..", "../run", "a/b", "-run", "Run", "run\n", "r\0n", "rün", "a" * 65]


# Runs


@in_loop
async def test_a_new_run_is_empty(store: Store) -> None:
    await store.create("run", "# a manifest\n")
    assert await store.read("run") == []
    assert await store.head("run") == b""
    assert await store.take("run") == []


@in_loop
async def test_a_run_is_made_once(store: Store, other: Store) -> None:
    await begin(store, events(1, 3))
    with pytest.raises(StoreError, match="exists already"):
        await other.create("run", "# another\n")
    assert len(await store.read("run")) == 3


@in_loop
async def test_one_of_many_makers_of_a_run_makes_it(store: Store, other: Store) -> None:
    tries = [each.create("run", "") for each in (store, other) for _ in range(4)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert answers.count(None) == 1
    assert sum(isinstance(answer, StoreError) for answer in answers) == 7


@in_loop
async def test_runs_are_listed_oldest_first(store: Store, other: Store) -> None:
    assert await store.runs() == []
    for run in ("b", "c", "a"):
        await store.create(run, "")
    assert await other.runs() == ["b", "c", "a"]


@in_loop
async def test_a_run_that_nobody_owns_can_be_taken_away_and_made_again(
    store: Store, other: Store
) -> None:
    await begin(store, events(1, 3))
    await store.create("stays", "")
    for each in (store, other):
        with pytest.raises(StoreError, match="Run run is not removed: it is run by a test"):
            await each.remove("run")
    await store.release("run")
    assert len(await other.read("run")) == 3
    await store.remove("run")
    assert await other.runs() == ["stays"]
    with pytest.raises(StoreError):
        await store.read("run")
    await store.create("run", "")
    assert await store.read("run") == []


@pytest.mark.parametrize("run", ["none", *HOSTILE_NAMES])
@in_loop
async def test_a_run_that_is_not_there_or_hostile_is_refused(store: Store, run: str) -> None:
    await store.create("run", "")
    for asked in (
        lambda: store.own(run, "me"),
        lambda: store.remove(run),
        lambda: store.append(run, 1, 0, [event(1)], {}, b""),
        lambda: store.head(run),
        lambda: store.read(run),
        lambda: store.submit(run, letter("a")),
        lambda: store.take(run),
        lambda: store.verdict(run, "a"),
        lambda: store.watch(run, 0, 0.0),
        lambda: store.put_blob(run, b"x"),
        lambda: store.get_blob(run, "0" * 64),
    ):
        with pytest.raises(StoreError):
            await asked()
    assert await store.runs() == ["run"]


@pytest.mark.parametrize("run", HOSTILE_NAMES)
@in_loop
async def test_no_run_gets_a_hostile_name(store: Store, run: str) -> None:
    with pytest.raises(StoreError, match="is not a run's id"):
        await store.create(run, "")
    assert await store.runs() == []


# Ownership


@in_loop
async def test_one_owner_at_a_time_and_others_learn_who(store: Store, other: Store) -> None:
    await store.create("run", "")
    assert await store.own("run", "dispatch of ann") == Owned(1)
    assert "dispatch of ann" in await holder(other)
    assert "dispatch of ann" in await holder(store)


@in_loop
async def test_each_owner_raises_the_epoch(store: Store, other: Store) -> None:
    await store.create("run", "")
    for epoch, owner in enumerate((store, other, store, store), 1):
        assert await owner.own("run", "me") == Owned(epoch)
        await owner.release("run")


@in_loop
async def test_closing_a_store_frees_its_runs(store: Store, other: Store) -> None:
    await begin(store, events(1, 2))
    await store.close()
    assert await other.own("run", "me") == Owned(2)
    assert len(await other.read("run")) == 2


@in_loop
async def test_a_guest_cannot_release_what_another_owns(store: Store, other: Store) -> None:
    epoch = await begin(store)
    await other.release("run")
    await holder(other)
    await store.append("run", epoch, 0, [event(1)], {}, b"")


@in_loop
async def test_only_the_owner_appends(store: Store, other: Store) -> None:
    epoch = await begin(store)
    for appender, wrong in ((other, epoch), (store, epoch + 1), (store, epoch - 1)):
        with pytest.raises(NotOwner):
            await appender.append("run", wrong, 0, [event(1)], {"a": b"no"}, b"head")
    await store.release("run")
    with pytest.raises(NotOwner):
        await store.append("run", epoch, 0, [event(1)], {}, b"")
    await owned(store)
    with pytest.raises(NotOwner):
        await store.append("run", epoch, 0, [event(1)], {}, b"")
    assert await store.read("run") == []
    assert await store.verdict("run", "a") is None
    assert await store.head("run") == b""


@in_loop
async def test_runs_are_owned_apart_from_each_other(store: Store, other: Store) -> None:
    epoch = await begin(store, run="a")
    epoch_of_b = await begin(other, run="b")
    await store.append("a", epoch, 0, [event(1)], {}, b"")
    await other.append("b", epoch_of_b, 0, events(1, 2), {}, b"")
    assert len(await store.read("b")) == 2
    assert len(await other.read("a")) == 1


# The log


@in_loop
async def test_what_was_appended_is_read_by_everybody(store: Store, other: Store) -> None:
    rows = events(1, 3)
    epoch = await begin(store)
    await store.append("run", epoch, 0, rows[:2], {}, b"two")
    assert await other.head("run") == b"two"
    await store.append("run", epoch, 2, rows[2:], {}, b"three")
    for reader in (store, other):
        assert await reader.read("run") == rows
        assert await reader.head("run") == b"three"


printable = st.text(st.characters(min_codepoint=32, exclude_categories=("C", "Z")), max_size=20)
numbers = st.integers(0, 2**62)


@pytest.mark.slow
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(
    drawn=st.lists(
        st.tuples(numbers, numbers, printable, printable, st.binary(max_size=300)), max_size=20
    ),
    number=st.integers(0, 10**12),
)
def test_any_event_is_read_back_as_it_was(
    open_store: OpenStore, drawn: list[tuple[int, int, str, str, bytes]], number: int
) -> None:
    rows = [Row(seq, *fields) for seq, fields in enumerate(drawn, 1)]

    @in_loop
    async def check() -> None:
        store = open_store()
        run = f"run-{number}-{len(await store.runs())}"
        await begin(store, rows, run)
        assert await store.read(run) == rows
        for actor in {row.actor for row in rows}:
            assert await store.read(run, actor=actor) == [r for r in rows if r.actor == actor]
        await store.close()

    check()


@in_loop
async def test_reads_go_by_seq_actor_and_limit(store: Store) -> None:
    rows = [event(seq, str(seq).encode(), f"root/W{seq % 3}") for seq in range(1, 1201)]
    await begin(store, rows)
    assert await store.read("run") == rows[:1000]
    assert await store.read("run", after=1000) == rows[1000:]
    assert await store.read("run", limit=5000) == rows
    assert await store.read("run", after=255, limit=257) == rows[255:512]
    assert await store.read("run", actor="root/W1") == rows[0::3]
    assert await store.read("run", after=4, actor="root/W1", limit=2) == [rows[6], rows[9]]
    assert await store.read("run", actor="nobody") == []
    assert await store.read("run", after=1200) == []
    assert await store.read("run", limit=0) == []
    assert await store.read("run", limit=-1) == []


@pytest.mark.parametrize("size", [1, 127, 128, 129, 500])
@in_loop
async def test_a_commit_may_have_any_number_of_rows(store: Store, size: int) -> None:
    epoch = await begin(store, events(1, 2))
    await store.append("run", epoch, 2, events(3, 2 + size), {}, b"")
    assert await store.read("run") == events(1, 2 + size)


@in_loop
async def test_an_append_that_does_not_follow_the_last_event_leaves_nothing(store: Store) -> None:
    epoch = await begin(store, events(1, 3))
    for after, rows in (
        (2, events(3, 4)),
        (4, events(5, 6)),
        (0, events(1, 1)),
        (3, events(5, 6)),
        (3, [event(4), event(6)]),
        (3, [event(4), event(4)]),
        (2, []),
    ):
        with pytest.raises(StoreError):
            await store.append("run", epoch, after, rows, {"a": b"no"}, b"wrong")
    assert await store.read("run") == events(1, 3)
    assert await store.head("run") == b""
    assert await store.verdict("run", "a") is None
    await store.append("run", epoch, 3, events(4, 4), {}, b"right")
    assert await store.head("run") == b"right"


@in_loop
async def test_an_event_above_the_limit_is_refused_with_its_whole_commit(store: Store) -> None:
    epoch = await begin(store)
    largest = event(1, b"x" * EVENT_MAX_BYTES)
    too_large = event(2, b"x" * (EVENT_MAX_BYTES + 1))
    with pytest.raises(StoreError, match="65537 bytes"):
        await store.append("run", epoch, 0, [largest, too_large], {}, b"")
    assert await store.read("run") == []
    await store.append("run", epoch, 0, [largest], {}, b"")
    assert await store.read("run") == [largest]


@in_loop
async def test_concurrent_appends_at_one_place_let_one_through(store: Store) -> None:
    epoch = await begin(store)
    tries = [store.append("run", epoch, 0, [event(1)], {}, b"") for _ in range(10)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert answers.count(None) == 1
    assert len(await store.read("run")) == 1


# All of it


deeds = st.one_of(
    st.tuples(st.just("own"), st.integers(0, 1)),
    st.tuples(st.just("release"), st.integers(0, 1)),
    st.tuples(
        st.just("append"),
        st.integers(0, 1),
        st.sampled_from([0, 0, 0, -1, 1]),
        st.sampled_from([0, 0, 0, -1, 1]),
        st.integers(0, 3),
        st.sets(st.sampled_from("abc"), max_size=2),
    ),
    st.tuples(st.just("submit"), st.integers(0, 1), st.sampled_from("abcd")),
    st.tuples(st.just("take"), st.integers(0, 1)),
    st.tuples(st.just("read"), st.integers(0, 1), st.integers(0, 5), st.integers(0, 3)),
)


async def answer(stores: Sequence[Store], deed: tuple[Any, ...], at: tuple[int, int]) -> Any:
    """What a store answers, or the kind of error it raises. at: the present epoch and last seq."""
    store = stores[deed[1]]
    try:
        match deed:
            case "own", _:
                return type(await store.own("run", "me"))
            case "release", _:
                return await store.release("run")
            case "append", _, ahead, beyond, count, letters:
                verdicts = dict.fromkeys(letters, b"yes")
                epoch, after = at[0] + ahead, at[1] + beyond
                rows = events(after + 1, after + count)
                return await store.append("run", epoch, after, rows, verdicts, repr(deed).encode())
            case "submit", who, name:
                return await store.submit("run", letter(name, b"%d" % who))
            case "take", _:
                return await store.take("run")
            case "read", _, after, limit:
                return await store.read("run", after, None, limit), await store.head("run")
    except StoreError as error:
        return type(error)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(deeds, max_size=30))
def test_the_store_in_memory_answers_as_the_one_on_disk(done: list[tuple[Any, ...]]) -> None:
    @in_loop
    async def check() -> None:
        with tempfile.TemporaryDirectory() as run_dir:
            memory = Memory()
            in_memory = [MemoryStore(memory), MemoryStore(memory)]
            on_disk = [SqliteStore(Path(run_dir)), SqliteStore(Path(run_dir))]
            for stores in (in_memory, on_disk):
                await stores[0].create("run", "")
            for deed in done:
                at = memory.runs["run"].epoch, len(memory.runs["run"].rows)
                expected = await answer(in_memory, deed, at)
                assert await answer(on_disk, deed, at) == expected, deed
            for store in on_disk:
                await store.close()

    check()


# Closing


@in_loop
async def test_a_closed_store_refuses_and_closing_again_is_nothing(store: Store) -> None:
    epoch = await begin(store)
    await store.close()
    await store.close()
    with pytest.raises(StoreError):
        await store.read("run")
    with pytest.raises(StoreError):
        await store.append("run", epoch, 0, [event(1)], {}, b"")


@in_loop
async def test_who_stops_waiting_for_an_append_does_not_undo_or_halve_it(
    store: Store, other: Store
) -> None:
    epoch = await begin(store)
    append = asyncio.create_task(store.append("run", epoch, 0, events(1, 300), {"a": b"b"}, b""))
    await asyncio.sleep(0)
    append.cancel()
    await asyncio.gather(append, return_exceptions=True)
    await store.close()
    kept = await other.read("run")
    assert kept in ([], events(1, 300))
    assert await other.verdict("run", "a") == (b"b" if kept else None)
