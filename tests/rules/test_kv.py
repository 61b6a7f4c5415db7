import msgspec
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.invariants import broken
from leadhand.domain.rules import kv, wait
from leadhand.refusals import NamespaceDenied, Settled, StoreFull, VersionDiffers
from tests.rules.world import World, intent, kinds


def putting(
    world: World, actor: str = ROOT, path: str = "/shared/x", value: str = "1", call: str = "",
    expected: int | None = None,
) -> c.PutEntry:  # fmt: skip
    known = CallId(call) if call else world.call_id()
    return c.PutEntry(ActorId(actor), known, path, value, expected_version=expected)


def test_an_entry_has_a_version_that_rises_from_one() -> None:
    world = World()
    worker = world.spawn()
    [first] = world.do(putting(world, worker, value='"a"'))
    [second] = world.do(putting(world, ROOT, value='"bb"'))
    assert (first, second) == (
        e.EntryPut(worker, CallId("call2"), ROOT, "/shared/x", 1, 3, '"a"'),
        e.EntryPut(ROOT, CallId("call3"), ROOT, "/shared/x", 2, 4, '"bb"'),
    )
    entry = world.run.layers[ROOT].entries["/shared/x"]
    assert (entry.version, entry.size, entry.writer, entry.seq) == (2, 4, ROOT, world.run.seq)


def test_the_state_never_holds_a_value() -> None:
    world = World()
    world.do(putting(world, value='"a secret of 4000 bytes"'))
    assert b"a secret" not in msgspec.json.encode(world.run)
    assert msgspec.json.encode(world.refolded()) == msgspec.json.encode(world.run)


def test_breaking_the_law_of_a_namespace_changes_nothing() -> None:
    world = World()
    worker, other = world.spawn(), world.spawn()
    world.do(putting(world, ROOT, "/ref/spec"))
    world.do(putting(world, worker, "/peer/self/notes"))
    for actor, path in ((worker, "/ref/spec"), (other, "/peer/W1/notes"), (ROOT, "/leases/x")):
        world.refused(putting(world, actor, path), NamespaceDenied)
    found = world.run.layers[ROOT].entries
    assert {path: entry.version for path, entry in found.items()} == {
        "/ref/spec": 1,
        "/peer/W1/notes": 1,
    }


def test_a_settled_actor_writes_nothing() -> None:
    world = World()
    worker = world.settled()
    world.refused(putting(world, worker), Settled)


# Compare and swap


def test_a_compare_with_another_version_writes_nothing_and_names_the_present_one() -> None:
    world = World()
    world.do(putting(world, expected=0))
    refusal = world.refused(putting(world, expected=0), VersionDiffers)
    assert refusal.message == "/shared/x has version 1, expected was 0"
    world.do(putting(world, expected=1))
    assert len(world.of(e.EntryPut)) == 2


def test_a_call_that_is_repeated_after_a_crash_does_not_lose_against_itself() -> None:
    world = World()
    world.turn(intents=(intent("t1"),))
    world.do(putting(world, call="t1", expected=0))
    worker = world.spawn()
    world.do(putting(world, worker, value="2"))
    assert world.do(putting(world, call="t1", expected=0)) == []
    assert world.run.has_done(ROOT, CallId("t1")) == 1
    assert world.run.layers[ROOT].entries["/shared/x"].version == 2


def test_what_a_call_has_done_is_kept_only_while_it_is_open() -> None:
    world = World()
    world.turn(intents=(intent("t1"), intent("t2")))
    for call in ("t1", "t2"):
        world.do(putting(world, call=call))
    world.do(c.RecordToolResult(ROOT, CallId("t1"), "done"))
    assert [world.run.has_done(ROOT, CallId(call)) for call in ("t1", "t2")] == [0, 2]
    world.turn(intents=(intent("t2"),))
    assert world.run.has_done(ROOT, CallId("t2")) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_compare_and_swap_never_loses_an_update(steps: list[tuple[int, bool]]) -> None:
    """Writers count by reading and comparing; each that succeeds has counted one more."""
    world = World()
    writers = [ROOT, *(world.spawn() for _ in range(3))]
    read: dict[ActorId, tuple[int, int]] = {}
    counted = 0
    for number, reads in steps:
        writer = writers[number]
        if reads or writer not in read:
            layer = world.run.layers.get(ROOT)
            entry = layer.entries["/shared/n"] if layer else None
            event = world.log[entry.seq - 1][0] if entry else None
            assert event is None or isinstance(event, e.EntryPut)
            read[writer] = (entry.version if entry else 0, int(event.value) if event else 0)
            continue
        version, value = read.pop(writer)
        try:
            world.do(putting(world, writer, "/shared/n", str(value + 1), expected=version))
            counted += 1
        except VersionDiffers:
            pass
    layer = world.run.layers.get(ROOT)
    last = world.of(e.EntryPut)[-1].value if layer else "0"
    assert int(last) == counted
    assert [each.version for each in world.of(e.EntryPut)] == [*range(1, counted + 1)]


# Room


def test_a_value_is_at_most_256_kib() -> None:
    world = World()
    world.do(putting(world, value="x" * kv.VALUE_MAX))
    refusal = world.refused(putting(world, value="x" * (kv.VALUE_MAX + 1)), StoreFull)
    assert f"has {kv.VALUE_MAX + 1} bytes, at most {kv.VALUE_MAX}" in refusal.message


def test_a_layer_holds_at_most_64_mib_and_says_what_is_used() -> None:
    world = World()
    for number in range(kv.LAYER_MAX // kv.VALUE_MAX):
        command = c.PutEntry(
            ROOT, world.call_id(), f"/shared/{number}", blob="blob:x", size=kv.VALUE_MAX
        )
        world.do(command)
    refusal = world.refused(putting(world, path="/shared/more"), StoreFull)
    assert refusal.message == (
        "your layer's store is full: 67108864 of 67108864 bytes are used, /shared/more needs 1"
    )
    world.do(putting(world, path="/shared/7"))
    world.do(putting(world, path="/shared/more"))


def test_a_layer_holds_ten_thousand_entries_and_no_more() -> None:
    world = World()
    for number in range(kv.ENTRIES_MAX):
        event = e.EntryPut(
            ROOT, CallId("t"), ROOT, f"/shared/{number}", version=1, size=1, value="1"
        )
        evolve(world.run, event, At(world.run.seq + 1, world.now))
    assert broken(world.run) == []
    refusal = world.refused(putting(world, path="/shared/one-more"), StoreFull)
    assert refusal.message == "your layer's store is full: it has 10000 entries, the most"
    world.do(putting(world, path="/shared/9999"))


WRITES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9_000), st.integers(-1, 3)), max_size=40
)


@given(WRITES)
def test_the_size_of_a_layer_is_that_of_its_entries(writes: list[tuple[int, int, int]]) -> None:
    world = World()
    kept: dict[str, int] = {}
    for number, size, expected in writes:
        path = f"/shared/{number}"
        wanted = None if expected < 0 else expected
        try:
            world.do(putting(world, path=path, value="x" * size, expected=wanted))
            kept[path] = size
        except VersionDiffers:
            pass
    layer = world.run.layers.get(ROOT)
    assert (layer.size if layer else 0) == sum(kept.values())


# Waiting


def awaiting(actor: str = ROOT, version: int = 1, secs: int | None = None) -> c.AwaitEntry:
    return c.AwaitEntry(ActorId(actor), CallId("t1"), "/shared/x", version, secs)


def over(world: World, actor: str) -> str:
    [found] = world.actor(actor).waits.values()
    return wait.over(world.run, world.actor(actor), found, world.now)


def test_a_wait_for_an_entry_is_over_when_it_has_the_version() -> None:
    world = World()
    worker = world.spawn()
    world.do(awaiting(worker, version=2))
    assert over(world, worker) == ""
    world.do(putting(world))
    assert over(world, worker) == ""
    world.do(putting(world))
    assert over(world, worker) == "settled"
    assert world.do(awaiting(worker, version=2)) == []


def test_a_wait_for_an_entry_ends_with_its_time_or_its_actors() -> None:
    world = World()
    worker = world.spawn(timeout_secs=100)
    [opened] = world.do(awaiting(worker))
    assert isinstance(opened, e.WaitOpened)
    assert opened.until == 100_000
    world.later(secs=101)
    assert over(world, worker) == "the time of this wait ran out"


def test_a_wait_for_an_entry_ends_when_its_actor_has_mail() -> None:
    world = World()
    world.do(awaiting(secs=50))
    world.do(c.DrainRun())
    assert over(world, ROOT) == "there is a message for you, which comes with this result"


def test_a_lead_does_not_wait_for_what_none_of_its_workers_can_write_any_more() -> None:
    world = World()
    world.do(awaiting())
    # It may be spawning somebody by another call of the same turn.
    assert over(world, ROOT) == ""
    one, two = world.spawn(), world.spawn()
    for worker in (one, two):
        assert over(world, ROOT) == ""
        world.turn(worker)
        world.exit(worker)
    assert over(world, ROOT) == (
        "your workers have settled, so that nobody is left who could write it"
    )
    world.do(putting(world))
    assert over(world, ROOT) == "settled"


def test_nobody_waits_for_what_it_may_not_read() -> None:
    world = World()
    worker = world.spawn()
    world.spawn()
    command = c.AwaitEntry(worker, CallId("t1"), "/peer/W2/x")
    world.refused(command, NamespaceDenied)
    assert kinds([event for event, _ in world.log]).count("WaitOpened") == 0
